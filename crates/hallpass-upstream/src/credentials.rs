use crate::error::UpstreamError;
use hallpass_sigv4::SigningCredentials;
use hallpass_types::UnixSeconds;

/// Where the credentials for an upstream come from, asked for every request so that they may rotate.
pub trait UpstreamCredentials: Send + Sync {
    /// The credentials to sign with at `now`.
    ///
    /// # Errors
    /// [`UpstreamError`] when there are none; its message is for the caller and names no file or key.
    fn current(&self, now: UnixSeconds) -> Result<SigningCredentials, UpstreamError>;
}

/// Credentials that do not change.
#[derive(Debug, Clone)]
pub struct StaticCredentials(pub SigningCredentials);

impl UpstreamCredentials for StaticCredentials {
    fn current(&self, _now: UnixSeconds) -> Result<SigningCredentials, UpstreamError> {
        Ok(self.0.clone())
    }
}
