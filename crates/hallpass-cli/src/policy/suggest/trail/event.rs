//! One record: which actions on which resources it stands for.

use crate::policy::glob::acts_on;
use hallpass_reference::Action;
use serde_json::Value;

/// Calls whose action has another name (Service Authorization Reference, "Actions, resources, and condition keys for
/// Amazon S3" and "… for AWS Lambda", against CloudTrail's event names).
const RENAMED: &[(&str, &str)] = &[
    ("s3:CompleteMultipartUpload", "s3:PutObject"),
    ("s3:CopyObject", "s3:PutObject"),
    ("s3:CreateMultipartUpload", "s3:PutObject"),
    ("s3:DeleteBucketCors", "s3:PutBucketCORS"),
    ("s3:DeleteBucketEncryption", "s3:PutEncryptionConfiguration"),
    ("s3:DeleteBucketLifecycle", "s3:PutLifecycleConfiguration"),
    ("s3:DeleteBucketReplication", "s3:PutReplicationConfiguration"),
    ("s3:DeleteBucketTagging", "s3:PutBucketTagging"),
    ("s3:DeleteObjects", "s3:DeleteObject"),
    ("s3:GetBucketEncryption", "s3:GetEncryptionConfiguration"),
    ("s3:GetBucketLifecycle", "s3:GetLifecycleConfiguration"),
    (
        "s3:GetBucketLifecycleConfiguration",
        "s3:GetLifecycleConfiguration",
    ),
    ("s3:GetBucketReplication", "s3:GetReplicationConfiguration"),
    ("s3:HeadBucket", "s3:ListBucket"),
    ("s3:HeadObject", "s3:GetObject"),
    ("s3:ListBuckets", "s3:ListAllMyBuckets"),
    ("s3:ListMultipartUploads", "s3:ListBucketMultipartUploads"),
    ("s3:ListObjectVersions", "s3:ListBucketVersions"),
    ("s3:ListObjects", "s3:ListBucket"),
    ("s3:ListObjectsV2", "s3:ListBucket"),
    ("s3:ListParts", "s3:ListMultipartUploadParts"),
    ("s3:PutBucketEncryption", "s3:PutEncryptionConfiguration"),
    ("s3:PutBucketLifecycle", "s3:PutLifecycleConfiguration"),
    (
        "s3:PutBucketLifecycleConfiguration",
        "s3:PutLifecycleConfiguration",
    ),
    ("s3:PutBucketReplication", "s3:PutReplicationConfiguration"),
    ("s3:SelectObjectContent", "s3:GetObject"),
    ("s3:UploadPart", "s3:PutObject"),
    ("s3:UploadPartCopy", "s3:PutObject"),
    ("lambda:Invoke", "lambda:InvokeFunction"),
];
/// Actions that need no permission.
const FREE: [&str; 2] = ["sts:GetCallerIdentity", "sts:GetSessionToken"];

/// What a record stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It was refused, or it needs no permission.
    Nothing,
    /// It was allowed; the resource where the record tells it.
    Actions(Vec<(String, Option<String>)>),
    /// It was allowed, and no action of that name is known.
    Unknown(String),
}

/// Reads one record.
pub(super) fn meaning(record: &Value) -> Meaning {
    if let Some(authorized) = record.pointer("/additionalEventData/hallpass/authorized") {
        let list = authorized.as_array().map_or(&[][..], Vec::as_slice);
        let pairs = list.iter().filter_map(|one| {
            let text = |name: &str| one.get(name).and_then(Value::as_str).map(str::to_owned);
            Some((text("action")?, text("resource")))
        });
        return Meaning::of(
            pairs
                .map(|(action, resource)| (canonical(action), resource))
                .collect(),
        );
    }
    // What Hallpass records without it was refused before a policy was asked, or is about its own workings.
    if record.pointer("/additionalEventData/hallpass").is_some() || was_refused(record) {
        return Meaning::Nothing;
    }
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let (source, name) = (text("eventSource"), text("eventName"));
    let Some(service) = source.strip_suffix(".amazonaws.com").filter(|_| !name.is_empty()) else {
        return Meaning::Nothing;
    };
    let service = match service {
        "monitoring" => "cloudwatch",
        other => other,
    };
    let call = format!("{service}:{name}");
    match known(&call) {
        Some(action) => {
            let name = format!("{}:{}", action.service_prefix(), action.name());
            let resources = resources(record, action);
            Meaning::of(
                resources
                    .into_iter()
                    .map(|resource| (name.clone(), resource))
                    .collect(),
            )
        }
        None => Meaning::Unknown(call),
    }
}

impl Meaning {
    fn of(mut actions: Vec<(String, Option<String>)>) -> Self {
        actions.retain(|(action, _)| !FREE.contains(&action.as_str()));
        if actions.is_empty() {
            Self::Nothing
        } else {
            Self::Actions(actions)
        }
    }
}

fn canonical(action: String) -> String {
    let known = hallpass_reference::action(&action);
    known.map_or(action, |known| {
        format!("{}:{}", known.service_prefix(), known.name())
    })
}

/// An error does not say whether it came before or after the decision, but for what can only be known after it.
fn was_refused(record: &Value) -> bool {
    let code = record.get("errorCode").and_then(Value::as_str);
    code.is_some_and(|code| !code.starts_with("NoSuch") && !code.ends_with("NotFoundException"))
}

/// The action of a call. Some services put the version of their API behind the name: `CreateFunction20150331v2`.
fn known(call: &str) -> Option<&'static Action> {
    let renamed = RENAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(call));
    let name = renamed.map_or(call, |(_, action)| action);
    hallpass_reference::action(name).or_else(|| {
        let revised = name.trim_end_matches(|char: char| char.is_ascii_digit());
        let plain = revised.strip_suffix('v').unwrap_or(name);
        let plain = plain.trim_end_matches(|char: char| char.is_ascii_digit());
        let plain = plain.strip_suffix('_').unwrap_or(plain);
        let plain = if plain == name { None } else { Some(plain) };
        let renamed = RENAMED.iter().find(|(name, _)| Some(*name) == plain);
        hallpass_reference::action(renamed.map_or(plain?, |(_, action)| action))
    })
}

/// The resources of a record that the action acts on; `None` when it tells of none.
fn resources(record: &Value, action: &Action) -> Vec<Option<String>> {
    if action.is_wildcard_only() {
        return vec![Some("*".to_owned())];
    }
    let listed = record
        .get("resources")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let arns = listed
        .iter()
        .filter_map(|one| one.get("ARN").and_then(Value::as_str));
    let mut found = arns.map(str::to_owned).collect::<Vec<_>>();
    let parameter = |name: &str| {
        let value = record
            .pointer(&format!("/requestParameters/{name}"))
            .and_then(Value::as_str);
        value.filter(|value| !value.is_empty())
    };
    if let Some(bucket) = parameter("bucketName").filter(|_| action.service_prefix() == "s3") {
        found.push(format!("arn:aws:s3:::{bucket}"));
        if let Some(key) = parameter("key") {
            found.push(format!("arn:aws:s3:::{bucket}/{key}"));
        }
    }
    found.retain(|arn| acts_on(action, &arn.replace(['*', '?'], "x")));
    found.sort();
    found.dedup();
    if found.is_empty() {
        vec![None]
    } else {
        found.into_iter().map(Some).collect()
    }
}
