//! The credentials of a container, as ECS and EKS give them.
//!
//! Source: AWS SDKs and Tools Reference Guide, "Container credential provider".

use crate::client::{Client, read_token};
use crate::document;
use crate::error::{CredentialsError, FetchError};
use crate::refreshed::{Fetch, Fetched};
use bytes::Bytes;
use hallpass_types::UnixSeconds;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Request, Uri};
use http_body_util::Full;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// Where ECS and EKS answer, besides the machine itself.
const HOSTS: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
];

/// Asks a container credentials endpoint.
pub(crate) struct Container {
    client: Client,
    uri: Uri,
    /// Read at each fetch: its content rotates.
    token_file: Option<PathBuf>,
}

impl Container {
    /// An endpoint at `url`. Over plain HTTP the token would be readable on the way, so the way must not be one.
    pub(crate) fn new(url: &str, token_file: Option<PathBuf>) -> Result<Self, CredentialsError> {
        let uri: Uri = url.parse().map_err(|_| CredentialsError::Container)?;
        let authority = uri.authority().ok_or(CredentialsError::Container)?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_near(authority.host()) => false,
            _ => return Err(CredentialsError::Container),
        };
        if authority.as_str().contains('@') {
            return Err(CredentialsError::Container);
        }
        Ok(Self {
            client: Client::new(https, None)?,
            uri,
            token_file,
        })
    }
}

fn is_near(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match address.unwrap_or(host).parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || HOSTS.contains(&address),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

impl Fetch for Container {
    fn what(&self) -> String {
        let host = self.uri.authority().map_or("", |authority| authority.as_str());
        // A query might hold what nobody else should read.
        format!(
            "{}://{host}{}",
            self.uri.scheme_str().unwrap_or_default(),
            self.uri.path()
        )
    }

    async fn fetch(&self, _now: UnixSeconds) -> Result<Fetched, FetchError> {
        let mut request = Request::get(self.uri.clone()).header(ACCEPT, "application/json");
        if let Some(file) = &self.token_file {
            let token = read_token(file).await?;
            let mut token = HeaderValue::from_str(token.expose())
                .map_err(|_| FetchError::Answer("the token's file holds what no header may"))?;
            token.set_sensitive(true);
            request = request.header(AUTHORIZATION, token);
        }
        let request = request.body(Full::<Bytes>::default());
        let request = request.map_err(|_| FetchError::Answer("the address cannot be asked"))?;
        document::read(&self.client.text(request).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_near() {
        for (url, good) in [
            ("http://127.0.0.1:9/v1/credentials", true),
            ("http://127.8.8.8/x", true),
            ("http://[::1]:9/x", true),
            ("http://localhost/x", true),
            ("http://169.254.170.2/v2/x", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("http://169.254.170.3/x", false),
            ("http://169.254.169.254/x", false),
            ("http://[fd00:ec2::24]/x", false),
            ("http://10.0.0.1/x", false),
            ("http://localhost.example.com/x", false),
            ("http://127.0.0.1@example.com/x", false),
            ("http://example.com/x", false),
            ("ftp://127.0.0.1/x", false),
            ("/v2/x", false),
        ] {
            assert_eq!(Container::new(url, None).is_ok(), good, "{url}");
        }
    }
}
