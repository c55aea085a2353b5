//! A small signed HTTP client, for the demo: enough to be an AWS client among others.

use crate::error::CliError;
use bytes::Bytes;
use hallpass_secret::Secret;
use hallpass_sigv4::{PayloadMode, RequestView, Scope, SigningCredentials, sign};
use hallpass_types::{Clock as _, UnixSeconds};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use std::time::Duration;

/// Answers of the demo are small; a larger one is none of ours.
const ANSWER_BYTES_MAX: usize = 1_024 * 1_024;
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    /// The text of the first element of that name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("<{name}>"))?;
        rest.split_once('<').map(|(text, _)| text)
    }
}

/// Sends requests to one server, from one address if said so.
pub(crate) struct SignedClient {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    api: String,
    region: String,
}

impl SignedClient {
    /// Over https, the server's certificate must be of the system's roots, or of `AWS_CA_BUNDLE`'s, as for AWS's own
    /// clients.
    pub(crate) fn new(api: &str, region: &str, from: Option<IpAddr>) -> Result<Self, CliError> {
        let bundle = std::env::var_os("AWS_CA_BUNDLE").map(std::path::PathBuf::from);
        let connector =
            hallpass_credentials::connector_from(api.starts_with("https:"), bundle.as_deref(), from)
                .map_err(|error| CliError::failed(error.to_string()))?;
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self {
            http,
            api: api.trim_end_matches('/').to_owned(),
            region: region.to_owned(),
        })
    }

    /// A request as it is, to any URL.
    pub(crate) async fn plain(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, CliError> {
        let mut request = http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::default())).await
    }

    /// A call of IAM, STS or EC2.
    pub(crate) async fn call(
        &self,
        credentials: &Credentials,
        service: &str,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<Answer, CliError> {
        let mut form = format!("Action={action}");
        for (name, value) in params {
            form.push_str(&format!("&{name}={}", hallpass_wire::percent_encode(value)));
        }
        self.signed(credentials, service, "POST", "/", form.into()).await
    }

    /// A request of S3.
    pub(crate) async fn s3(
        &self,
        credentials: &Credentials,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<Answer, CliError> {
        self.signed(credentials, "s3", method, path, body.to_owned().into())
            .await
    }

    async fn signed(
        &self,
        credentials: &Credentials,
        service: &str,
        method: &str,
        path: &str,
        body: Bytes,
    ) -> Result<Answer, CliError> {
        let failed = |why: &dyn std::fmt::Display| CliError::failed(format!("cannot sign a request: {why}"));
        let now: UnixSeconds = hallpass_agent::SystemClock.now();
        let host = self
            .api
            .split_once("://")
            .map_or(self.api.as_str(), |(_, host)| host)
            .to_owned();
        let scope = Scope::new(now, &self.region, service).map_err(|error| failed(&error))?;
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        let mut fields: Vec<(&str, &[u8])> = vec![("host", host.as_bytes())];
        if service != "s3" {
            fields.push(("content-type", form.as_bytes()));
        }
        let (path_only, query) = path
            .split_once('?')
            .map_or((path, None), |(path, query)| (path, Some(query)));
        let view = RequestView {
            method,
            path: path_only,
            query,
            headers: &fields,
        };
        let payload = PayloadMode::Sha256(Sha256::digest(&body).into());
        let signing = SigningCredentials {
            access_key_id: credentials
                .access_key_id
                .parse()
                .map_err(|error| failed(&error))?,
            secret: credentials.secret.clone(),
            session_token: credentials.token.clone(),
        };
        let signed = sign(&view, &signing, &scope, now, payload).map_err(|error| failed(&error))?;
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.api));
        if service != "s3" {
            request = request.header("content-type", form);
        }
        for (name, value) in &signed.headers {
            request = request.header(*name, value);
        }
        self.send(request.body(Full::new(body))).await
    }

    async fn send(
        &self,
        request: Result<http::Request<Full<Bytes>>, http::Error>,
    ) -> Result<Answer, CliError> {
        let failed = |why: &dyn std::fmt::Display| CliError::failed(format!("no answer: {why}"));
        let request = request.map_err(|error| failed(&error))?;
        let answering = async {
            let response = self.http.request(request).await.map_err(|error| failed(&error))?;
            let (parts, body) = response.into_parts();
            let body = http_body_util::Limited::new(body, ANSWER_BYTES_MAX)
                .collect()
                .await
                .map_err(|error| failed(&error))?
                .to_bytes();
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(Answer {
                status: parts.status.as_u16(),
                body,
            })
        };
        tokio::time::timeout(ANSWER_TIME_MAX, answering)
            .await
            .unwrap_or_else(|_| Err(failed(&"it took too long")))
    }
}

/// What a request is signed with. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret: Secret,
    pub(crate) token: Option<Secret>,
}

impl Credentials {
    /// The profile `admin` of a credentials file.
    pub(crate) fn from_file(path: &std::path::Path) -> Result<Self, CliError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| CliError::failed(format!("cannot read `{}`: {error}", path.display())))?;
        let value = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='));
            line.map(|value| value.trim().to_owned())
                .ok_or_else(|| CliError::failed(format!("`{}` has no {name}", path.display())))
        };
        Ok(Self {
            access_key_id: value("aws_access_key_id")?,
            secret: Secret::new(value("aws_secret_access_key")?),
            token: None,
        })
    }

    /// The document of the metadata service.
    pub(crate) fn from_metadata(document: &str) -> Result<Self, CliError> {
        let json: serde_json::Value = serde_json::from_str(document).map_err(|error| {
            CliError::failed(format!("the metadata service's answer is not JSON: {error}"))
        })?;
        let value = |name: &str| {
            json[name]
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| CliError::failed(format!("the answer has no {name}")))
        };
        Ok(Self {
            access_key_id: value("AccessKeyId")?,
            secret: Secret::new(value("SecretAccessKey")?),
            token: Some(Secret::new(value("Token")?)),
        })
    }
}
