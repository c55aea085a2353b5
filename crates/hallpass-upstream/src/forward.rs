use crate::body::{Body, VerifiedBody};
use crate::breaker::Health;
use crate::error::UpstreamError;
use crate::events::VerifiedEvents;
use bytes::Bytes;
use hallpass_access::Permit;
use hallpass_s3route::S3Request;
use hallpass_types::{AccountId, UnixSeconds};
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// What [`Upstream::serve`] returns.
pub type Served<'a> = Pin<Box<dyn Future<Output = Result<http::Response<Body>, UpstreamError>> + Send + 'a>>;

/// What the gateway forwards to.
pub trait Upstream: Send + Sync {
    /// Does what the request asks.
    fn serve(&self, request: ForwardRequest) -> Served<'_>;

    /// The account that owns a bucket, when the upstream knows accounts; cross-account decisions need it.
    fn bucket_owner(&self, bucket: &str) -> Option<AccountId> {
        let _ = bucket;
        None
    }

    /// Does what a request to another service than S3 asks.
    fn serve_api(&self, request: ApiForward) -> Served<'_> {
        drop(request);
        Box::pin(std::future::ready(Err(UpstreamError::not_implemented(
            "this service",
        ))))
    }

    /// The account whose number stands in ARNs there, when it is another than ours.
    fn account(&self) -> Option<AccountId> {
        None
    }

    /// The one region it signs for, if the operator set one.
    fn region(&self) -> Option<&str> {
        None
    }

    /// Whether S3 requests go to the region that the client signed for.
    fn follows_region(&self) -> bool {
        false
    }

    /// How it does.
    fn health(&self) -> Health {
        Health {
            is_up: true,
            failures: 0,
        }
    }

    /// The name operators gave it.
    fn name(&self) -> &str;
}

/// The body of a request to another service than S3.
#[derive(Debug)]
pub enum ApiBody {
    /// Read and proven.
    Whole(Bytes),
    /// A stream of events, proven while it passes.
    Events(Box<VerifiedEvents>),
}

/// A request to another service than S3, with its body.
pub struct ApiForward {
    /// Proof that policy allows it.
    pub permit: Permit,
    /// The service's signing name, `sqs`.
    pub service: String,
    /// What stands in front of the endpoint's host, `sqs`, `monitoring`.
    pub endpoint_prefix: String,
    /// The region the client signed for.
    pub region: String,
    /// The head as the client sent it.
    pub head: http::request::Parts,
    /// The body.
    pub body: ApiBody,
    /// Whether it changes nothing and may be sent again.
    pub is_repeatable: bool,
    /// When it came.
    pub now: UnixSeconds,
}

/// Says what and never with which headers or body.
impl fmt::Debug for ApiForward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiForward")
            .field("service", &self.service)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// A request that may be served: there is none without a [`Permit`].
///
/// ```compile_fail,E0061
/// # use hallpass_upstream::{ForwardRequest, VerifiedBody};
/// fn without_a_permit(s3: hallpass_s3route::S3Request, head: http::request::Parts) -> ForwardRequest {
///     ForwardRequest::new(s3, head, VerifiedBody::empty(), String::new(), hallpass_types::UnixSeconds(0))
/// }
/// ```
pub struct ForwardRequest {
    permit: Permit,
    s3: S3Request,
    head: http::request::Parts,
    body: VerifiedBody,
    request_id: String,
    client_region: Option<String>,
    now: UnixSeconds,
}

/// The parts of a [`ForwardRequest`], for an upstream to use up.
pub struct ForwardParts {
    /// Proof that policy allows it.
    pub permit: Permit,
    /// What is asked for.
    pub s3: S3Request,
    /// The head as the client sent it.
    pub head: http::request::Parts,
    /// The payload.
    pub body: VerifiedBody,
    /// The id under which it is recorded.
    pub request_id: String,
    /// The region the client signed for.
    pub client_region: Option<String>,
    /// When it came.
    pub now: UnixSeconds,
}

impl ForwardRequest {
    /// A request on its way to an upstream. `head` is the head that `s3` was routed from.
    #[must_use]
    pub fn new(
        permit: Permit,
        s3: S3Request,
        head: http::request::Parts,
        body: VerifiedBody,
        request_id: String,
        now: UnixSeconds,
    ) -> Self {
        Self {
            permit,
            s3,
            head,
            body,
            request_id,
            client_region: None,
            now,
        }
    }

    /// The same, for an upstream that follows the region the client signed for.
    #[must_use]
    pub fn signed_for(mut self, region: Option<&str>) -> Self {
        self.client_region = region.map(str::to_owned);
        self
    }

    /// Proof that policy allows it.
    #[must_use]
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// What is asked for.
    #[must_use]
    pub fn s3(&self) -> &S3Request {
        &self.s3
    }

    /// The head as the client sent it.
    #[must_use]
    pub fn head(&self) -> &http::request::Parts {
        &self.head
    }

    /// The id under which it is recorded.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// When it came.
    #[must_use]
    pub fn now(&self) -> UnixSeconds {
        self.now
    }

    /// Everything, to be used up.
    #[must_use]
    pub fn into_parts(self) -> ForwardParts {
        let Self {
            permit,
            s3,
            head,
            body,
            request_id,
            client_region,
            now,
        } = self;
        ForwardParts {
            permit,
            s3,
            head,
            body,
            request_id,
            client_region,
            now,
        }
    }
}

impl ForwardParts {
    /// A header's value, trimmed; for `x-amz-*`, one given as a query parameter counts.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        match self.head.headers.get(name) {
            Some(value) => Some(String::from_utf8_lossy(value.as_bytes()).trim().to_owned()),
            None => {
                let found = self.s3.query_headers.iter().find(|(other, _)| other == name);
                found.map(|(_, value)| value.trim().to_owned())
            }
        }
    }
}

/// Says what and never with which headers: those hold tokens.
impl fmt::Debug for ForwardRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardRequest")
            .field("request_id", &self.request_id)
            .field("operation", &self.s3.operation)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}
