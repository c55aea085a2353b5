//! The credentials of an instance's role, by version 2 of the metadata service.
//!
//! Source: Amazon EC2 User Guide, "Use the Instance Metadata Service".

use crate::client::Client;
use crate::document;
use crate::error::{CredentialsError, FetchError};
use crate::refreshed::{Fetch, Fetched};
use bytes::Bytes;
use hallpass_secret::Secret;
use hallpass_types::UnixSeconds;
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Full;

const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
/// The session token serves one fetch.
const TOKEN_SECONDS: &str = "60";
const ROLE_NAME_MAX: usize = 64;

/// An instance metadata service, asked by version 2 of its protocol.
pub struct MetadataService {
    client: Client,
    /// Without a slash at its end.
    base: String,
}

/// A session of a [`MetadataService`], good for a minute.
pub struct MetadataSession<'a> {
    service: &'a MetadataService,
    token: HeaderValue,
}

impl MetadataService {
    /// A service at `base`, such as `http://169.254.169.254`.
    ///
    /// # Errors
    /// [`CredentialsError::Metadata`].
    pub fn new(base: &str) -> Result<Self, CredentialsError> {
        let uri: Uri = base.parse().map_err(|_| CredentialsError::Metadata)?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(CredentialsError::Metadata),
        };
        let has_user = uri
            .authority()
            .is_none_or(|authority| authority.as_str().contains('@'));
        if has_user || uri.query().is_some() {
            return Err(CredentialsError::Metadata);
        }
        Ok(Self {
            client: Client::new(https, None)?,
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    /// Where it is, for the log.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Begins a session.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn session(&self) -> Result<MetadataSession<'_>, FetchError> {
        let life = (
            "x-aws-ec2-metadata-token-ttl-seconds",
            HeaderValue::from_static(TOKEN_SECONDS),
        );
        let request = self.request(Method::PUT, "/latest/api/token", life)?;
        let token = self.client.text(request).await?;
        let mut token = HeaderValue::from_str(token.expose().trim())
            .map_err(|_| FetchError::Answer("the session token is not one"))?;
        token.set_sensitive(true);
        Ok(MetadataSession { service: self, token })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        header: (&str, HeaderValue),
    ) -> Result<Request<Full<Bytes>>, FetchError> {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header.0, header.1)
            .body(Full::<Bytes>::default())
            .map_err(|_| FetchError::Answer("the address cannot be asked"))
    }
}

impl MetadataSession<'_> {
    /// What is at `path`, such as `/latest/meta-data/instance-id`; `None` if nothing is.
    ///
    /// # Errors
    /// [`FetchError`]; also for an answer that is not text.
    pub async fn get(&self, path: &str) -> Result<Option<Secret>, FetchError> {
        let header = ("x-aws-ec2-metadata-token", self.token.clone());
        let request = self.service.request(Method::GET, path, header)?;
        match self.service.client.text(request).await {
            Ok(text) => Ok(Some(text)),
            Err(FetchError::Status(404)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The name of the first role there is.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn role(&self) -> Result<Option<String>, FetchError> {
        let list = self.get(ROLES).await?;
        Ok(list.and_then(|list| first_role(list.expose()).map(str::to_owned)))
    }
}

impl Fetch for MetadataService {
    fn what(&self) -> String {
        self.base.clone()
    }

    async fn fetch(&self, _now: UnixSeconds) -> Result<Fetched, FetchError> {
        let none = || FetchError::Answer("there is no role to be had");
        let session = self.session().await?;
        let role = session.role().await?.ok_or_else(none)?;
        let found = session.get(&format!("{ROLES}{role}")).await?.ok_or_else(none)?;
        document::read(&found)
    }
}

/// The first line, if it is a role's name: nothing else may get into a path.
fn first_role(list: &str) -> Option<&str> {
    let name = list.lines().next()?.trim();
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    let is_name = (1..=ROLE_NAME_MAX).contains(&name.len()) && name.bytes().all(is_name_byte);
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_role_s_name_gets_into_the_path() {
        for (list, expect) in [
            ("app\nother", Some("app")),
            ("app\r\n", Some("app")),
            ("", None),
            ("\napp", None),
            ("a/b", None),
            ("a?b", None),
            ("<html>", None),
        ] {
            assert_eq!(first_role(list), expect, "{list:?}");
        }
    }

    #[test]
    fn the_base_is_a_host_with_or_without_a_path() {
        for (base, good) in [
            ("http://169.254.169.254", true),
            ("http://[fd00:ec2::254]/", true),
            ("http://127.0.0.1:1338/imds/", true),
            ("169.254.169.254", false),
            ("http://user@h", false),
            ("http://h/?q", false),
            ("ftp://h", false),
        ] {
            assert_eq!(MetadataService::new(base).is_ok(), good, "{base}");
        }
    }
}
