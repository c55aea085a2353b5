//! Sending one request and getting its answer's head: pools, deadlines, second tries, the other's clock.

use crate::body::{Body, BodyFailure};
use crate::breaker::{Breaker, Health};
use crate::error::UpstreamError;
use crate::headers;
use crate::progress::Progress;
use crate::reframe::Outgoing;
use hallpass_credentials::jittered;
use hallpass_types::UnixSeconds;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// How long nothing may happen, neither a piece of the body out nor the head of the answer in. S3 itself lets a
/// CompleteMultipartUpload take minutes, but keeps the connection alive with its head.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Below the idle timeouts of common servers, so that a pooled connection is rarely one they just closed. The pool
/// looks once in this time, so that a connection is given back after twice as long at the latest.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// Tries of a request that changes nothing, the first included.
const TRIES_MAX: u32 = 3;
const WAIT_FIRST: Duration = Duration::from_millis(50);
/// A clock this far off explains a refusal; closer ones are within what every service allows.
const CLOCK_OFF_SECONDS: i64 = 240;

type Connections = Client<HttpsConnector<HttpConnector>, Outgoing>;

/// How a request goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Ordinary,
    /// Over HTTP/2, on a connection of its own.
    Stream,
}

/// One upstream's connections.
pub(crate) struct Exchange {
    name: String,
    client: Connections,
    /// For streams of events.
    streams: Connections,
    breaker: Breaker,
    /// Their clock minus ours, in seconds, once it showed.
    clock_offset: AtomicI64,
}

