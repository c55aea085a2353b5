use crate::body::ParsedBody;
use crate::head::S3Head;
use crate::operation::Operation;
use crate::request::S3Request;
use crate::tags::parse_tagging_header;
use hallpass_access::ActionOn;

/// Headers that are condition keys under their own name, on every action of the request.
///
/// Source: AWS service authorization reference for S3, condition keys.
const HEADER_KEYS: &[(&str, &str)] = &[
    ("x-amz-acl", "s3:x-amz-acl"),
    ("x-amz-grant-read", "s3:x-amz-grant-read"),
    ("x-amz-grant-write", "s3:x-amz-grant-write"),
    ("x-amz-grant-read-acp", "s3:x-amz-grant-read-acp"),
    ("x-amz-grant-write-acp", "s3:x-amz-grant-write-acp"),
    ("x-amz-grant-full-control", "s3:x-amz-grant-full-control"),
    ("x-amz-storage-class", "s3:x-amz-storage-class"),
    ("x-amz-server-side-encryption", "s3:x-amz-server-side-encryption"),
    (
        "x-amz-server-side-encryption-aws-kms-key-id",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    ),
    (
        "x-amz-server-side-encryption-customer-algorithm",
        "s3:x-amz-server-side-encryption-customer-algorithm",
    ),
    (
        "x-amz-website-redirect-location",
        "s3:x-amz-website-redirect-location",
    ),
    ("x-amz-metadata-directive", "s3:x-amz-metadata-directive"),
    ("x-amz-object-ownership", "s3:x-amz-object-ownership"),
    ("x-amz-bucket-namespace", "s3:x-amz-bucket-namespace"),
    ("x-amz-object-lock-mode", "s3:object-lock-mode"),
    (
        "x-amz-object-lock-retain-until-date",
        "s3:object-lock-retain-until-date",
    ),
    ("x-amz-object-lock-legal-hold", "s3:object-lock-legal-hold"),
];

/// Conditions of a write that are condition keys as well.
const WRITE_CONDITIONS: &[(&str, &str)] =
    &[("if-match", "s3:if-match"), ("if-none-match", "s3:if-none-match")];

const GRANTS: &[&str] = &[
    "x-amz-grant-read",
    "x-amz-grant-write",
    "x-amz-grant-read-acp",
    "x-amz-grant-write-acp",
    "x-amz-grant-full-control",
];

impl S3Request {
    /// The IAM actions of this request, each with its resource and condition keys. All must be allowed.
    ///
    /// `head` is the head that was routed. For an operation that buffers its body, call
    /// [`read_body`](Self::read_body) first: a DeleteObjects not read is one of every object in the bucket.
    #[must_use]
    pub fn actions(&self, head: &S3Head<'_>) -> Vec<ActionOn> {
        let keys = self.condition_keys(head);
        let on = |action: &str, resource: &str| ActionOn {
            context: keys.clone(),
            ..ActionOn::new(action, resource)
        };
        let Some(bucket) = &self.bucket else {
            return vec![on(self.row.action, "*")];
        };
        let bucket_arn = format!("arn:aws:s3:::{bucket}");
        let Some(key) = &self.key else {
            return self.bucket_actions(head, &bucket_arn, &on);
        };
        let object_arn = format!("{bucket_arn}/{key}");
        let versioned = self.version_id().is_some();
        let main = if versioned {
            self.row.versioned
        } else {
            self.row.action
        };
        let mut actions = vec![];
        // The source first: a copy of what may not be read is refused as that.
        if let Some(source) = &self.copy_source {
            actions.extend(source_actions(self.operation, head, self, source));
        }
        if self.operation == Operation::GetObjectAttributes {
            actions.push(on(
                if versioned {
                    "s3:GetObjectVersion"
                } else {
                    "s3:GetObject"
                },
                &object_arn,
            ));
        }
        actions.push(on(main, &object_arn));
        for extra in self.object_extras(head) {
            actions.push(on(extra, &object_arn));
        }
        actions
    }

