//! A private endpoint for one child process tree: what `hallpass run --role ROLE -- COMMAND` gives its command.
//!
//! Needs no root: it listens on loopback in the caller's own process, speaks the metadata protocol (both versions) and
//! the container protocol for exactly one role, admits exactly its own uid, and gets the credentials from the agent's
//! socket as that uid.

use crate::client::{Client, ClientError};
use crate::{
    Agent, AgentConfig, BoxFuture, CredentialSource, Issued, Machine, NoAudit, Rules, RulesSource,
    SessionRequest, Shutdown, ShutdownTrigger, SourceError, SystemClock, SystemEntropy,
};
use hallpass_secret::Secret;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The endpoint could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunEndpointError {
    /// The agent gives no credentials for the role.
    #[error(transparent)]
    Agent(#[from] ClientError),
    /// No port, or no way to ask the kernel who calls.
    #[error("cannot listen on loopback: {0}")]
    Listen(#[from] io::Error),
}

/// A running endpoint. It stops when this is dropped.
#[derive(Debug)]
pub struct RunEndpoint {
    /// For `AWS_EC2_METADATA_SERVICE_ENDPOINT`. Ends in `/`: an old AWS CLI joins paths without one.
    pub metadata_url: String,
    /// For `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
    pub container_url: String,
    /// For `AWS_CONTAINER_AUTHORIZATION_TOKEN`.
    pub token: Secret,
    _running: ShutdownTrigger,
}

impl RunEndpoint {
    /// Starts one for `role`, with credentials from the agent at `socket_path`. They are fetched once before this
    /// returns, so that a refusal is known before the command starts.
    ///
    /// # Errors
    /// [`RunEndpointError`].
    pub async fn start(socket_path: &Path, role: &str) -> Result<Self, RunEndpointError> {
        let client = Client::new(socket_path);
        client.credentials(role).await?;
        let uid = rustix::process::geteuid().as_raw();
        let source = Arc::new(OneRole {
            client,
            role: role.to_owned(),
        });
        let mut config = AgentConfig::new(
            RulesSource::Fixed(Arc::new(Rules::only(uid, &[role]))),
            source,
            // The agent behind the socket records what it gives us; what we pass on stays with the same uid.
            Arc::new(NoAudit),
            Arc::new(SystemClock),
            Arc::new(SystemEntropy),
        );
        config.v1_allowed = Some(true);
        // For root the creator of a socket proves nothing: setuid programs make root sockets for anyone.
        config.holder_check = uid == 0;
        let agent = Agent::new(config)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let token = agent.container_token(role, uid);
        let (running, shutdown) = Shutdown::new();
        let diag = Arc::new(crate::SockDiag::open()?);
        tokio::spawn(async move { agent.serve_metadata_in(listener, diag, shutdown).await });
        Ok(Self {
            metadata_url: format!("http://127.0.0.1:{port}/"),
            container_url: format!("http://127.0.0.1:{port}/v1/credentials"),
            token,
            _running: running,
        })
    }
}

/// The agent's socket, narrowed to one role.
struct OneRole {
    client: Client,
    role: String,
}

impl CredentialSource for OneRole {
    fn machine(&self) -> BoxFuture<'_, Result<Machine, SourceError>> {
        Box::pin(async {
            let mut machine = CredentialSource::machine(&self.client).await?;
            machine.roles = vec![self.role.clone()];
            machine.endpoint_enabled = true;
            Ok(machine)
        })
    }

    fn issue<'a>(&'a self, session: &'a SessionRequest) -> BoxFuture<'a, Result<Issued, SourceError>> {
        if session.role == self.role {
            self.client.issue(session)
        } else {
            Box::pin(std::future::ready(Err(SourceError::Refused(
                "another role".to_owned(),
            ))))
        }
    }
}
