//! A small HTTP client for small answers that hold secrets.

use crate::EndpointError;
use crate::connector::connector;
use crate::error::FetchError;
use bytes::Bytes;
use hallpass_secret::Secret;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::error::Error;
use std::path::Path;
use tokio::io::AsyncReadExt as _;

/// Far above any document of credentials; a session token has some kilobytes.
const ANSWER_BYTES_MAX: usize = 256 * 1_024;
/// AWS takes web identity tokens of up to 20,000 characters.
const TOKEN_BYTES_MAX: u64 = 64 * 1_024;

/// An answer, read whole. Its text may be a secret.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) text: Secret,
}

/// Sends single requests. Redirects are not followed, proxies not used: what is sent may be a secret as well.
pub(crate) struct Client(HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Client {
    pub(crate) fn new(https: bool, ca_file: Option<&Path>) -> Result<Self, EndpointError> {
        let connector = connector(https, ca_file)?;
        // Requests are minutes apart: a connection kept is one that the other side has closed.
        let client = HyperClient::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector);
        Ok(Self(client))
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, FetchError> {
        let answer = self.0.request(request).await.map_err(|error| {
            let (mut causes, mut cause) = (String::new(), error.source());
            while let Some(error) = cause {
                causes.push_str(&format!(": {error}"));
                cause = error.source();
            }
            FetchError::Unreachable(format!("{error}{causes}"))
        })?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| FetchError::Answer("the answer broke off or is too long"))?;
        let text = String::from_utf8(body.to_bytes().into());
        let text = text.map_err(|_| FetchError::Answer("the answer is not text"))?;
        Ok(Answer {
            status,
            text: Secret::new(text),
        })
    }

    /// As [`send`](Self::send), for a request whose answer is worth something only with status 200.
    pub(crate) async fn text(&self, request: Request<Full<Bytes>>) -> Result<Secret, FetchError> {
        let answer = self.send(request).await?;
        if answer.status == StatusCode::OK {
            Ok(answer.text)
        } else {
            Err(FetchError::Status(answer.status.as_u16()))
        }
    }
}

/// The token in a file, without the line's end.
///
/// # Errors
/// [`FetchError::TokenFile`]; [`FetchError::Answer`] if it is empty.
pub async fn read_token(path: &Path) -> Result<Secret, FetchError> {
    let failed = |_| FetchError::TokenFile(path.to_owned());
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut text = String::new();
    file.take(TOKEN_BYTES_MAX)
        .read_to_string(&mut text)
        .await
        .map_err(failed)?;
    text.truncate(text.trim_end().len());
    let token = Secret::new(text);
    if token.expose().is_empty() {
        return Err(FetchError::Answer("the token's file is empty"));
    }
    Ok(token)
}
