use super::S3Code;
use hallpass_types::UnixSeconds;

/// A stream of signed events is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The lengths of a message contradict each other.
    #[error("the framing of an event is malformed")]
    Framing,
    /// A checksum of a message does not match.
    #[error("a checksum of an event does not match")]
    Checksum,
    /// A message is larger than the limit.
    #[error("an event is larger than {limit_bytes} bytes")]
    MessageTooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// The headers of an outer message are not exactly `:date` and `:chunk-signature`, each of its type.
    #[error("a signed event must have the headers :date and :chunk-signature, and no other")]
    Headers,
    /// An event is dated more than fifteen minutes from our clock.
    #[error("the event's time {event} differs too much from the server's {server}")]
    SkewTooLarge {
        /// When the event says it was signed.
        event: UnixSeconds,
        /// Our clock.
        server: UnixSeconds,
    },
    /// The signature of an event does not match: it, or one before it, is not the one that was signed.
    #[error("the signature of an event does not match")]
    Signature,
    /// Bytes after the message that ends the stream.
    #[error("bytes follow the end of the event stream")]
    TrailingBytes,
    /// The body stopped before the message that ends the stream.
    #[error("the event stream ended without its last message")]
    Incomplete,
}

impl EventError {
    /// The error to answer with, and its status.
    #[must_use]
    pub fn code(&self) -> S3Code {
        match self {
            Self::Signature | Self::SkewTooLarge { .. } => ("InvalidSignatureException", 403),
            Self::MessageTooLarge { .. } => ("RequestEntityTooLarge", 413),
            Self::Incomplete => ("IncompleteBody", 400),
            Self::Framing | Self::Checksum | Self::Headers | Self::TrailingBytes => {
                ("SerializationException", 400)
            }
        }
    }
}
