//! Where an upstream's real credentials come from.
//!
//! A [`Source`] has one set for all callers. An [`AssumedRole`] exchanges them, or a web identity, for sessions of a
//! role, one for each caller if so wished.

mod assumed_role;
mod session_request;

use crate::error::UpstreamError;
use hallpass_access::Caller;
use hallpass_credentials::{NoCredentials, Source};
use hallpass_sigv4::SigningCredentials;
use hallpass_types::UnixSeconds;
use std::future::{Future, ready};
use std::pin::Pin;

pub use assumed_role::{AssumedRole, AssumedRoleConfig, Proof};

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

impl UpstreamCredentials for Source {
    fn current<'a>(&'a self, _caller: &'a Caller, now: UnixSeconds) -> CurrentCredentials<'a> {
        Box::pin(async move {
            let fetched = Source::current(self, now).await.map_err(no_credentials)?;
            Ok(fetched.credentials)
        })
    }
}

/// What a caller hears when there is nothing to sign with, whatever the reason; that is in the log.
fn no_credentials(_in_the_log: NoCredentials) -> UpstreamError {
    UpstreamError::new(
        "ServiceUnavailable",
        503,
        "The gateway has no credentials for this upstream.",
    )
}
