use hallpass_store::StoreError;

/// The cluster cannot be used as it is described.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenEtcdError {
    /// No endpoint, or one that is not `http://host:port` or `https://host:port`.
    #[error("`{0}` is not an etcd endpoint: http://host:port or https://host:port is")]
    Endpoint(String),
    /// The certificates or the key cannot be used; the text names the file.
    #[error("{0}")]
    Tls(String),
    /// No member takes our certificate, or we take none of theirs; the text is of the last one asked.
    #[error("etcd and this server do not trust each other: {0}")]
    Untrusted(String),
    /// No member answers.
    #[error("no member of etcd answers: {0}")]
    Unreachable(String),
}

/// What came of one request to one member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// Another member may answer; whether this one carried the request out is not known.
    #[error("{0}")]
    Member(String),
    /// As `Member`, because of a certificate or because one of both does not speak TLS: asking again does not help.
    #[error("{0}")]
    Untrusted(String),
    /// The revision asked for is compacted.
    #[error("the revision asked for is compacted")]
    Compacted,
    /// Every member would say the same.
    #[error("{0}")]
    Refused(String),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Member(why) | Failure::Untrusted(why) | Failure::Refused(why) => Self::Io(why),
            Failure::Compacted => Self::Compacted(0),
        }
    }
}
