use super::{ACCESS_KEY_ID, EXPIRES, SIGNATURE};
use crate::canonical::RequestView;
use crate::error::VerifyError;
use crate::query;
use hallpass_types::UnixSeconds;
use std::collections::{BTreeMap, BTreeSet};

/// Sub-resources and overrides that stand in the signed text. Source: S3, "Constructing the CanonicalizedResource
/// element", and the longer list that botocore signs by.
const SUB_RESOURCES: [&str; 35] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// Parameters that version 2 leaves unsigned and that select no operation: filters and pages of listings, and the
/// decoration of some SDKs.
const UNSIGNED: [&str; 15] = [
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "key-marker",
    "list-type",
    "marker",
    "max-keys",
    "max-parts",
    "max-uploads",
    "part-number-marker",
    "prefix",
    "start-after",
    "upload-id-marker",
    "version-id-marker",
];

/// What a version 2 signature covers beside method, path and expiry, from headers and query alike: S3 reads the
/// `x-amz-*` and `content-*` parameters of a presigned request as headers.
pub(super) struct SignedParts {
    /// Lower-case name and value, trimmed; repeated headers joined by commas.
    headers: BTreeMap<String, Vec<u8>>,
    /// Name and decoded value, by name.
    resources: Vec<(String, Vec<u8>)>,
    /// Names in [`headers`](Self::headers) that are headers of the request itself.
    sent: BTreeSet<String>,
}

fn is_signed_header(name: &str) -> bool {
    name.starts_with("x-amz-") || matches!(name, "content-md5" | "content-type")
}

impl SignedParts {
    pub(super) fn of(view: &RequestView<'_>) -> Result<Self, VerifyError> {
        let mut headers: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut sent = BTreeSet::new();
        for (name, value) in view.headers.iter().filter(|(name, _)| is_signed_header(name)) {
            let value = value.trim_ascii();
            if let Some(before) = headers.get_mut(*name) {
                before.push(b',');
                before.extend_from_slice(value);
            } else {
                headers.insert((*name).to_owned(), value.to_vec());
                sent.insert((*name).to_owned());
            }
        }
        let mut resources = Vec::new();
        let mut in_query = BTreeSet::new();
        for (raw_name, raw_value) in query::pairs(view.query.unwrap_or_default()) {
            let name = String::from_utf8(query::decode(raw_name)).map_err(|_| VerifyError::Unsignable)?;
            let lower = name.to_ascii_lowercase();
            if SUB_RESOURCES.contains(&name.as_str()) {
                resources.push((name, query::decode(raw_value)));
            } else if is_signed_header(&lower) {
                let value = query::decode(raw_value).trim_ascii().to_vec();
                // Browsers and scripts send the content type that a URL was signed for as a header too. Two values
                // would let each reader choose one.
                let same = headers.get(&lower).is_none_or(|header| *header == value);
                if !same || !in_query.insert(lower.clone()) {
                    return Err(VerifyError::RepeatedHeader { name: lower });
                }
                headers.insert(lower, value);
            } else if ![ACCESS_KEY_ID, EXPIRES, SIGNATURE].contains(&name.as_str())
                && !UNSIGNED.contains(&name.as_str())
            {
                return Err(VerifyError::ParameterNotSigned { name });
            }
        }
        resources.sort_by(|(left, _): &(String, Vec<u8>), (right, _)| left.cmp(right));
        Ok(Self {
            headers,
            resources,
            sent,
        })
    }

    /// The value of a signed header, wherever it stood.
    pub(super) fn value(&self, name: &str) -> Option<&[u8]> {
        self.headers.get(name).map(Vec::as_slice)
    }

    /// The signed headers among those of the request, in order.
    pub(super) fn header_names(&self) -> impl Iterator<Item = &str> {
        self.sent.iter().map(String::as_str)
    }

    pub(super) fn string_to_sign(
        &self,
        method: &str,
        expires: UnixSeconds,
        bucket_in_host: Option<&str>,
        path: &str,
    ) -> Result<Vec<u8>, VerifyError> {
        // Nothing but the ends of lines tells one part from the next.
        let breaks = |bytes: &[u8]| bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0));
        let values = self
            .headers
            .values()
            .chain(self.resources.iter().map(|(_, value)| value));
        let names = self
            .headers
            .keys()
            .any(|name| breaks(name.as_bytes()) || name.contains(':'));
        let token = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_graphic());
        let bucket = bucket_in_host.unwrap_or_default();
        if !token
            || names
            || values.into_iter().any(|value| breaks(value))
            || breaks(path.as_bytes())
            || breaks(bucket.as_bytes())
        {
            return Err(VerifyError::Unsignable);
        }
        let mut text = method.as_bytes().to_vec();
        for name in ["content-md5", "content-type"] {
            text.push(b'\n');
            text.extend_from_slice(self.value(name).unwrap_or_default());
        }
        text.push(b'\n');
        text.extend_from_slice(expires.0.to_string().as_bytes());
        text.push(b'\n');
        for (name, value) in self.headers.iter().filter(|(name, _)| name.starts_with("x-amz-")) {
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            text.extend_from_slice(value);
            text.push(b'\n');
        }
        if !bucket.is_empty() {
            text.push(b'/');
            text.extend_from_slice(bucket.as_bytes());
        }
        text.extend_from_slice(path.as_bytes());
        for (index, (name, value)) in self.resources.iter().enumerate() {
            text.push(if index == 0 { b'?' } else { b'&' });
            text.extend_from_slice(name.as_bytes());
            if !value.is_empty() {
                text.push(b'=');
                text.extend_from_slice(value);
            }
        }
        Ok(text)
    }
}
