use crate::BoxFuture;
use hallpass_types::UnixSeconds;
use serde::Serialize;
use std::path::PathBuf;

/// Where the record is kept. Awaited before the answer: what cannot be recorded is refused.
pub trait AuditSink: Send + Sync {
    /// Keeps one event. An error refuses the credential; its text goes to the agent's log.
    fn record(&self, event: AgentEvent) -> BoxFuture<'_, Result<(), String>>;

    /// Whether an event could be kept at `now`, asked before a role is shown that could then not be served. Must be
    /// quick as long as events are kept.
    ///
    /// # Errors
    /// Why not, for the operator.
    fn check(&self, now: UnixSeconds) -> Result<(), String> {
        let _ = now;
        Ok(())
    }

    /// Events that were let go since the start, where it was configured that they may be.
    fn lost(&self) -> u64 {
        0
    }
}

/// A sink that keeps nothing, for where the credentials were recorded one step earlier.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAudit;

impl AuditSink for NoAudit {
    fn record(&self, _event: AgentEvent) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A credential handed out, or a request for one refused. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentEvent {
    /// When.
    pub time: UnixSeconds,
    /// Names this request; refusals carry it to the caller.
    pub request_id: String,
    /// What became of it.
    pub outcome: EventOutcome,
    /// Who asked; absent if that could not be established, and the reason then says why.
    pub caller: Option<CallerFacts>,
    /// By which protocol.
    pub door: AuditDoor,
    /// The peer's address, or `unix`, or `file`.
    pub peer: String,
    /// The name (or number) of the rule that decided.
    pub rule: Option<String>,
    /// What the client calls itself. Anyone can write anything here.
    pub user_agent: Option<String>,
}

/// What became of a request for credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum EventOutcome {
    /// Handed out.
    Issued {
        /// The role.
        role: String,
        /// The key that was shown.
        access_key_id: String,
        /// When it ends.
        expires_at: UnixSeconds,
        /// Whether this user was handed this key before: then that it has it is on record already.
        again: bool,
    },
    /// Refused.
    Refused {
        /// The role asked for; absent if the caller asked which it has.
        role: Option<String>,
        /// Why, for the operator. Callers are told less.
        reason: String,
    },
}

/// What is known about a caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallerFacts {
    /// The uid.
    pub uid: u32,
    /// Its name.
    pub user: Option<String>,
    /// The process, if exactly one holds the connection.
    pub pid: Option<u32>,
    /// What that process runs.
    pub exe: Option<PathBuf>,
}

/// By which protocol a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditDoor {
    /// Metadata, without a session token.
    MetadataV1,
    /// Metadata, with one.
    MetadataV2,
    /// The ECS and EKS protocol.
    Container,
    /// The agent's unix socket.
    Socket,
    /// A file of the role.
    File,
    /// systemd, for a unit.
    Unit,
}
