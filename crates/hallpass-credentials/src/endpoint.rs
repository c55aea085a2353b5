use http::Uri;

/// An endpoint cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Not `http://host[:port]` or `https://host[:port]`.
    #[error("an endpoint is an http or https URL of a host, without path, query or user")]
    NotAnEndpoint,
    /// The region is not a region's name.
    #[error("the region is not a name")]
    Region,
    /// The file of certificates to trust cannot be used.
    #[error("the certificates to trust: {0}")]
    CaFile(String),
    /// The operating system's root certificates could not be read.
    #[error("the system's root certificates cannot be read: {0}")]
    Roots(String),
}

/// The address of a service.
#[derive(Debug, Clone)]
pub struct Endpoint {
    https: bool,
    /// Host and port, as the `Host` header has them; may hold `{service}` and `{region}`.
    authority: String,
    is_address: bool,
}

/// An endpoint of one service and region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host and port, as the `Host` header has them.
    pub host: String,
}

impl Endpoint {
    /// Reads `http://host[:port]` or `https://host[:port]`; `{service}` and `{region}` may stand in the host.
    ///
    /// # Errors
    /// [`EndpointError::NotAnEndpoint`].
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
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
        let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
        Ok(Self {
            https,
            authority,
            is_address,
        })
    }

    /// Whether it is reached over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Whether its host is an IP address.
    #[must_use]
    pub fn is_address(&self) -> bool {
        self.is_address
    }

    /// Whether requests of different regions go to different hosts.
    #[must_use]
    pub fn has_region(&self) -> bool {
        self.authority.contains("{region}")
    }

    /// The endpoint of a service in a region. Both come from AWS's models and a checked scope, so they are host labels.
    #[must_use]
    pub fn resolved(&self, service: &str, region: &str) -> Resolved {
        let host = self.authority.replace("{service}", service);
        Resolved {
            scheme: if self.https { "https" } else { "http" },
            host: host.replace("{region}", region),
        }
    }
}