impl Exchange {
    /// `streams` connects where HTTP/2 is spoken.
    pub(crate) fn new(
        name: &str,
        connector: HttpsConnector<HttpConnector>,
        streams: HttpsConnector<HttpConnector>,
    ) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .set_host(false)
            .build(connector);
        // A connection for each: a client that does not read its answer must not fill the window of the others.
        let streams = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .http2_only(true)
            .set_host(false)
            .build(streams);
        Self {
            name: name.to_owned(),
            client,
            streams,
            breaker: Breaker::new(),
            clock_offset: AtomicI64::new(0),
        }
    }

    pub(crate) fn health(&self) -> Health {
        self.breaker.health()
    }

    /// Their clock minus ours, in seconds.
    pub(crate) fn clock_offset(&self) -> i64 {
        self.clock_offset.load(Ordering::Relaxed)
    }

    /// What their clock shows when ours shows `now`.
    pub(crate) fn their_time(&self, now: UnixSeconds) -> UnixSeconds {
        now.plus(self.clock_offset())
    }

    /// Sends a request that may change something: once.
    pub(crate) async fn once(
        &self,
        outgoing: Request<Outgoing>,
        progress: &Progress,
        now: UnixSeconds,
    ) -> Result<Response<Body>, UpstreamError> {
        self.sent_once(Way::Ordinary, outgoing, progress, now).await
    }

    /// [`once`](Self::once) over HTTP/2, where the answer may begin before the request ends.
    pub(crate) async fn stream(
        &self,
        mut outgoing: Request<Outgoing>,
        progress: &Progress,
        now: UnixSeconds,
    ) -> Result<Response<Body>, UpstreamError> {
        // Signed as `host`, sent as `:authority`.
        outgoing.headers_mut().remove(http::header::HOST);
        self.sent_once(Way::Stream, outgoing, progress, now).await
    }

    async fn sent_once(
        &self,
        way: Way,
        outgoing: Request<Outgoing>,
        progress: &Progress,
        now: UnixSeconds,
    ) -> Result<Response<Body>, UpstreamError> {
        let response = self.send(way, outgoing, progress).await?;
        if self.learn_clock(&response, now) {
            return Err(unavailable(
                "The upstream's clock differs; it is now allowed for. Try again.",
            ));
        }
        self.accept(response)
    }

    /// Sends a request that changes nothing; `make` makes it anew, signed for the moment, for each try.
    pub(crate) async fn repeatable<F>(
        &self,
        make: impl Fn() -> F,
        now: UnixSeconds,
    ) -> Result<Response<Body>, UpstreamError>
    where
        F: Future<Output = Result<Request<Outgoing>, UpstreamError>>,
    {
        let mut wait = WAIT_FIRST;
        for attempt in 1.. {
            let result = self
                .send(Way::Ordinary, make().await?, &Progress::default())
                .await;
            let is_last = attempt >= TRIES_MAX;
            match result {
                Ok(response) if self.learn_clock(&response, now) && !is_last => continue,
                Ok(response) if !is_last && is_passing(response.status()) && self.breaker.spend_try() => {}
                Ok(response) => return self.accept(response),
                Err(error) if is_last || !self.breaker.spend_try() => return Err(error),
                Err(_) => {}
            }
            tokio::time::sleep(jittered(wait)).await;
            wait *= 2;
        }
        Err(UpstreamError::internal())
    }

    async fn send(
        &self,
        way: Way,
        outgoing: Request<Outgoing>,
        progress: &Progress,
    ) -> Result<Response<Incoming>, UpstreamError> {
        if !self.breaker.admits(Instant::now()) {
            return Err(unavailable("The upstream cannot be reached just now."));
        }
        let connections = match way {
            Way::Ordinary => &self.client,
            Way::Stream => &self.streams,
        };
        let mut answer = std::pin::pin!(connections.request(outgoing));
        let response = loop {
            let before = progress.frames();
            match tokio::time::timeout(STALL_TIMEOUT, &mut answer).await {
                Ok(response) => break response,
                Err(_) if progress.frames() > before => {}
                Err(_) => {
                    tracing::warn!(upstream = %self.name, "upstream stalled");
                    self.failed(way);
                    return Err(unavailable("The upstream did not answer in time."));
                }
            }
        };
        // A body that failed explains everything that came after, and is the sender's fault.
        if let Some(failure) = progress.failure() {
            return Err(failure.into());
        }
        match response {
            Ok(response) => {
                self.breaker.succeeded();
                Ok(response)
            }
            Err(error) => {
                tracing::warn!(upstream = %self.name, %error, cause = ?std::error::Error::source(&error), "upstream failed");
                self.failed(way);
                Err(unavailable("The upstream could not be reached."))
            }
        }
    }

    /// An upstream without HTTP/2 fails every stream, and is none the worse for all else.
    fn failed(&self, way: Way) {
        if way == Way::Ordinary {
            self.breaker.failed(Instant::now());
        }
    }

    /// Takes note of a clock that differs so much that it explains the refusal `response`; true when it does.
    fn learn_clock(&self, response: &Response<Incoming>, now: UnixSeconds) -> bool {
        if !matches!(response.status(), StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST) {
            return false;
        }
        let theirs = response.headers().get(http::header::DATE);
        let theirs = theirs
            .and_then(|date| date.to_str().ok())
            .and_then(|date| UnixSeconds::from_http_date(date).ok());
        let Some(theirs) = theirs else { return false };
        let offset = theirs.since(now);
        let is_news = (offset - self.clock_offset.load(Ordering::Relaxed)).abs() > CLOCK_OFF_SECONDS;
        if is_news {
            tracing::warn!(upstream = %self.name, offset, "the upstream's clock differs from ours");
            self.clock_offset.store(offset, Ordering::Relaxed);
        }
        is_news
    }

    fn accept(&self, response: Response<Incoming>) -> Result<Response<Body>, UpstreamError> {
        let status = response.status();
        if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
            tracing::warn!(upstream = %self.name, %status, "upstream redirects: its region or endpoint is set wrong");
            return Err(UpstreamError::new(
                "BadGateway",
                502,
                "The upstream serves this elsewhere.",
            ));
        }
        let (mut head, body) = response.into_parts();
        headers::filter_response(&mut head.headers);
        let body =
            body.map_err(|_| BodyFailure::new("InternalError", 502, "The upstream broke off its answer."));
        Ok(Response::from_parts(head, body.boxed_unsync()))
    }
}

fn unavailable(message: &str) -> UpstreamError {
    UpstreamError::new("ServiceUnavailable", 503, message)
}

/// What may be gone a moment later. A 503 is S3's `SlowDown` as well, which the client must hear.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 504)
}
