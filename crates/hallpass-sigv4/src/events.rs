//! Bodies that are event streams (`application/vnd.amazon.eventstream`) under `STREAMING-AWS4-HMAC-SHA256-EVENTS`: each
//! event travels as the payload of an outer message that carries its date and signature.
//!
//! # Source
//! Amazon Transcribe, "Setting up a streaming transcription" (signing of events); Smithy, "Amazon Event Stream
//! specification" (framing).

mod chain;
mod decoder;
mod frame;
mod signer;

pub(crate) use chain::EventSeed;
pub use decoder::EventDecoder;
pub use signer::EventSigner;

/// Bounds on the framing, so that a stranger's body costs constant memory. Reaching one is an error, never a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventLimits {
    /// Largest outer message, framing included. A message is held whole until its signature is proven. Default 2 MiB:
    /// the format allows 16 MiB, the models of the services 1,000,000 bytes in an event, which base64 makes a third
    /// longer.
    pub message_bytes: usize,
}

impl Default for EventLimits {
    fn default() -> Self {
        Self {
            message_bytes: 2 * 1_024 * 1_024,
        }
    }
}
