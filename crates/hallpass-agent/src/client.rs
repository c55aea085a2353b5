//! The client of the agent's unix socket, for the command line and for [`crate::run_endpoint`].

use crate::{
    AgentStatus, BoxFuture, CredentialSource, Explanation, Issued, Machine, SessionRequest, SourceError,
};
use bytes::Bytes;
use hallpass_secret::Secret;
use hallpass_types::UnixSeconds;
use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// More than any answer of the agent; user data is 16 KiB at most.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// The agent may have to ask the authority first.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The agent did not do as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nothing listens at the socket, or this user may not connect to it.
    #[error("cannot reach the agent at {path}: {error}")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The agent refuses.
    #[error("the agent refuses: {reason} (request {request_id})")]
    Refused {
        /// Why, as far as the caller may know.
        reason: String,
        /// What `hallpass why` takes.
        request_id: String,
    },
    /// The agent would, but cannot just now.
    #[error("the agent cannot: {reason} (request {request_id})")]
    Unavailable {
        /// Why.
        reason: String,
        /// What `hallpass why` takes.
        request_id: String,
    },
    /// The answer is not the agent's, or took too long.
    #[error("the agent's answer cannot be used: {0}")]
    Protocol(String),
}

/// A client of one socket. Every question is a connection of its own, so it asks as who it is now.
#[derive(Debug, Clone)]
pub struct Client {
    path: PathBuf,
}

/// Credentials as the socket shows them.
#[derive(Serialize, Deserialize)]
pub(crate) struct CredentialsJson {
    access_key_id: String,
    secret_access_key: Secret,
    token: Secret,
    issued_at: UnixSeconds,
    expires_at: UnixSeconds,
    account: String,
    role_arn: String,
}

impl From<&Issued> for CredentialsJson {
    fn from(issued: &Issued) -> Self {
        Self {
            access_key_id: issued.access_key_id.clone(),
            secret_access_key: issued.secret.clone(),
            token: issued.token.clone(),
            issued_at: issued.issued_at,
            expires_at: issued.expires_at,
            account: issued.account.clone(),
            role_arn: issued.role_arn.clone(),
        }
    }
}

#[derive(Deserialize)]
struct RolesJson {
    roles: Vec<String>,
}

#[derive(Deserialize)]
struct TokenJson {
    token: Secret,
}

#[derive(Deserialize)]
struct ErrorJson {
    error: String,
    #[serde(default)]
    request_id: String,
}

impl Client {
    /// A client of the socket at `path`.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// The roles this user may have, its default first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn roles(&self) -> Result<Vec<String>, ClientError> {
        self.ask::<RolesJson>("GET", "/v1/roles")
            .await
            .map(|answer| answer.roles)
    }

    /// Credentials of `role`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn credentials(&self, role: &str) -> Result<Issued, ClientError> {
        let answer: CredentialsJson = self
            .ask("GET", &format!("/v1/credentials/{}", encode(role)))
            .await?;
        Ok(Issued {
            access_key_id: answer.access_key_id,
            secret: answer.secret_access_key,
            token: answer.token,
            issued_at: answer.issued_at,
            expires_at: answer.expires_at,
            account: answer.account,
            role_arn: answer.role_arn,
        })
    }

    /// A token for the agent's container endpoint, for this uid and `role`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn container_token(&self, role: &str) -> Result<Secret, ClientError> {
        let answer: TokenJson = self
            .ask("POST", &format!("/v1/container-token/{}", encode(role)))
            .await?;
        Ok(answer.token)
    }

    /// A token for the container endpoint, for processes of `uid`. Whether they get anything, the rules decide then.
    ///
    /// # Errors
    /// [`ClientError`]: for another uid than the asker's it takes root.
    pub async fn container_token_for(&self, role: &str, uid: u32) -> Result<Secret, ClientError> {
        let target = format!("/v1/container-token/{}/{uid}", encode(role));
        let answer: TokenJson = self.ask("POST", &target).await?;
        Ok(answer.token)
    }

    /// What the agent is doing.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self) -> Result<AgentStatus, ClientError> {
        self.ask("GET", "/v1/status").await
    }

    /// Which rule matches this process, or process `pid`, and why those before it do not.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn explain(&self, pid: Option<u32>) -> Result<Explanation, ClientError> {
        let query = pid.map(|pid| format!("?pid={pid}")).unwrap_or_default();
        self.ask("GET", &format!("/v1/explain{query}")).await
    }

    /// The same about whoever is at `local` of a TCP connection to `peer`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn explain_connection(
        &self,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> Result<Explanation, ClientError> {
        self.ask("GET", &format!("/v1/explain?connection={local}-{peer}"))
            .await
    }

    /// The machine.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn machine(&self) -> Result<Machine, ClientError> {
        self.ask("GET", "/v1/machine").await
    }

    async fn ask<T: DeserializeOwned>(&self, method: &str, target: &str) -> Result<T, ClientError> {
        let connect = |error| ClientError::Connect {
            path: self.path.clone(),
            error,
        };
        let stream = UnixStream::connect(&self.path).await.map_err(connect)?;
        let exchange = tokio::time::timeout(ANSWER_TIMEOUT, exchange(stream, method, target));
        let (status, body) = match exchange.await {
            Ok(answered) => answered.map_err(ClientError::Protocol)?,
            Err(_) => return Err(ClientError::Protocol("it took too long".to_owned())),
        };
        // WHY not the parser's own message: it may quote the text, and the text may be a secret.
        let malformed = |_| ClientError::Protocol("it is not what was asked for".to_owned());
        if status == 200 {
            return serde_json::from_slice(&body).map_err(malformed);
        }
        let ErrorJson {
            error: reason,
            request_id,
        } = serde_json::from_slice(&body).map_err(malformed)?;
        Err(match status {
            503 => ClientError::Unavailable { reason, request_id },
            _ => ClientError::Refused { reason, request_id },
        })
    }
}

async fn exchange(stream: UnixStream, method: &str, target: &str) -> Result<(u16, Bytes), String> {
    let text = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(text)?;
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header("Host", "localhost")
        .header("Connection", "close")
        .body(Empty::new())
        .map_err(|error| error.to_string())?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(text)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await;
        Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
    };
    let (_, answer) = tokio::join!(connection, answer);
    answer
}

/// Role names may hold `+=,.@_-`, all of which may stand in a path; anything else is encoded.
fn encode(role: &str) -> String {
    let mut encoded = String::with_capacity(role.len());
    for byte in role.bytes() {
        if byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

impl CredentialSource for Client {
    fn machine(&self) -> BoxFuture<'_, Result<Machine, SourceError>> {
        Box::pin(async { self.machine().await.map_err(source_error) })
    }

    fn issue<'a>(&'a self, session: &'a SessionRequest) -> BoxFuture<'a, Result<Issued, SourceError>> {
        // The agent behind the socket shapes the session by its own rules.
        Box::pin(async move { self.credentials(&session.role).await.map_err(source_error) })
    }
}

fn source_error(error: ClientError) -> SourceError {
    match error {
        ClientError::Refused { .. } => SourceError::Refused(error.to_string()),
        other => SourceError::Unavailable(other.to_string()),
    }
}
