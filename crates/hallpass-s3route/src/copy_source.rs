use crate::error::RouteError;
use crate::route::check_key;
use crate::valid_bucket_name;
use hallpass_wire::{percent_decode, percent_encode};

/// What `x-amz-copy-source` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySource {
    /// The source bucket.
    pub bucket: String,
    /// The source key, decoded once.
    pub key: String,
    /// `?versionId=`.
    pub version_id: Option<String>,
}

impl CopySource {
    /// Reads the header: an optional leading `/`, percent-encoding, `?versionId=`. ARNs are refused: an access point
    /// is not something policy here could decide on.
    pub(crate) fn parse(value: &str) -> Result<Self, RouteError> {
        let invalid = RouteError::Argument("x-amz-copy-source");
        let (path, version) = match value.split_once("?versionId=") {
            Some((path, version)) => (path, Some(percent_decode(version).ok_or(invalid.clone())?)),
            None => (value, None),
        };
        if version
            .as_deref()
            .is_some_and(|version| version.is_empty() || version.contains(['&', '\0']))
        {
            return Err(invalid);
        }
        let path = percent_decode(path).ok_or(invalid.clone())?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').ok_or(invalid.clone())?;
        if !valid_bucket_name(bucket) || key.is_empty() {
            return Err(invalid);
        }
        check_key(key)?;
        Ok(Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version_id: version,
        })
    }

    /// The header that says exactly this and nothing else: what was authorized is what an upstream reads.
    #[must_use]
    pub fn header_value(&self) -> String {
        let key = self
            .key
            .split('/')
            .map(percent_encode)
            .collect::<Vec<_>>()
            .join("/");
        let version = self
            .version_id
            .as_deref()
            .map(|id| format!("?versionId={}", percent_encode(id)));
        format!("/{}/{key}{}", self.bucket, version.unwrap_or_default())
    }
}
