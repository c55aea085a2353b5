/// Why an assertion is not taken. The words are for the person who set the provider up; they quote nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SamlError {
    /// Not XML, or XML that no identity provider needs: document types, comments, processing instructions, too deep.
    #[error("the document cannot be read: {0}")]
    Unreadable(&'static str),
    /// The provider's metadata names no issuer or no key that can be used.
    #[error("the provider's metadata cannot be used: {0}")]
    Metadata(&'static str),
    /// Nothing is proved: unsigned, signed in a way that is not taken, or not by a key of the metadata.
    #[error("Response signature invalid: {0}")]
    Signature(&'static str),
    /// It was good once.
    #[error("{0}")]
    Expired(&'static str),
    /// It is proved, and is not for this service, not yet good, or lacks something.
    #[error("{0}")]
    Unfit(String),
    /// The provider says itself that nobody was authenticated.
    #[error("{0}")]
    Rejected(&'static str),
}

impl SamlError {
    pub(crate) fn unfit(message: impl Into<String>) -> Self {
        Self::Unfit(message.into())
    }
}
