use hallpass_s3route::S3Request;
use hallpass_wire::percent_encode;
use http::Uri;

/// The endpoint of an upstream cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Not `http://host[:port]` or `https://host[:port]`.
    #[error("an upstream endpoint is an http or https URL of a host, without path, query or user")]
    NotAnEndpoint,
    /// The region is not a region's name.
    #[error("the upstream's region is not a name")]
    Region,
    /// The file of certificates to trust cannot be used.
    #[error("the certificates to trust: {0}")]
    CaFile(String),
    /// The operating system's root certificates could not be read.
    #[error("the system's root certificates cannot be read: {0}")]
    Roots(String),
}

/// An upstream's address, in the parts requests are built from.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) https: bool,
    /// Host and port, as the `Host` header has them; may hold `{service}` and `{region}`.
    authority: String,
    path_style: bool,
}

/// An endpoint of one service and region.
pub(crate) struct Resolved {
    pub(crate) scheme: &'static str,
    pub(crate) host: String,
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
        // Braces are not allowed in a host; letters that no host has stand for them while it is read.
        const STANDINS: [(&str, &str); 2] =
            [("{service}", "hallpass-service"), ("{region}", "hallpass-region")];
        let url = STANDINS
            .iter()
            .fold(url.to_owned(), |url, (name, standin)| url.replace(name, standin));
        let uri: Uri = url.parse().map_err(|_| EndpointError::NotAnEndpoint)?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(EndpointError::NotAnEndpoint),
        };
        let authority = uri.authority().ok_or(EndpointError::NotAnEndpoint)?;
        if authority.as_str().contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(EndpointError::NotAnEndpoint);
        }
        let default_port = if https { 443 } else { 80 };
        let port = uri.port_u16().filter(|port| *port != default_port);
        let host = authority.host().to_ascii_lowercase();
        let authority = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        let authority = STANDINS
            .iter()
            .fold(authority, |text, (name, standin)| text.replace(standin, name));
        // A bucket cannot be put in front of an address.
        let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
        Ok(Self {
            https,
            authority,
            path_style: path_style || is_address,
        })
    }

    /// Whether requests of different regions go to different hosts.
    pub(crate) fn has_region(&self) -> bool {
        self.authority.contains("{region}")
    }

    /// The endpoint of a service in a region. Both come from AWS's models and a checked scope, so they are host labels.
    pub(crate) fn resolved(&self, service: &str, region: &str) -> Resolved {
        let host = self.authority.replace("{service}", service);
        Resolved {
            scheme: if self.https { "https" } else { "http" },
            host: host.replace("{region}", region),
        }
    }

    /// The target of a request, every byte of it derived from the decoded bucket, key and query: what was authorized
    /// is what is signed and sent.
    pub(crate) fn s3_target(&self, s3: &S3Request, bucket: Option<&str>, region: &str) -> Target {
        let mut path = String::from("/");
        let Resolved { scheme, mut host } = self.resolved("s3", region);
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
            path.push_str(&encode_key(key));
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
    key.split('/').map(percent_encode).collect::<Vec<_>>().join("/")
}
