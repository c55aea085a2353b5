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

/// Asks a metadata service for the credentials of the first role it offers.
pub(crate) struct Metadata {
    client: Client,
    /// Without a slash at its end.
    base: String,
}

impl Metadata {
    /// A service at `base`, such as `http://169.254.169.254`.
    pub(crate) fn new(base: &str) -> Result<Self, CredentialsError> {
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

    async fn ask(
        &self,
        method: Method,
        path: &str,
        header: (&str, HeaderValue),
    ) -> Result<Secret, FetchError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header.0, header.1)
            .body(Full::<Bytes>::default());
        let request = request.map_err(|_| FetchError::Answer("the address cannot be asked"))?;
        self.client.text(request).await
    }
}

impl Fetch for Metadata {
    fn what(&self) -> String {
        self.base.clone()
    }

    async fn fetch(&self, _now: UnixSeconds) -> Result<Fetched, FetchError> {
        let life = (
            "x-aws-ec2-metadata-token-ttl-seconds",
            HeaderValue::from_static(TOKEN_SECONDS),
        );
        let token = self.ask(Method::PUT, "/latest/api/token", life).await?;
        let mut token = HeaderValue::from_str(token.expose().trim())
            .map_err(|_| FetchError::Answer("the session token is not one"))?;
        token.set_sensitive(true);
        let with_token = || ("x-aws-ec2-metadata-token", token.clone());
        let roles = self.ask(Method::GET, ROLES, with_token()).await?;
        let role = first_role(roles.expose()).ok_or(FetchError::Answer("there is no role to be had"))?;
        let found = self
            .ask(Method::GET, &format!("{ROLES}{role}"), with_token())
            .await?;
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
            assert_eq!(Metadata::new(base).is_ok(), good, "{base}");
        }
    }
}