    fn bucket_actions(
        &self,
        head: &S3Head<'_>,
        arn: &str,
        on: &dyn Fn(&str, &str) -> ActionOn,
    ) -> Vec<ActionOn> {
        let has = |name: &str| self.header(head, name).is_some();
        let mut actions = vec![];
        match (&self.operation, &self.body) {
            (Operation::DeleteObjects, Some(ParsedBody::Delete { keys, .. })) => {
                for delete in keys {
                    let resource = format!("{arn}/{}", delete.key);
                    actions.push(on("s3:DeleteObject", &resource));
                    if let Some(version) = &delete.version_id {
                        actions.push(on("s3:DeleteObjectVersion", &resource).with("s3:VersionId", version));
                    }
                    if self.bypasses(head) {
                        actions.push(on("s3:BypassGovernanceRetention", &resource));
                    }
                }
            }
            (Operation::DeleteObjects, _) => {
                let resource = format!("{arn}/*");
                actions.push(on("s3:DeleteObject", &resource));
                actions.push(on("s3:DeleteObjectVersion", &resource));
            }
            _ => actions.push(on(self.row.action, arn)),
        }
        if self.operation == Operation::CreateBucket {
            if self.grants_access(head) {
                actions.push(on("s3:PutBucketAcl", arn));
            }
            let lock = self.header(head, "x-amz-bucket-object-lock-enabled");
            if lock.is_some_and(|value| !value.eq_ignore_ascii_case("false")) {
                actions.push(on("s3:PutBucketObjectLockConfiguration", arn));
                actions.push(on("s3:PutBucketVersioning", arn));
            }
            if has("x-amz-object-ownership") {
                actions.push(on("s3:PutBucketOwnershipControls", arn));
            }
        }
        if self.operation == Operation::PutBucketReplication {
            let role = match &self.body {
                Some(ParsedBody::Replication(Some(role))) => role.as_str(),
                _ => "*",
            };
            actions.push(ActionOn::new("iam:PassRole", role).with("iam:PassedToService", "s3.amazonaws.com"));
        }
        actions
    }

