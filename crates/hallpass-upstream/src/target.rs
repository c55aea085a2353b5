use hallpass_credentials::{EndpointError, Resolved};
use hallpass_s3route::S3Request;
use hallpass_wire::percent_encode;

/// An upstream's address, in the parts requests are built from.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) at: hallpass_credentials::Endpoint,
    path_style: bool,
}

/// Where one request goes.
pub(crate) struct Target {
    pub(crate) uri: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: String,
}

impl Endpoint {
    pub(crate) fn parse(url: &str, path_style: bool) -> Result<Self, EndpointError> {
        let at = hallpass_credentials::Endpoint::parse(url)?;
        // A bucket cannot be put in front of an address.
        let path_style = path_style || at.is_address();
        Ok(Self { at, path_style })
    }

    /// The target of a request, every byte of it derived from the decoded bucket, key and query: what was authorized
    /// is what is signed and sent.
    pub(crate) fn s3_target(&self, s3: &S3Request, bucket: Option<&str>, region: &str) -> Target {
        let mut path = String::from("/");
        let Resolved { scheme, mut host } = self.at.resolved("s3", region);
        if let Some(bucket) = bucket {
            if self.path_style {
                path.push_str(bucket);
                if s3.key.is_some() {
                    path.push('/');
                }
            } else {
                host = format!("{bucket}.{host}");
            }
        }
        if let Some(key) = &s3.key {
            write_key(&mut path, key);
        }
        let mut query = String::new();
        for (name, value) in &s3.query {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(&percent_encode(name));
            query.push('=');
            query.push_str(&percent_encode(value));
        }
        let separator = if query.is_empty() { "" } else { "?" };
        Target {
            uri: format!("{scheme}://{host}{path}{separator}{query}"),
            host,
            path,
            query,
        }
    }
}

/// A key as it stands in a path: everything encoded but the slashes.
#[must_use]
pub fn encode_key(key: &str) -> String {
    let mut path = String::with_capacity(key.len());
    write_key(&mut path, key);
    path
}

fn write_key(path: &mut String, key: &str) {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/');
    if key.bytes().all(is_plain) {
        return path.push_str(key);
    }
    for (place, segment) in key.split('/').enumerate() {
        if place > 0 {
            path.push('/');
        }
        path.push_str(&percent_encode(segment));
    }
}
