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

#[cfg(test)]
mod tests {
    use super::*;
    use hallpass_secret::Secret;
    use hallpass_sigv4::{
        EventLimits, EventSigner, PathStyle, Payload, PayloadMode, RequestView, Scope, SigningCredentials,
        SigningKey, VerifyOptions, parse, sign, verify,
    };
    use hallpass_types::UnixSeconds;
    use http_body::Body as _;
    use http_body_util::{BodyExt as _, StreamBody};
    use std::convert::Infallible;

    const NOW: UnixSeconds = UnixSeconds(1_440_938_160);

    struct Fixed(UnixSeconds);

    impl Clock for Fixed {
        fn now(&self) -> UnixSeconds {
            self.0
        }
    }

    fn view<'a>(headers: &'a [(&'a str, &'a [u8])]) -> RequestView<'a> {
        RequestView {
            method: "POST",
            path: "/",
            query: None,
            headers,
        }
    }

    /// Both ends of one stream.
    fn ends() -> (EventSigner, EventDecoder) {
        let secret = Secret::new("secret");
        let credentials = SigningCredentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".parse().unwrap(),
            secret: secret.clone(),
            session_token: None,
        };
        let scope = Scope::new(NOW, "us-east-1", "transcribe").unwrap();
        let mut headers: Vec<(&str, &[u8])> = vec![("host", b"h")];
        let signed = sign(
            &view(&headers),
            &credentials,
            &scope,
            NOW,
            PayloadMode::StreamingEvents,
        )
        .unwrap();
        headers.extend(
            signed
                .headers
                .iter()
                .map(|(name, value)| (*name, value.as_bytes())),
        );
        let presented = parse(&view(&headers)).unwrap().unwrap();
        let options = VerifyOptions::new(NOW, PathStyle::Normalized);
        let key = SigningKey::derive(&secret, &scope);
        let verified = verify(&view(&headers), presented, &key, Payload::Events, &options).unwrap();
        let decoder = verified.event_decoder(&secret, EventLimits::default()).unwrap();
        (signed.event_signer(&secret).unwrap(), decoder)
    }

    /// What comes out of a body that arrives in these pieces.
    async fn passed(
        decoder: EventDecoder,
        pieces: Vec<Vec<u8>>,
        now: UnixSeconds,
    ) -> Vec<Result<Bytes, &'static str>> {
        let pieces = pieces
            .into_iter()
            .map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(piece))));
        let inner = StreamBody::new(futures_util::stream::iter(pieces));
        let mut events = VerifiedEvents::new(decoder, inner, Arc::new(Fixed(now)));
        let mut out = vec![];
        while let Some(frame) = events.frame().await {
            let frame = frame.map(|frame| frame.into_data().unwrap());
            let failed = frame.is_err();
            out.push(frame.map_err(|failure| failure.code));
            if failed {
                assert!(events.frame().await.unwrap().is_err() && !events.is_end_stream());
                return out;
            }
        }
        assert!(events.is_end_stream());
        out
    }

    #[tokio::test]
    async fn events_pass_one_by_one_and_only_a_proven_stream_ends() {
        let stream = || {
            let (mut signer, decoder) = ends();
            let (mut one, mut two, mut end) = (vec![], vec![], vec![]);
            signer.event(b"one", NOW, &mut one).unwrap();
            signer.event(b"two", NOW, &mut two).unwrap();
            signer.finish(NOW, &mut end).unwrap();
            (decoder, one, two, end)
        };
        let event = |text: &'static str| Ok(Bytes::from(text));
        let (decoder, one, two, end) = stream();
        let all = [one, two, end].concat();
        let cut = all.chunks(10).map(<[u8]>::to_vec).collect();
        assert_eq!(passed(decoder, cut, NOW).await, [event("one"), event("two")]);
        let (decoder, one, two, _) = stream();
        let expected = [event("one"), event("two"), Err("IncompleteBody")];
        assert_eq!(passed(decoder, vec![one, two], NOW).await, expected);
        let (decoder, one, _, end) = stream();
        let expected = [event("one"), Err("InvalidSignatureException")];
        assert_eq!(passed(decoder, vec![one, end], NOW).await, expected);
        let (decoder, one, _, _) = stream();
        let late = passed(decoder, vec![one], NOW.plus(901)).await;
        assert_eq!(late, [Err("InvalidSignatureException")]);
    }
}
