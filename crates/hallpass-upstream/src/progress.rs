use crate::body::{BodyFailure, VerifiedBody};
use crate::events::VerifiedEvents;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

/// What the sender of a body is told about it while the HTTP client has it.
#[derive(Default)]
pub(crate) struct Progress {
    frames: AtomicU64,
    failure: Mutex<Option<BodyFailure>>,
}

impl Progress {
    /// How many frames have gone out so far.
    pub(crate) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Why the body broke off, if it did.
    pub(crate) fn failure(&self) -> Option<BodyFailure> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A body on its way out that reports its progress.
pub(crate) struct Watched {
    body: Proving,
    progress: Arc<Progress>,
}

/// What proves itself while it passes.
enum Proving {
    Body(VerifiedBody),
    Events(Box<VerifiedEvents>),
}

impl Watched {
    pub(crate) fn new(body: VerifiedBody, progress: Arc<Progress>) -> Self {
        Self {
            body: Proving::Body(body),
            progress,
        }
    }

    /// A stream of events.
    pub(crate) fn events(events: Box<VerifiedEvents>, progress: Arc<Progress>) -> Self {
        Self {
            body: Proving::Events(events),
            progress,
        }
    }

    /// A body that is there already, so that nobody need watch it.
    pub(crate) fn unwatched(body: VerifiedBody) -> Self {
        Self::new(body, Arc::default())
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        let polled = match &mut self.body {
            Proving::Body(body) => Pin::new(body).poll_frame(context),
            Proving::Events(events) => Pin::new(&mut **events).poll_frame(context),
        };
        match &polled {
            Poll::Ready(Some(Err(failure))) => {
                *self
                    .progress
                    .failure
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = Some(failure.clone());
            }
            Poll::Ready(_) => {
                self.progress.frames.fetch_add(1, Ordering::Relaxed);
            }
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Proving::Body(body) => body.is_end_stream(),
            Proving::Events(events) => events.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Proving::Body(body) => body.size_hint(),
            Proving::Events(events) => events.size_hint(),
        }
    }
}
