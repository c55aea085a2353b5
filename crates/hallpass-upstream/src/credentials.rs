use crate::error::UpstreamError;
use hallpass_access::Caller;
use hallpass_sigv4::SigningCredentials;
use hallpass_types::UnixSeconds;
use std::future::{Future, ready};
use std::pin::Pin;

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
