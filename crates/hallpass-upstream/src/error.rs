use crate::body::BodyFailure;

/// The upstream did not do what was asked: an S3 error to answer with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct UpstreamError {
    /// The S3 error code.
    pub code: &'static str,
    /// Its HTTP status.
    pub status: u16,
    /// For the caller; holds nothing secret.
    pub message: String,
    /// Further elements of the error document, such as `Key` or `BucketName`.
    pub extra: Vec<(&'static str, String)>,
    /// Headers that belong to the error, such as `Content-Range` of a 416.
    pub headers: Vec<(&'static str, String)>,
}

impl UpstreamError {
    /// An error of any kind.
    #[must_use]
    pub fn new(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self {
            code,
            status,
            message: message.into(),
            extra: vec![],
            headers: vec![],
        }
    }

    /// The same with one more element in its document.
    #[must_use]
    pub fn with(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.extra.push((name, text.into()));
        self
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// What this upstream does not do.
    #[must_use]
    pub fn not_implemented(what: &str) -> Self {
        Self::new(
            "NotImplemented",
            501,
            format!(
                "A header or operation you requested implies functionality that is not implemented: {what}."
            ),
        )
    }

    /// Something on this side broke; what it was belongs in the log.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            "InternalError",
            500,
            "We encountered an internal error. Please try again.",
        )
    }
}

impl From<BodyFailure> for UpstreamError {
    fn from(failure: BodyFailure) -> Self {
        Self::new(failure.code, failure.status, failure.message)
    }
}
