//! The token service, as far as sessions of a role go.
//!
//! Source: AWS Security Token Service API Reference, "AssumeRole" and "AssumeRoleWithWebIdentity".

use crate::client::{Answer, Client};
use crate::document;
use crate::error::{CredentialsError, FetchError};
use crate::refreshed::Fetched;
use crate::{Endpoint, EndpointError};
use bytes::Bytes;
use hallpass_secret::Secret;
use hallpass_sigv4::{PayloadMode, RequestView, Scope, SigningCredentials, sign};
use hallpass_types::UnixSeconds;
use hallpass_wire::{XmlError, percent_encode, read_xml};
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use sha2::{Digest as _, Sha256};
use std::path::Path;

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// Longer explanations help nobody in a log.
const MESSAGE_CHARS_MAX: usize = 300;
const NOT_SIGNABLE: FetchError = FetchError::Answer("the request cannot be made");

/// A session of a role, and whose it is.
#[derive(Debug, Clone)]
pub struct Assumed {
    /// To sign with.
    pub fetched: Fetched,
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`, as the service says; not every one does.
    pub arn: Option<String>,
}

/// One token service.
pub struct Sts {
    client: Client,
    scheme: &'static str,
    host: String,
    region: String,
}

impl Sts {
    /// The service at `endpoint`, or AWS's own of `region`.
    /// # Errors
    /// [`CredentialsError::Endpoint`].
    pub fn new(
        endpoint: Option<&str>,
        region: &str,
        ca_file: Option<&Path>,
    ) -> Result<Self, CredentialsError> {
        Scope::new(UnixSeconds(0), region, "sts").map_err(|_| EndpointError::Region)?;
        // AWS in China has a domain of its own.
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let usual = format!("https://sts.{region}.amazonaws.com{suffix}");
        let endpoint = Endpoint::parse(endpoint.unwrap_or(&usual))?;
        let resolved = endpoint.resolved("sts", region);
        Ok(Self {
            client: Client::new(endpoint.is_https(), ca_file)?,
            scheme: resolved.scheme,
            host: resolved.host,
            region: region.to_owned(),
        })
    }

    /// Whom it asks, for the log.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Calls `action`, signed if there are credentials to sign with, and takes the session out of the answer.
    ///
    /// # Errors
    /// [`FetchError`], which repeats nothing secret that was sent.
    pub async fn session(
        &self,
        action: &str,
        parameters: &[(String, &str)],
        signer: Option<&SigningCredentials>,
        now: UnixSeconds,
    ) -> Result<Assumed, FetchError> {
        let mut form = format!("Action={action}&Version=2011-06-15");
        for (name, value) in parameters {
            form.push('&');
            form.push_str(name);
            form.push('=');
            form.push_str(&percent_encode(value));
        }
        let body = Bytes::from(form);
        let mut request = Request::post(format!("{}://{}/", self.scheme, self.host))
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, FORM);
        if let Some(credentials) = signer {
            for (name, value) in self.signature(&body, credentials, now)? {
                let mut value = HeaderValue::from_str(&value).map_err(|_| NOT_SIGNABLE)?;
                value.set_sensitive(true);
                request = request.header(name, value);
            }
        }
        let request = request.body(Full::new(body)).map_err(|_| NOT_SIGNABLE)?;
        let answer = self.client.send(request).await?;
        if answer.status != StatusCode::OK {
            let token = signer.and_then(|signer| signer.session_token.as_ref());
            let sent = parameters.iter().find(|(name, _)| name == "WebIdentityToken");
            let secrets = token
                .map(Secret::expose)
                .into_iter()
                .chain(sent.map(|(_, token)| *token));
            return Err(refusal(&answer, secrets));
        }
        read_session(action, &answer.text)
    }

    fn signature(
        &self,
        body: &[u8],
        credentials: &SigningCredentials,
        now: UnixSeconds,
    ) -> Result<Vec<(&'static str, String)>, FetchError> {
        let scope = Scope::new(now, &self.region, "sts").map_err(|_| NOT_SIGNABLE)?;
        let view = RequestView {
            method: "POST",
            path: "/",
            query: None,
            headers: &[("host", self.host.as_bytes()), ("content-type", FORM.as_bytes())],
        };
        let payload = PayloadMode::Sha256(Sha256::digest(body).into());
        let signed = sign(&view, credentials, &scope, now, payload).map_err(|_| NOT_SIGNABLE)?;
        Ok(signed.headers)
    }
}

fn read_session(action: &str, text: &Secret) -> Result<Assumed, FetchError> {
    const OTHER: FetchError = FetchError::Answer("the answer is not one of a token service");
    let read = || -> Result<Option<Assumed>, FetchError> {
        let other = |_: XmlError| OTHER;
        let root = read_xml(text.expose().as_bytes()).map_err(other)?;
        let result = root.one(&format!("{action}Result")).map_err(other)?;
        let Some(result) = result else { return Ok(None) };
        let Some(found) = result.one("Credentials").map_err(other)? else {
            return Ok(None);
        };
        let field = |name| found.one_text(name).map_err(other);
        let secret = |name| field(name).map(|text| text.map(Secret::new));
        let Some(expiration) = field("Expiration")? else {
            return Ok(None);
        };
        let user = result.one("AssumedRoleUser").map_err(other)?;
        let arn = user
            .map(|user| user.one_text("Arn").map_err(other))
            .transpose()?
            .flatten();
        let fetched = document::credentials(
            field("AccessKeyId")?,
            secret("SecretAccessKey")?,
            secret("SessionToken")?,
            Some(document::expiry(expiration)?),
        )?;
        Ok(Some(Assumed {
            fetched,
            arn: arn.map(str::to_owned),
        }))
    };
    read()?.ok_or(OTHER)
}

/// What the service said, for the log. A refused signature is explained with the request's own headers, so only the first
/// line is kept, and nothing in which a secret was sent back.
fn refusal<'a>(answer: &Answer, mut secrets: impl Iterator<Item = &'a str>) -> FetchError {
    let status = answer.status.as_u16();
    let root = read_xml(answer.text.expose().as_bytes()).unwrap_or_default();
    let error = root.one("Error").ok().flatten().unwrap_or(&root);
    let field = |name: &str| {
        let text = error.one_text(name).ok().flatten().unwrap_or_default();
        text.lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(MESSAGE_CHARS_MAX)
            .collect::<String>()
    };
    let (code, message) = (field("Code"), field("Message"));
    // Its beginning is enough to know it by, should the cut have gone through it.
    let is_repeated = |secret: &str| {
        let beginning: String = secret.chars().take(16).collect();
        !beginning.is_empty() && (message.contains(&beginning) || code.contains(&beginning))
    };
    if code.is_empty() || secrets.any(is_repeated) {
        return FetchError::Status(status);
    }
    FetchError::Refused {
        status,
        code,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(inner: &str) -> Result<Assumed, FetchError> {
        let text = format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>{inner}\
             </AssumeRoleResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>"
        );
        read_session("AssumeRole", &Secret::new(text))
    }

    #[test]
    fn a_session_is_read_and_half_of_one_is_refused() {
        let whole = "<AssumedRoleUser><Arn>a</Arn></AssumedRoleUser><Credentials>\
            <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>s&amp;s</SecretAccessKey>\
            <SessionToken>t</SessionToken><Expiration>2015-08-30T12:36:00Z</Expiration></Credentials>";
        let Assumed { fetched, arn } = session(whole).unwrap();
        assert_eq!(arn.as_deref(), Some("a"));
        assert_eq!(fetched.credentials.secret.expose(), "s&s");
        assert_eq!(fetched.expires_at, Some(UnixSeconds(1_440_938_160)));
        for broken in [
            whole.replace("<Expiration>2015-08-30T12:36:00Z</Expiration>", ""),
            whole.replace("<SecretAccessKey>s&amp;s</SecretAccessKey>", ""),
            whole.replace("2015-08-30T12:36:00Z", "soon"),
            whole.replace("Credentials>", "Other>"),
            String::new(),
        ] {
            assert!(session(&broken).is_err(), "{broken}");
        }
        assert!(read_session("AssumeRole", &Secret::new("<html>")).is_err());
    }

    #[test]
    fn a_refusal_repeats_no_secret() {
        let told = |message: &str, secrets: &[&str]| {
            let text = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>No</Code><Message>{message}</Message></Error>\
                 </ErrorResponse>"
            );
            let answer = Answer {
                status: StatusCode::FORBIDDEN,
                text: Secret::new(text),
            };
            refusal(&answer, secrets.iter().copied()).to_string()
        };
        assert_eq!(told("why not", &[]), "refused with 403 No: \"why not\"");
        assert_eq!(
            told("it is\nx-amz-security-token:hush", &[]),
            "refused with 403 No: \"it is\""
        );
        assert_eq!(told("you sent hush", &["hush"]), "answered 403");
        let (padding, token) = ("p".repeat(MESSAGE_CHARS_MAX - 20), "h".repeat(60));
        assert_eq!(told(&format!("{padding}{token}"), &[&token]), "answered 403");
    }

    #[test]
    fn the_service_is_aws_s_own_unless_told() {
        for (endpoint, region, host) in [
            (None, "eu-west-1", "sts.eu-west-1.amazonaws.com"),
            (None, "cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
            (Some("http://127.0.0.1:9000"), "us-east-1", "127.0.0.1:9000"),
            (
                Some("https://sts-{region}.example.com/"),
                "x",
                "sts-x.example.com",
            ),
        ] {
            // Roots of the system are not there on every machine; a file of our own is not needed to parse.
            match Sts::new(endpoint, region, None) {
                Ok(sts) => assert_eq!(sts.host(), host),
                Err(error) => assert!(error.to_string().contains("root certificates"), "{error}"),
            }
        }
        assert!(Sts::new(Some("http://h/path"), "us-east-1", None).is_err());
        assert!(Sts::new(Some("http://h"), "not a region", None).is_err());
    }
}
