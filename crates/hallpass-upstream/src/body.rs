use bytes::Bytes;
use hallpass_sigv4::{BodyCheck, BodyError, ChecksumAlgorithm};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body of a response.
pub type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, BodyFailure>;

/// A response body that is all there.
#[must_use]
pub fn full(bytes: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// The body ended badly: the client broke off, or what came was not what the request promised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BodyFailure {
    /// The S3 error code.
    pub code: &'static str,
    /// Its HTTP status.
    pub status: u16,
    /// For the caller.
    pub message: String,
}

impl BodyFailure {
    /// A failure of any kind.
    #[must_use]
    pub fn new(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self {
            code,
            status,
            message: message.into(),
        }
    }

    fn incomplete() -> Self {
        Self::new(
            "IncompleteBody",
            400,
            "The request body ended before it was complete.",
        )
    }
}

impl From<BodyError> for BodyFailure {
    fn from(error: BodyError) -> Self {
        let (code, status) = error.s3_code();
        Self::new(code, status, error.to_string())
    }
}

pub(crate) type Inner = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyFailure> + Send>>;

/// A client's body, whatever ends it early told as a failure.
pub(crate) fn failed_inner<B>(inner: B) -> Inner
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    Box::pin(
        inner.map_err(|error| match error.into().downcast::<BodyFailure>() {
            Ok(failure) => *failure,
            // What exactly broke is the connection's matter, and logged there.
            Err(_) => BodyFailure::incomplete(),
        }),
    )
}

/// A body that proves itself while it passes.
///
/// It hands on only what [`BodyCheck`] does: the payload's last byte, and the end, come after the proof, so whoever
/// forwards it under its [`length`](Self::length) never completes a body that was not proven. Verified trailers follow
/// as a trailers frame. A body of length 0 must be [proven](Self::prove_empty) before anything is done.
pub struct VerifiedBody {
    length: u64,
    state: State,
    ready: VecDeque<Frame<Bytes>>,
}

enum State {
    Checking(Box<BodyCheck>, Inner),
    Done,
    Failed(BodyFailure),
}

impl fmt::Debug for VerifiedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedBody")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl VerifiedBody {
    /// The body `inner` under its check.
    pub fn new<B>(check: BodyCheck, inner: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let length = check.length();
        Self {
            length,
            state: State::Checking(Box::new(check), failed_inner(inner)),
            ready: VecDeque::new(),
        }
    }

    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self::from_bytes(Bytes::new())
    }

    /// A body that was read and proven before.
    #[must_use]
    pub fn from_bytes(bytes: Bytes) -> Self {
        let length = bytes.len() as u64;
        let mut ready = VecDeque::new();
        if !bytes.is_empty() {
            ready.push_back(Frame::data(bytes));
        }
        Self {
            length,
            state: State::Done,
            ready,
        }
    }

    /// The length of the payload in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The whole body, when it has been proven and is at hand.
    #[must_use]
    pub fn proven_bytes(&self) -> Option<Bytes> {
        match (&self.state, self.ready.front(), self.ready.len()) {
            (State::Done, None, _) if self.length == 0 => Some(Bytes::new()),
            (State::Done, Some(frame), 1) => frame
                .data_ref()
                .filter(|data| data.len() as u64 == self.length)
                .cloned(),
            _ => None,
        }
    }

    /// Proves a body of length 0 before anything is done on its account: without a last byte to hold back, its end
    /// would come too late. Does nothing to longer ones. Returns the trailers.
    ///
    /// # Errors
    /// [`BodyFailure`].
    pub async fn prove_empty(&mut self) -> Result<Option<HeaderMap>, BodyFailure> {
        if self.length > 0 {
            return Ok(None);
        }
        let mut trailers = None;
        while let Some(frame) = self.frame().await {
            trailers = frame?.into_trailers().ok().or(trailers);
        }
        Ok(trailers)
    }

    fn fail(&mut self, failure: BodyFailure) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        self.ready.clear();
        self.state = State::Failed(failure.clone());
        Poll::Ready(Some(Err(failure)))
    }
}

/// The part of `input` that `piece` is, shared rather than copied.
fn share(input: &Bytes, piece: &[u8]) -> Bytes {
    if input.as_ptr_range().contains(&piece.as_ptr()) {
        input.slice_ref(piece)
    } else {
        Bytes::copy_from_slice(piece)
    }
}

fn trailer_map(trailers: &hallpass_sigv4::Trailers) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for algorithm in ChecksumAlgorithm::ALL {
        let name = algorithm.header_name();
        if let Some(value) = trailers
            .get(name)
            .and_then(|value| HeaderValue::from_str(value).ok())
        {
            map.insert(HeaderName::from_static(name), value);
        }
    }
    (!map.is_empty()).then_some(map)
}

impl http_body::Body for VerifiedBody {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(frame)));
            }
            let Self { state, ready, .. } = &mut *self;
            let (check, inner) = match state {
                State::Checking(check, inner) => (check, inner),
                State::Done => return Poll::Ready(None),
                State::Failed(failure) => return Poll::Ready(Some(Err(failure.clone()))),
            };
            match inner.as_mut().poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    // Transport trailers are nothing S3 knows; the chunk framing has its own.
                    let Ok(input) = frame.into_data() else { continue };
                    let pushed = check.push(&input, &mut |piece| {
                        if !piece.is_empty() {
                            ready.push_back(Frame::data(share(&input, piece)));
                        }
                    });
                    if let Err(error) = pushed {
                        return self.fail(error.into());
                    }
                }
                Poll::Ready(Some(Err(failure))) => return self.fail(failure),
                Poll::Ready(None) => {
                    let State::Checking(check, _) = std::mem::replace(state, State::Done) else {
                        return Poll::Ready(None);
                    };
                    let mut last = Bytes::new();
                    match check.finish(&mut |piece| last = Bytes::copy_from_slice(piece)) {
                        Ok(trailers) => {
                            if !last.is_empty() {
                                self.ready.push_back(Frame::data(last));
                            }
                            self.ready.extend(trailer_map(&trailers).map(Frame::trailers));
                        }
                        Err(error) => return self.fail(error.into()),
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Done) && self.ready.is_empty()
    }

    /// Exact from first to last only for whoever asks before the first frame, which is when lengths are announced.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
