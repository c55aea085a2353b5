use super::EventLimits;
use super::chain::{Chain, EventSeed};
use super::frame::{self, PRELUDE_BYTES};
use crate::SKEW_SECONDS_MAX;
use crate::error::EventError;
use hallpass_secret::Secret;
use hallpass_types::UnixSeconds;
use std::fmt;

/// Proves a stream of signed events while it passes, and takes the signed frames off.
///
/// An event is handed on only when its signature is proven, and with it that it is the next one: none before it was
/// changed, left out, repeated or moved. The end is proven too, by a last message without payload; a stream that stops
/// before it is an error. Comes from [`Verified`](crate::Verified) only, so its seed is a signature that was verified.
pub struct EventDecoder {
    chain: Chain,
    limits: EventLimits,
    /// What is there of the current message.
    frame: Vec<u8>,
    /// Its length, once the prelude is there.
    total_bytes: Option<usize>,
    has_ended: bool,
    failure: Option<EventError>,
}

impl fmt::Debug for EventDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventDecoder(redacted)")
    }
}

impl EventDecoder {
    pub(crate) fn new(seed: &EventSeed, secret: &Secret, limits: EventLimits) -> Self {
        Self {
            chain: Chain::new(seed, secret),
            limits,
            frame: Vec::new(),
            total_bytes: None,
            has_ended: false,
            failure: None,
        }
    }

    /// Takes the next bytes of the body as received and hands each proven event to `out`, one whole message a call.
    /// `now` is our clock: an event's date may be fifteen minutes from it, either way. Dates need not rise, since
    /// clocks are set back at times and the chain holds the order.
    ///
    /// # Errors
    /// [`EventError`]; the stream is lost then, and the forwarded request must be aborted.
    pub fn push(
        &mut self,
        input: &[u8],
        now: UnixSeconds,
        out: &mut impl FnMut(&[u8]),
    ) -> Result<(), EventError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let result = self.take(input, now, out);
        if let Err(failure) = &result {
            self.failure = Some(failure.clone());
            self.frame = Vec::new();
        }
        result
    }

    /// Ends the body.
    ///
    /// # Errors
    /// [`EventError::Incomplete`] when the message that ends a stream did not come; what [`push`](Self::push) said
    /// before.
    pub fn finish(self) -> Result<(), EventError> {
        match self.failure {
            Some(failure) => Err(failure),
            None if self.has_ended => Ok(()),
            None => Err(EventError::Incomplete),
        }
    }

    fn take(
        &mut self,
        input: &[u8],
        now: UnixSeconds,
        out: &mut impl FnMut(&[u8]),
    ) -> Result<(), EventError> {
        let mut rest = input;
        while !rest.is_empty() {
            if self.has_ended {
                return Err(EventError::TrailingBytes);
            }
            let wanted = self.total_bytes.unwrap_or(PRELUDE_BYTES);
            // The announced length is never allocated before that many bytes came.
            let missing = wanted.saturating_sub(self.frame.len()).min(rest.len());
            let (part, after) = rest.split_at(missing);
            self.frame.extend_from_slice(part);
            rest = after;
            if self.total_bytes.is_none()
                && let Ok(prelude) = self.frame.as_slice().try_into()
            {
                self.total_bytes = Some(frame::total_bytes(prelude, self.limits.message_bytes)?);
            }
            if self.total_bytes == Some(self.frame.len()) {
                self.message(now, out)?;
            }
        }
        Ok(())
    }

    fn message(&mut self, now: UnixSeconds, out: &mut impl FnMut(&[u8])) -> Result<(), EventError> {
        let whole = std::mem::take(&mut self.frame);
        self.total_bytes = None;
        let message = frame::read(&whole)?;
        if now.since(message.date).saturating_abs() > SKEW_SECONDS_MAX {
            return Err(EventError::SkewTooLarge {
                event: message.date,
                server: now,
            });
        }
        let is_signed = self.chain.check(
            message.date,
            message.date_header,
            message.payload,
            &message.signature,
        );
        if !is_signed {
            return Err(EventError::Signature);
        }
        if message.payload.is_empty() {
            self.has_ended = true;
        } else {
            out(message.payload);
        }
        Ok(())
    }
}
