use super::chain::{Chain, EventSeed};
use super::frame;
use crate::error::EventError;
use hallpass_secret::Secret;
use hallpass_types::UnixSeconds;
use std::fmt;

/// Puts events into signed messages. The counterpart of [`EventDecoder`](crate::EventDecoder).
pub struct EventSigner(Chain);

impl fmt::Debug for EventSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventSigner(redacted)")
    }
}

impl EventSigner {
    pub(crate) fn new(seed: &EventSeed, secret: &Secret) -> Self {
        Self(Chain::new(seed, secret))
    }

    /// Appends one event, a whole message, signed at `date`. Nothing is appended for an empty one, since that would end
    /// the stream.
    ///
    /// # Errors
    /// [`EventError::MessageTooLarge`] for what no frame can hold, 4 GiB.
    pub fn event(&mut self, message: &[u8], date: UnixSeconds, out: &mut Vec<u8>) -> Result<(), EventError> {
        if message.is_empty() {
            return Ok(());
        }
        self.append(message, date, out)
    }

    /// Appends the message that ends the stream.
    ///
    /// # Errors
    /// None that can be reached: the message is short.
    pub fn finish(mut self, date: UnixSeconds, out: &mut Vec<u8>) -> Result<(), EventError> {
        self.append(&[], date, out)
    }

    fn append(&mut self, payload: &[u8], date: UnixSeconds, out: &mut Vec<u8>) -> Result<(), EventError> {
        let header = frame::date_header(date);
        let signature = self.0.sign(date, &header, payload);
        frame::write(&header, &signature, payload, out)
    }
}
