use hallpass_store::StoreError;

/// An answer that is an error, in AWS's words: code, HTTP status, message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// `NoSuchEntity`, `ValidationError`, …
    pub code: &'static str,
    /// The HTTP status that goes with it.
    pub status: u16,
    /// For the caller to read.
    pub message: String,
}

impl ApiError {
    /// An error with any code.
    #[must_use]
    pub fn new(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self {
            code,
            status,
            message: message.into(),
        }
    }

    pub(crate) fn no_such_entity(message: impl Into<String>) -> Self {
        Self::new("NoSuchEntity", 404, message)
    }

    pub(crate) fn exists(message: impl Into<String>) -> Self {
        Self::new("EntityAlreadyExists", 409, message)
    }

    pub(crate) fn delete_conflict(message: impl Into<String>) -> Self {
        Self::new("DeleteConflict", 409, message)
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new("LimitExceeded", 409, message)
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationError", 400, message)
    }

    pub(crate) fn malformed_policy(message: impl Into<String>) -> Self {
        Self::new("MalformedPolicyDocument", 400, message)
    }

    /// AWS's sentence for a required parameter that is missing.
    pub(crate) fn missing(parameter: &str) -> Self {
        let mut letters = parameter.chars();
        let lower = letters
            .next()
            .map(|c| c.to_lowercase().to_string())
            .unwrap_or_default()
            + letters.as_str();
        Self::validation(format!(
            "1 validation error detected: Value null at '{lower}' failed to satisfy constraint: Member must not be null"
        ))
    }

    /// AWS's answer to an action it does not know.
    #[must_use]
    pub fn invalid_action(action: &str, version: &str) -> Self {
        Self::new(
            "InvalidAction",
            400,
            format!("Could not find operation {action} for version {version}"),
        )
    }

    /// Whether the caller, not the server, is at fault.
    #[must_use]
    pub fn is_callers_fault(&self) -> bool {
        self.status < 500
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        // Where the store lives and why it failed is for the log.
        tracing::error!(%error, "the store refused a write");
        match error {
            StoreError::TooLarge => Self::limit("The entity exceeds the size that can be stored."),
            _ => Self::new(
                "ServiceFailure",
                500,
                "The request could not be stored. Nothing was changed.",
            ),
        }
    }
}
