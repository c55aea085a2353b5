//! Bodies on their way through: a request's kept within reach, so that what a refused client is still sending can be
//! taken off the wire; both ways counted; those who send too slowly cut off.

use crate::limits::Running;
use crate::metrics::UnderWay;
use bytes::Bytes;
use hallpass_upstream::{Body, BodyFailure};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// What is read of a refused body before the answer; a client that has more to send sees the connection closed.
const DRAIN_BYTES_MAX: usize = 64 * 1_024 * 1_024;
const DRAIN_TIME_MAX: Duration = Duration::from_secs(20);
/// Once it has been waited for this often its longest silence, a sender must have been faster than
/// [`BYTES_PER_SECOND_MIN`].
const PATIENCE: u32 = 2;
const BYTES_PER_SECOND_MIN: u64 = 1_024;

/// A second handle on a request's body, for after its reader has given up.
#[derive(Clone)]
pub(crate) struct Remainder {
    shared: Arc<Mutex<Arriving>>,
    received: Arc<AtomicU64>,
}

/// A body as it arrives, with the time its sender let us wait.
struct Arriving {
    incoming: Incoming,
    received: Arc<AtomicU64>,
    /// Since when we wait, and until when.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    waited: Duration,
    /// How long the sender may be silent in the middle of its body.
    silence_max: Duration,
    pace: Pace,
}

/// How fast a body must come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As fast as it can be sent.
    Prompt,
    /// As things happen, since it is a stream of events; silence has its limit all the same.
    Live,
}

/// Splits a body into what is read and a handle on the rest. A sender silent for `silence_max` is given up.
pub(crate) fn share(incoming: Incoming, silence_max: Duration, pace: Pace) -> (Body, Remainder) {
    let received = Arc::new(AtomicU64::new(0));
    let arriving = Arriving {
        incoming,
        received: Arc::clone(&received),
        waiting: None,
        waited: Duration::ZERO,
        silence_max,
        pace,
    };
    let remainder = Remainder {
        shared: Arc::new(Mutex::new(arriving)),
        received,
    };
    (SharedBody(remainder.clone()).boxed_unsync(), remainder)
}

impl Remainder {
    /// How many bytes came so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Reads and forgets what the client is still sending, within bounds: many clients send the whole body before
    /// they read an answer, and would see a broken connection instead of the refusal.
    pub(crate) async fn drain(self) {
        let all = async {
            let mut left = DRAIN_BYTES_MAX;
            let mut rest = SharedBody(self);
            while let Some(Ok(frame)) = rest.frame().await {
                let length = frame.data_ref().map_or(0, Bytes::len);
                if length > left {
                    return;
                }
                left -= length;
            }
        };
        // Too slow is as good as too much.
        let _ = tokio::time::timeout(DRAIN_TIME_MAX, all).await;
    }
}

impl Arriving {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(frame) => {
                if let Some((since, _)) = self.waiting.take() {
                    self.waited += since.elapsed();
                }
                if let Some(Ok(frame)) = &frame
                    && let Some(data) = frame.data_ref()
                {
                    self.received.fetch_add(data.len() as u64, Ordering::Relaxed);
                    if self.is_too_slow() {
                        return Poll::Ready(Some(Err(too_slow())));
                    }
                }
                Poll::Ready(frame.map(|frame| frame.map_err(|_| incomplete())))
            }
            Poll::Pending => {
                let silence_max = self.silence_max;
                let (_, sleep) = self
                    .waiting
                    .get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(silence_max))));
                sleep.as_mut().poll(context).map(|()| Some(Err(too_slow())))
            }
        }
    }

    /// Only the sender's part of the time counts: an upstream may take its own.
    fn is_too_slow(&self) -> bool {
        self.pace == Pace::Prompt
            && self.waited > self.silence_max * PATIENCE
            && self.received.load(Ordering::Relaxed) < self.waited.as_secs() * BYTES_PER_SECOND_MIN
    }
}

fn incomplete() -> BodyFailure {
    BodyFailure::new(
        "IncompleteBody",
        400,
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    )
}

fn too_slow() -> BodyFailure {
    BodyFailure::new(
        "RequestTimeout",
        400,
        "Your socket connection to the server was not read from or written to within the timeout period.",
    )
}

struct SharedBody(Remainder);

impl SharedBody {
    fn arriving(&self) -> std::sync::MutexGuard<'_, Arriving> {
        self.0.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl http_body::Body for SharedBody {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        self.arriving().poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.arriving().incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.arriving().incoming.size_hint()
    }
}

/// An answer's body on its way out: counted, and what its request holds is let go when it is through or given up.
pub(crate) struct Counted {
    body: Body,
    sent: u64,
    held: Held,
}

/// What a request holds until its answer is through.
pub(crate) struct Held {
    under_way: UnderWay,
    running: Running,
    received: Remainder,
}

impl Held {
    pub(crate) fn new(under_way: UnderWay, running: Running, received: Remainder) -> Self {
        Self {
            under_way,
            running,
            received,
        }
    }
}

impl Counted {
    pub(crate) fn wrap(body: Body, held: Held) -> Body {
        Self { body, sent: 0, held }.boxed_unsync()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Held {
            under_way,
            running,
            received,
        } = &self.held;
        let metrics = &under_way.0;
        let received = received.received();
        running.moved(self.sent + received);
        metrics.bytes_in.fetch_add(received, Ordering::Relaxed);
        metrics.bytes_out.fetch_add(self.sent, Ordering::Relaxed);
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.sent += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
