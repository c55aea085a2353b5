use crate::body::{BodyFailure, Inner, failed_inner};
use bytes::Bytes;
use hallpass_sigv4::{EventDecoder, EventError};
use hallpass_types::Clock;
use http_body::{Frame, SizeHint};
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

impl From<EventError> for BodyFailure {
    fn from(error: EventError) -> Self {
        let (code, status) = error.code();
        Self::new(code, status, error.to_string())
    }
}

/// A stream of signed events that proves itself while it passes.
///
/// Each data frame is one whole event, its signed frame taken off, handed on once its signature is proven. The stream
/// ends only after the message that ends it was proven; in every other case it fails, so whoever forwards it never
/// completes a stream that was changed or cut.
pub struct VerifiedEvents {
    /// `None` once the end was proven.
    decoder: Option<EventDecoder>,
    inner: Inner,
    clock: Arc<dyn Clock>,
    ready: VecDeque<Bytes>,
    failure: Option<BodyFailure>,
}

impl fmt::Debug for VerifiedEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedEvents").finish_non_exhaustive()
    }
}

impl VerifiedEvents {
    /// The body `inner` under its check; each event's date is held against `clock` when it comes.
    pub fn new<B>(decoder: EventDecoder, inner: B, clock: Arc<dyn Clock>) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self {
            decoder: Some(decoder),
            inner: failed_inner(inner),
            clock,
            ready: VecDeque::new(),
            failure: None,
        }
    }

    /// What its events' dates are held against.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    fn fail(&mut self, failure: BodyFailure) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        self.ready.clear();
        self.failure = Some(failure.clone());
        Poll::Ready(Some(Err(failure)))
    }
}

impl http_body::Body for VerifiedEvents {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        loop {
            if let Some(failure) = &self.failure {
                return Poll::Ready(Some(Err(failure.clone())));
            }
            if let Some(event) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(event))));
            }
            let Self {
                decoder,
                inner,
                clock,
                ready,
                ..
            } = &mut *self;
            let Some(checking) = decoder else {
                return Poll::Ready(None);
            };
            match inner.as_mut().poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(input) = frame.into_data() else { continue };
                    let mut keep = |event: &[u8]| ready.push_back(Bytes::copy_from_slice(event));
                    if let Err(error) = checking.push(&input, clock.now(), &mut keep) {
                        return self.fail(error.into());
                    }
                }
                Poll::Ready(Some(Err(failure))) => return self.fail(failure),
                Poll::Ready(None) => {
                    if let Some(Err(error)) = decoder.take().map(EventDecoder::finish) {
                        return self.fail(error.into());
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.decoder.is_none() && self.ready.is_empty() && self.failure.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
