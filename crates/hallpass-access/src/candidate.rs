use crate::Caller;
use hallpass_secret::Secret;
use hallpass_session::OpenError;
use hallpass_types::UnixSeconds;
use std::sync::Arc;

/// A caller and the secret its request must be signed with. Not yet authenticated: the signature decides.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Who it is, if the signature is right.
    pub caller: Arc<Caller>,
    /// What it must have signed with.
    pub secret: Secret,
}

/// Why a key cannot authenticate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// No such key, an inactive one, one of a deleted principal, or a token that is not genuine. Callers are told
    /// no more than that; the field is for the log.
    #[error("the access key or session token is not valid ({0})")]
    Invalid(String),
    /// A token that is not genuine or another key's, a session key without one, a long-term key with one. The field
    /// is for the log.
    #[error("the session token cannot be used with this access key ({0})")]
    Token(String),
    /// The session is over.
    #[error("the session expired at {0}")]
    Expired(UnixSeconds),
    /// The session, its role or its instance was revoked.
    #[error("the session was revoked ({0})")]
    Revoked(String),
    /// Whether the session still stands cannot be said: this server has lost the fleet's store for too long.
    #[error("this server cannot say whether the session still stands ({0})")]
    Stale(String),
}

impl From<OpenError> for AuthenticationError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Expired(at) => Self::Expired(at),

            other => Self::Token(other.to_string()),
        }
    }
}
