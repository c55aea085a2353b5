use crate::body::BodyFailure;
use crate::progress::Watched;
use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A body as the HTTP client sends it: plain under its length, or in S3's chunks with the client's checksum behind.
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
}

impl Outgoing {
    pub(crate) fn plain(inner: Watched) -> Self {
        Self {
            inner,
            framing: Framing::Plain,
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
        let Framing::Chunked { ended } = framing else {
            // Transport trailers would need a transfer coding; plain bodies have a length instead.
            return match polled {
                Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Poll::Ready(None),
                other => other,
            };
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
            Framing::Chunked { .. } => SizeHint::default(),
        }
    }
}
