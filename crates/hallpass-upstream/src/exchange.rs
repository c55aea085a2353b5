//! Sending one request and getting its answer's head: pools, deadlines, second tries, the other's clock.

use crate::body::{Body, BodyFailure};
use crate::breaker::{Breaker, Health};
use crate::error::UpstreamError;
use crate::headers;
use crate::progress::Progress;
use crate::reframe::Outgoing;
use crate::target::EndpointError;
use hallpass_types::UnixSeconds;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// A host that does not answer a connection in this time is treated as gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
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

/// One upstream's connections.
pub(crate) struct Exchange {
    name: String,
    client: Client<HttpsConnector<HttpConnector>, Outgoing>,
    breaker: Breaker,
    /// Their clock minus ours, in seconds, once it showed.
    clock_offset: AtomicI64,
}

/// How connections are made: with the certificates of `ca_file`, or the system's.
pub(crate) fn connector(
    https: bool,
    ca_file: Option<&Path>,
) -> Result<HttpsConnector<HttpConnector>, EndpointError> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let failed = |error: &dyn std::fmt::Display| EndpointError::Roots(error.to_string());
    let builder = hyper_rustls::HttpsConnectorBuilder::new();
    if https && ca_file.is_none() {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let builder = builder
            .with_provider_and_native_roots(provider)
            .map_err(|error| failed(&error))?;
        return Ok(builder.https_only().enable_http1().wrap_connector(http));
    }
    // The system's roots are not read where none are needed: small images have none.
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        let certificates = CertificateDer::pem_file_iter(path)
            .map_err(|error| EndpointError::CaFile(format!("`{}`: {error}", path.display())))?;
        for certificate in certificates {
            let certificate = certificate
                .map_err(|error| EndpointError::CaFile(format!("`{}`: {error}", path.display())))?;
            roots
                .add(certificate)
                .map_err(|error| EndpointError::CaFile(format!("`{}`: {error}", path.display())))?;
        }
        if roots.is_empty() {
            return Err(EndpointError::CaFile(format!(
                "`{}` holds no certificate",
                path.display()
            )));
        }
    }
    let tls =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
    let builder = builder.with_tls_config(tls);
    let builder = if https {
        builder.https_only()
    } else {
        builder.https_or_http()
    };
    Ok(builder.enable_http1().wrap_connector(http))
}

impl Exchange {
    pub(crate) fn new(name: &str, connector: HttpsConnector<HttpConnector>) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .set_host(false)
            .build(connector);
        Self {
            name: name.to_owned(),
            client,
            breaker: Breaker::new(),
            clock_offset: AtomicI64::new(0),
        }
    }

    pub(crate) fn health(&self) -> Health {
        self.breaker.health()
    }

    /// What their clock shows when ours shows `now`.
    pub(crate) fn their_time(&self, now: UnixSeconds) -> UnixSeconds {
        now.plus(self.clock_offset.load(Ordering::Relaxed))
    }

    /// Sends a request that may change something: once.
    pub(crate) async fn once(
        &self,
        outgoing: Request<Outgoing>,
        progress: &Progress,
        now: UnixSeconds,
    ) -> Result<Response<Body>, UpstreamError> {
        let response = self.send(outgoing, progress).await?;
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
            let result = self.send(make().await?, &Progress::default()).await;
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
        outgoing: Request<Outgoing>,
        progress: &Progress,
    ) -> Result<Response<Incoming>, UpstreamError> {
        if !self.breaker.admits(Instant::now()) {
            return Err(unavailable("The upstream cannot be reached just now."));
        }
        let mut answer = std::pin::pin!(self.client.request(outgoing));
        let response = loop {
            let before = progress.frames();
            match tokio::time::timeout(STALL_TIMEOUT, &mut answer).await {
                Ok(response) => break response,
                Err(_) if progress.frames() > before => {}
                Err(_) => {
                    tracing::warn!(upstream = %self.name, "upstream stalled");
                    self.breaker.failed(Instant::now());
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
                self.breaker.failed(Instant::now());
                Err(unavailable("The upstream could not be reached."))
            }
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

/// Half of `wait` to all of it, so that those who failed together do not come back together.
pub(crate) fn jittered(wait: Duration) -> Duration {
    use std::hash::{BuildHasher as _, RandomState};
    let random = RandomState::new().hash_one(wait) % 512;
    wait.mul_f64(0.5 + random as f64 / 1_024.0)
}
