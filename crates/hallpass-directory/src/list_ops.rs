use crate::listing::{After, Wanted, list};
use crate::respond::{quoted, xml};
use crate::store::Store;
use hallpass_upstream::{Body, ForwardParts, UpstreamError, encode_key};
use hallpass_wire::XmlWriter;
use http::Response;

/// The most keys of one page. Source: S3 API, ListObjectsV2.
const PAGE_MAX: usize = 1_000;

/// What both versions of the listing share, as the request has it.
struct Asked<'a> {
    parts: &'a ForwardParts,
    encode: bool,
    max: usize,
}

impl<'a> Asked<'a> {
    fn new(parts: &'a ForwardParts) -> Self {
        let max = parts
            .s3
            .parameter("max-keys")
            .and_then(|max| max.parse::<usize>().ok());
        Self {
            parts,
            encode: parts.s3.parameter("encoding-type") == Some("url"),
            max: max.map_or(PAGE_MAX, |max| max.min(PAGE_MAX)),
        }
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.parts.s3.parameter(name)
    }

    fn text(&self, key: &str) -> String {
        if self.encode {
            encode_key(key)
        } else {
            key.to_owned()
        }
    }

    fn wanted(&self, after: Option<After>) -> Wanted {
        Wanted {
            prefix: self.get("prefix").unwrap_or_default().to_owned(),
            delimiter: self.get("delimiter").map(str::to_owned),
            after,
            max: self.max,
        }
    }
}

pub(crate) fn version_1(store: &Store, parts: &ForwardParts) -> Result<Response<Body>, UpstreamError> {
    let asked = Asked::new(parts);
    let marker = asked.get("marker").filter(|marker| !marker.is_empty());
    let delimiter = asked.get("delimiter").filter(|delimiter| !delimiter.is_empty());
    // A marker that is a common prefix came from NextMarker: what it stands for has been listed.
    let after = marker.map(|marker| {
        let is_prefix = delimiter.is_some_and(|delimiter| marker.ends_with(delimiter));
        if is_prefix {
            After::Prefix(marker.to_owned())
        } else {
            After::Key(marker.to_owned())
        }
    });
    page(store, &asked, after, |xml, next| {
        xml.text("Marker", asked.text(marker.unwrap_or_default()));
        // Without a delimiter the last key is the next marker, and S3 leaves it to the client to see that.
        if let (Some(_), Some(After::Key(next) | After::Prefix(next))) = (delimiter, next) {
            xml.text("NextMarker", asked.text(next));
        }
    })
}

pub(crate) fn version_2(store: &Store, parts: &ForwardParts) -> Result<Response<Body>, UpstreamError> {
    let asked = Asked::new(parts);
    let token = asked.get("continuation-token");
    let start_after = asked.get("start-after").filter(|start| !start.is_empty());
    let after = match token {
        Some(token) => Some(read_token(token).ok_or_else(|| {
            UpstreamError::new(
                "InvalidArgument",
                400,
                "The continuation token provided is incorrect",
            )
        })?),
        None => start_after.map(|start| After::Key(start.to_owned())),
    };
    page(store, &asked, after, |xml, next| {
        xml.optional("ContinuationToken", token);
        xml.optional("StartAfter", start_after.map(|start| asked.text(start)));
        xml.optional("NextContinuationToken", next.map(write_token));
    })
}

fn page(
    store: &Store,
    asked: &Asked<'_>,
    after: Option<After>,
    position: impl FnOnce(&mut XmlWriter, Option<&After>),
) -> Result<Response<Body>, UpstreamError> {
    let bucket = asked.parts.s3.bucket.as_deref().unwrap_or_default();
    let is_2 = asked.get("list-type").is_some();
    let page = list(store, bucket, &asked.wanted(after))?;
    let owner = store.bucket(bucket)?.and_then(|meta| meta.owner);
    let with_owner = !is_2 || asked.get("fetch-owner") == Some("true");
    let mut objects = Vec::with_capacity(page.keys.len());
    for key in &page.keys {
        // Deleted since: then it is not listed.
        if let Some(found) = store.find_to_list(bucket, key)? {
            objects.push((key, found.meta));
        }
    }
    let next = page.last.as_ref().filter(|_| page.truncated);
    Ok(xml("ListBucketResult", |xml| {
        xml.text("Name", bucket)
            .text("Prefix", asked.text(asked.get("prefix").unwrap_or_default()));
        position(xml, next);
        if is_2 {
            xml.text("KeyCount", (objects.len() + page.prefixes.len()).to_string());
        }
        xml.text("MaxKeys", asked.max.to_string());
        xml.optional(
            "Delimiter",
            asked.get("delimiter").map(|delimiter| asked.text(delimiter)),
        );
        xml.optional("EncodingType", asked.encode.then_some("url"));
        xml.text("IsTruncated", if page.truncated { "true" } else { "false" });
        for (key, meta) in &objects {
            xml.element("Contents", |xml| {
                xml.text("Key", asked.text(key))
                    .text("LastModified", millis(meta.last_modified.iso8601()))
                    .text("ETag", quoted(&meta.etag))
                    .text("Size", meta.size().to_string());
                if let (true, Some(owner)) = (with_owner, owner) {
                    xml.element("Owner", |xml| {
                        xml.text("ID", owner.as_str());
                    });
                }
                xml.text(
                    "StorageClass",
                    meta.header("x-amz-storage-class").unwrap_or("STANDARD"),
                );
            });
        }
        for prefix in &page.prefixes {
            xml.element("CommonPrefixes", |xml| {
                xml.text("Prefix", asked.text(prefix));
            });
        }
    }))
}

/// S3 writes milliseconds, and some readers demand them.
pub(crate) fn millis(instant: String) -> String {
    instant.replace('Z', ".000Z")
}

/// Opaque to clients: the kind of the last entry and its name, in hex.
fn write_token(after: &After) -> String {
    match after {
        After::Key(key) => hex::encode(format!("k{key}")),
        After::Prefix(prefix) => hex::encode(format!("p{prefix}")),
    }
}

fn read_token(token: &str) -> Option<After> {
    let text = String::from_utf8(hex::decode(token).ok()?).ok()?;
    match text.strip_prefix('k') {
        Some(key) => Some(After::Key(key.to_owned())),
        None => text
            .strip_prefix('p')
            .map(|prefix| After::Prefix(prefix.to_owned())),
    }
}
