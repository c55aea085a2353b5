use crate::body::BodyFailure;
use crate::progress::Watched;
use bytes::{Bytes, BytesMut};
use hallpass_sigv4::EventSigner;
use hallpass_types::Clock;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A body as the HTTP client sends it: plain under its length, in S3's chunks with the client's checksum behind, or as
/// a stream of events signed anew.
///
/// The checksum has been proven here, but an upstream keeps it with the object and demands it of every part of an
/// upload that was begun with one, so it has to arrive.
pub(crate) struct Outgoing {
    inner: Watched,
    framing: Framing,
}

enum Framing {
    Plain,
    /// `aws-chunked`, `STREAMING-UNSIGNED-PAYLOAD-TRAILER`.
    Chunked {
        ended: bool,
    },
    /// `STREAMING-AWS4-HMAC-SHA256-EVENTS`.
    Events(Box<Events>),
}

struct Events {
    /// `None` once the last message is made.
    signer: Option<EventSigner>,
    clock: Arc<dyn Clock>,
    /// Their clock minus ours, in seconds.
    clock_offset: i64,
}

impl Events {
    /// The next message; the last, which ends the stream, for no event.
    fn message(&mut self, event: Option<&[u8]>) -> Result<Option<Bytes>, BodyFailure> {
        let now = self.clock.now().plus(self.clock_offset);
        let mut message = vec![];
        match (event, &mut self.signer) {
            (Some(event), Some(signer)) => signer.event(event, now, &mut message)?,
            (None, signer) => match signer.take() {
                Some(signer) => signer.finish(now, &mut message)?,
                None => return Ok(None),
            },
            (Some(_), None) => return Ok(None),
        }
        Ok(Some(message.into()))
    }
}

impl Outgoing {
    pub(crate) fn plain(inner: Watched) -> Self {
        Self {
            inner,
            framing: Framing::Plain,
        }
    }

    /// `inner` gives one event a frame; `clock_offset` is the upstream's clock minus `clock`, in seconds.
    pub(crate) fn events(
        inner: Watched,
        signer: EventSigner,
        clock: Arc<dyn Clock>,
        clock_offset: i64,
    ) -> Self {
        let events = Events {
            signer: Some(signer),
            clock,
            clock_offset,
        };
        Self {
            inner,
            framing: Framing::Events(Box::new(events)),
        }
    }

    pub(crate) fn chunked(inner: Watched) -> Self {
        Self {
            inner,
            framing: Framing::Chunked { ended: false },
        }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        let Self { inner, framing } = &mut *self;
        let polled = Pin::new(inner).poll_frame(context);
        let ended = match framing {
            Framing::Chunked { ended } => ended,
            Framing::Events(events) => {
                let message = match polled {
                    Poll::Ready(Some(Ok(frame))) => events.message(frame.data_ref().map(Bytes::as_ref)),
                    Poll::Ready(None) => events.message(None),
                    other => return other,
                };
                return Poll::Ready(message.transpose().map(|message| message.map(Frame::data)));
            }
            // Transport trailers would need a transfer coding; plain bodies have a length instead.
            Framing::Plain => {
                return match polled {
                    Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Poll::Ready(None),
                    other => other,
                };
            }
        };
        match polled {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    let mut framed = BytesMut::with_capacity(data.len() + 20);
                    framed.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
                    framed.extend_from_slice(&data);
                    framed.extend_from_slice(b"\r\n");
                    Poll::Ready(Some(Ok(Frame::data(framed.freeze()))))
                }
                Err(frame) => {
                    *ended = true;
                    let mut last = BytesMut::from(&b"0\r\n"[..]);
                    for (name, value) in &frame.into_trailers().unwrap_or_default() {
                        last.extend_from_slice(name.as_str().as_bytes());
                        last.extend_from_slice(b":");
                        last.extend_from_slice(value.as_bytes());
                        last.extend_from_slice(b"\r\n");
                    }
                    last.extend_from_slice(b"\r\n");
                    Poll::Ready(Some(Ok(Frame::data(last.freeze()))))
                }
            },
            Poll::Ready(None) if !*ended => {
                // The trailer was promised; without it the object must not come to be.
                let failure =
                    BodyFailure::new("MalformedTrailerError", 400, "The promised trailer is missing.");
                Poll::Ready(Some(Err(failure)))
            }
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.framing, Framing::Plain) && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Plain => self.inner.size_hint(),
            Framing::Chunked { .. } | Framing::Events(_) => SizeHint::default(),
        }
    }
}