    /// What a write needs beside its main action.
    fn object_extras(&self, head: &S3Head<'_>) -> Vec<&'static str> {
        use Operation::{CopyObject, CreateMultipartUpload, DeleteObject, PutObject, PutObjectRetention};
        let has = |name: &str| self.header(head, name).is_some();
        let mut extras = vec![];
        if matches!(self.operation, PutObject | CopyObject | CreateMultipartUpload) {
            if self.grants_access(head) {
                extras.push("s3:PutObjectAcl");
            }
            if has("x-amz-tagging") {
                extras.push("s3:PutObjectTagging");
            }
            if has("x-amz-object-lock-mode") || has("x-amz-object-lock-retain-until-date") {
                extras.push("s3:PutObjectRetention");
            }
            if has("x-amz-object-lock-legal-hold") {
                extras.push("s3:PutObjectLegalHold");
            }
        }
        if matches!(self.operation, DeleteObject | PutObjectRetention) && self.bypasses(head) {
            extras.push("s3:BypassGovernanceRetention");
        }
        extras
    }

    /// `private` is what an absent ACL means, and clients send it without asking for anything.
    fn grants_access(&self, head: &S3Head<'_>) -> bool {
        self.header(head, "x-amz-acl").is_some_and(|acl| acl != "private")
            || GRANTS.iter().any(|name| self.header(head, name).is_some())
    }

    fn bypasses(&self, head: &S3Head<'_>) -> bool {
        let value = self.header(head, "x-amz-bypass-governance-retention");
        value.is_some_and(|value| !value.eq_ignore_ascii_case("false"))
    }

    fn condition_keys(&self, head: &S3Head<'_>) -> Vec<(String, Vec<String>)> {
        use Operation::{
            CreateBucket, ListMultipartUploads, ListObjectVersions, ListObjects, ListObjectsV2,
            PutBucketTagging,
        };
        let mut keys: Vec<(String, Vec<String>)> = vec![];
        let mut set = |key: &str, value: &str| keys.push((key.to_owned(), vec![value.to_owned()]));
        if matches!(
            self.operation,
            ListObjects | ListObjectsV2 | ListObjectVersions | ListMultipartUploads
        ) {
            // Absent and empty differ: a policy that demands `home/` must not be met by a listing without prefix,
            // and `StringEquals` on "" only by an explicit empty one.
            for name in ["prefix", "delimiter", "max-keys"] {
                if let Some(value) = self.parameter(name) {
                    set(&format!("s3:{name}"), value);
                }
            }
        }
        if let Some(version) = self.version_id() {
            set("s3:VersionId", version);
        }
        for (header, key) in HEADER_KEYS {
            if let Some(value) = self.header(head, header) {
                set(key, &value);
            }
        }
        if self.is_write() {
            for (header, key) in WRITE_CONDITIONS {
                if let Some(value) = self.header(head, header) {
                    set(key, &value);
                }
            }
        }
        if let Some(source) = &self.copy_source {
            // As policies are written: bucket/key, without the leading slash and decoded.
            set(
                "s3:x-amz-copy-source",
                &format!("{}/{}", source.bucket, source.key),
            );
        }
        match &self.body {
            Some(ParsedBody::CreateBucket {
                location: Some(location),
                ..
            }) => set("s3:LocationConstraint", location),
            Some(ParsedBody::Retention { mode, until }) => {
                if let Some(mode) = mode {
                    set("s3:object-lock-mode", mode);
                }
                if let Some(until) = until {
                    set("s3:object-lock-retain-until-date", until);
                }
            }
            Some(ParsedBody::LegalHold(Some(status))) => set("s3:object-lock-legal-hold", status),
            _ => {}
        }
        let tags = self.request_tags(head);
        if !tags.is_empty() {
            let (one, all) = if matches!(self.operation, CreateBucket | PutBucketTagging) {
                ("aws:RequestTag", "aws:TagKeys")
            } else {
                ("s3:RequestObjectTag", "s3:RequestObjectTagKeys")
            };
            for (key, value) in &tags {
                set(&format!("{one}/{key}"), value);
            }
            keys.push((all.to_owned(), tags.into_iter().map(|(key, _)| key).collect()));
        }
        keys
    }

    fn request_tags(&self, head: &S3Head<'_>) -> Vec<(String, String)> {
        match &self.body {
            Some(ParsedBody::Tags(tags) | ParsedBody::CreateBucket { tags, .. }) => tags.clone(),
            // Routing has refused what does not parse.
            _ => self
                .header(head, "x-amz-tagging")
                .and_then(|value| parse_tagging_header(&value).ok())
                .unwrap_or_default(),
        }
    }
}

fn source_actions(
    operation: Operation,
    head: &S3Head<'_>,
    request: &S3Request,
    source: &crate::CopySource,
) -> Vec<ActionOn> {
    let arn = format!("arn:aws:s3:::{}/{}", source.bucket, source.key);
    let on = |plain: &str, versioned: &str| match &source.version_id {
        Some(version) => ActionOn::new(versioned, &arn).with("s3:VersionId", version),
        None => ActionOn::new(plain, &arn),
    };
    let mut actions = vec![on("s3:GetObject", "s3:GetObjectVersion")];
    // Tags are copied unless replaced; reading them is an action of its own.
    let replaces = request
        .header(head, "x-amz-tagging-directive")
        .is_some_and(|value| value == "REPLACE");
    if operation == Operation::CopyObject
        && !replaces
        && request.header(head, "x-amz-tagging-directive").is_some()
    {
        actions.push(on("s3:GetObjectTagging", "s3:GetObjectVersionTagging"));
    }
    actions
}
