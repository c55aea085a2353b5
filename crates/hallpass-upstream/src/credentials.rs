//! Where an upstream's real credentials come from.
//!
//! A [`Source`] has one set for all callers. An [`AssumedRole`] exchanges them, or a web identity, for sessions of a
//! role, one for each caller if so wished. What is fetched over a network is kept by [`refreshed`].

mod assumed_role;
mod client;
mod container;
mod document;
mod environment;
mod error;
mod metadata;
mod refreshed;
mod session_request;
mod source;
mod sts;

use crate::error::UpstreamError;
use hallpass_access::Caller;
use hallpass_sigv4::SigningCredentials;
use hallpass_types::UnixSeconds;
use std::future::{Future, ready};
use std::pin::Pin;

pub use assumed_role::{AssumedRole, AssumedRoleConfig, Proof};
pub use error::CredentialsError;
pub use source::{Source, check_token_file};

/// What [`UpstreamCredentials::current`] returns.
pub type CurrentCredentials<'a> =
    Pin<Box<dyn Future<Output = Result<SigningCredentials, UpstreamError>> + Send + 'a>>;

/// Where the credentials for an upstream come from, asked for every request so that they may rotate.
///
/// The error's message is for the caller and names no file or key.
pub trait UpstreamCredentials: Send + Sync {
    /// The credentials to sign with at `now` for `caller`, who may have some of its own there.
    fn current<'a>(&'a self, caller: &'a Caller, now: UnixSeconds) -> CurrentCredentials<'a>;
}

/// Credentials that do not change.
#[derive(Debug, Clone)]
pub struct StaticCredentials(pub SigningCredentials);

impl UpstreamCredentials for StaticCredentials {
    fn current<'a>(&'a self, _caller: &'a Caller, _now: UnixSeconds) -> CurrentCredentials<'a> {
        Box::pin(ready(Ok(self.0.clone())))
    }
}

/// What a caller hears when there is nothing to sign with, whatever the reason; that is in the log.
pub(crate) fn no_credentials() -> UpstreamError {
    UpstreamError::new(
        "ServiceUnavailable",
        503,
        "The gateway has no credentials for this upstream.",
    )
}
