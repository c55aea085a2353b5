use crate::error::RouteError;
use crate::operation::Operation;
use crate::route::check_key;
use crate::tags::{check_bucket_tags, check_object_tags};
use crate::{DELETE_KEYS_MAX, PARTS_MAX};
use hallpass_wire::{XmlNode as Node, read_xml};

/// One object a DeleteObjects names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteKey {
    /// The key.
    pub key: String,
    /// The version to delete for good.
    pub version_id: Option<String>,
    /// Delete only if the object has this ETag.
    pub etag: Option<String>,
}

/// One part a CompleteMultipartUpload names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// 1 to 10,000.
    pub number: u16,
    /// As the client wrote it, quotes included.
    pub etag: String,
}

/// What a buffered body says, as far as anything here needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParsedBody {
    /// DeleteObjects.
    Delete {
        /// Only failures are to be reported.
        quiet: bool,
        /// The objects, in the order given.
        keys: Vec<DeleteKey>,
    },
    /// CompleteMultipartUpload.
    Parts(Vec<Part>),
    /// PutObjectTagging, PutBucketTagging.
    Tags(Vec<(String, String)>),
    /// CreateBucket.
    CreateBucket {
        /// `LocationConstraint`.
        location: Option<String>,
        /// The bucket's first tags.
        tags: Vec<(String, String)>,
    },
    /// PutObjectRetention.
    Retention {
        /// `GOVERNANCE` or `COMPLIANCE`.
        mode: Option<String>,
        /// The instant as written.
        until: Option<String>,
    },
    /// PutObjectLegalHold: `ON` or `OFF`.
    LegalHold(Option<String>),
    /// PutBucketReplication: the role that will replicate.
    Replication(Option<String>),
    /// A document whose contents decide nothing here.
    Other,
}

pub(crate) fn read(operation: Operation, bytes: &[u8]) -> Result<ParsedBody, RouteError> {
    use Operation as Op;
    let root = |name: &str| {
        let root = read_xml(bytes)?;
        if root.name == name {
            Ok(root)
        } else {
            Err(RouteError::MalformedXml)
        }
    };
    let text = |node: &Node, name: &str| {
        node.one_text(name)
            .map(|text| text.map(|text| text.trim().to_owned()))
    };
    match operation {
        Op::DeleteObjects => read_delete(&root("Delete")?),
        Op::CompleteMultipartUpload => read_parts(&root("CompleteMultipartUpload")?),
        Op::PutObjectTagging => {
            let tags = read_tags(&root("Tagging")?)?;
            check_object_tags(&tags)?;
            Ok(ParsedBody::Tags(tags))
        }
        Op::PutBucketTagging => {
            let tags = read_tags(&root("Tagging")?)?;
            check_bucket_tags(&tags)?;
            Ok(ParsedBody::Tags(tags))
        }
        Op::CreateBucket if bytes.is_empty() => Ok(ParsedBody::CreateBucket {
            location: None,
            tags: vec![],
        }),
        Op::CreateBucket => {
            let root = root("CreateBucketConfiguration")?;
            let tags = match root.one("Tags")? {
                Some(tags) => tag_list(tags)?,
                None => vec![],
            };
            check_bucket_tags(&tags)?;
            Ok(ParsedBody::CreateBucket {
                location: text(&root, "LocationConstraint")?,
                tags,
            })
        }
        Op::PutObjectRetention => {
            let root = root("Retention")?;
            Ok(ParsedBody::Retention {
                mode: text(&root, "Mode")?,
                until: text(&root, "RetainUntilDate")?,
            })
        }
        Op::PutObjectLegalHold => Ok(ParsedBody::LegalHold(text(&root("LegalHold")?, "Status")?)),
        Op::PutBucketReplication => Ok(ParsedBody::Replication(text(
            &root("ReplicationConfiguration")?,
            "Role",
        )?)),
        // JSON, and for the upstream to judge.
        Op::PutBucketPolicy => Ok(ParsedBody::Other),
        _ if bytes.is_empty() => Ok(ParsedBody::Other),
        _ => Ok(read_xml(bytes).map(|_| ParsedBody::Other)?),
    }
}

/// Strict beyond the schema's need: the same bytes go on to an upstream, whose reading must not differ.
fn read_delete(root: &Node) -> Result<ParsedBody, RouteError> {
    root.only(&["Object", "Quiet"])?;
    let quiet = match root.one_text("Quiet")?.map(str::trim) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(RouteError::MalformedXml),
    };
    let mut keys = vec![];
    for object in root.children.iter().filter(|child| child.name == "Object") {
        object.only(&["Key", "VersionId", "ETag", "LastModifiedTime", "Size"])?;
        let key = object
            .one_text("Key")?
            .filter(|key| !key.is_empty())
            .ok_or(RouteError::MalformedXml)?;
        check_key(key)?;
        if object.one("LastModifiedTime")?.is_some() || object.one("Size")?.is_some() {
            return Err(RouteError::NotImplemented("conditional deletes by time or size"));
        }
        let version_id = object.one_text("VersionId")?.map(str::to_owned);
        if version_id.as_deref() == Some("") {
            return Err(RouteError::MalformedXml);
        }
        let etag = object.one_text("ETag")?.map(str::to_owned);
        keys.push(DeleteKey {
            key: key.to_owned(),
            version_id,
            etag,
        });
    }
    if keys.is_empty() || keys.len() > DELETE_KEYS_MAX {
        return Err(RouteError::MalformedXml);
    }
    Ok(ParsedBody::Delete { quiet, keys })
}

fn read_parts(root: &Node) -> Result<ParsedBody, RouteError> {
    root.only(&["Part"])?;
    let mut parts = vec![];
    for part in &root.children {
        let number = part
            .one_text("PartNumber")?
            .and_then(|text| text.trim().parse::<u16>().ok());
        let number = number.filter(|number| (1..=PARTS_MAX).contains(&usize::from(*number)));
        let etag = part.one_text("ETag")?.map(|etag| etag.trim().to_owned());
        let (Some(number), Some(etag)) = (number, etag) else {
            return Err(RouteError::MalformedXml);
        };
        parts.push(Part { number, etag });
    }
    if parts.is_empty() || parts.len() > PARTS_MAX {
        return Err(RouteError::MalformedXml);
    }
    Ok(ParsedBody::Parts(parts))
}

fn read_tags(root: &Node) -> Result<Vec<(String, String)>, RouteError> {
    root.only(&["TagSet"])?;
    tag_list(root.one("TagSet")?.ok_or(RouteError::MalformedXml)?)
}

fn tag_list(set: &Node) -> Result<Vec<(String, String)>, RouteError> {
    set.only(&["Tag"])?;
    let mut tags = vec![];
    for tag in &set.children {
        tag.only(&["Key", "Value"])?;
        match (tag.one_text("Key")?, tag.one_text("Value")?) {
            (Some(key), Some(value)) => tags.push((key.to_owned(), value.to_owned())),
            _ => return Err(RouteError::MalformedXml),
        }
    }
    Ok(tags)
}
