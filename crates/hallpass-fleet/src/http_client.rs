//! Asking a server, and the next one when it does not answer.

use crate::protocol::ErrorAnswer;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TCP_KEEPALIVE: Duration = Duration::from_secs(20);
/// User data is the largest part of an answer.
const ANSWER_BYTES_MAX: usize = 1_024 * 1_024;

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AskError {
    /// No answer, or one that says that another server, or later, may do.
    #[error("{0}")]
    Unavailable(String),
    /// An answer that is no.
    #[error("{0}")]
    Refused(String),
}

/// Speaks to servers with one set of certificates.
#[derive(Clone)]
pub(crate) struct Asker(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Asker {
    pub(crate) fn new(tls: ClientConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }

    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        server: &str,
        path: &str,
        question: &impl Serialize,
        within: Duration,
    ) -> Result<T, AskError> {
        let asking = self.ask_inner(server, path, question);
        tokio::time::timeout(within, asking)
            .await
            .unwrap_or_else(|_| Err(AskError::Unavailable("no answer in time".to_owned())))
            .map_err(|error| match error {
                AskError::Unavailable(why) => AskError::Unavailable(format!("{server}: {why}")),
                AskError::Refused(why) => AskError::Refused(why),
            })
    }

    async fn ask_inner<T: DeserializeOwned>(
        &self,
        server: &str,
        path: &str,
        question: &impl Serialize,
    ) -> Result<T, AskError> {
        let unavailable = |error: &dyn std::fmt::Display| AskError::Unavailable(error.to_string());
        let body = serde_json::to_vec(question).map_err(|error| AskError::Refused(error.to_string()))?;
        let request = Request::post(format!("{}{path}", server.trim_end_matches('/')))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| AskError::Refused(error.to_string()))?;
        let answer = self.0.request(request).await.map_err(|error| {
            let (mut text, mut cause) = (error.to_string(), std::error::Error::source(&error));
            while let Some(error) = cause {
                text.push_str(&format!(": {error}"));
                cause = error.source();
            }
            AskError::Unavailable(text)
        })?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body
            .map_err(|_| AskError::Unavailable("the answer broke off or is too long".to_owned()))?
            .to_bytes();
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|error| unavailable(&error));
        }
        let why = serde_json::from_slice::<ErrorAnswer>(&body)
            .map_or_else(|_| format!("it answered {status}"), |answer| answer.error);
        Err(if status.is_client_error() {
            AskError::Refused(why)
        } else {
            AskError::Unavailable(why)
        })
    }
}
