//! Request bodies: kept within reach, so that what a refused client is still sending can be taken off the wire.

use bytes::Bytes;
use hallpass_upstream::{Body, BodyFailure};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

/// What is read of a refused body before the answer; a client that has more to send sees the connection closed.
const DRAIN_BYTES_MAX: usize = 64 * 1_024 * 1_024;
const DRAIN_TIME_MAX: Duration = Duration::from_secs(20);

/// A second handle on a request's body, for after its reader has given up.
#[derive(Clone)]
pub(crate) struct Remainder(Arc<Mutex<Incoming>>);

/// Splits a body into what is read and a handle on the rest.
pub(crate) fn share(incoming: Incoming) -> (Body, Remainder) {
    let shared = Remainder(Arc::new(Mutex::new(incoming)));
    (SharedBody(shared.clone()).boxed_unsync(), shared)
}

impl Remainder {
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

struct SharedBody(Remainder);

impl http_body::Body for SharedBody {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        let mut incoming = self.0.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Pin::new(&mut *incoming).poll_frame(context).map(|frame| {
            frame.map(|result| {
                result.map_err(|_| {
                    BodyFailure::new(
                        "IncompleteBody",
                        400,
                        "You did not provide the number of bytes specified by the Content-Length HTTP header",
                    )
                })
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .size_hint()
    }
}
