//! Requests of pages that came from somewhere else: what a browser asks before it sends one, and what it must read in
//! the answer to hand it on. Told by the bucket's rules alone; no upstream is asked.
//!
//! Source: S3 User Guide, "Using cross-origin resource sharing"; Fetch, "CORS protocol".

use crate::{Facts, Gateway, Refusal, RequestHead};
use hallpass_resource::{CorsRequest, is_cors_method};
use hallpass_s3route::{S3Head, target};
use hallpass_upstream::{Body, full};
use http::{HeaderName, HeaderValue, Method, Response};

const REQUEST_METHOD: &str = "access-control-request-method";
const REQUEST_HEADERS: &str = "access-control-request-headers";

/// What an answer carries besides, so that a page of another origin may read it.
#[derive(Debug)]
pub struct Sharing(Vec<(&'static str, String)>);

impl Sharing {
    /// What the rules of the bucket say of this request; `None` without an `Origin`, and where no rule lets it in.
    #[must_use]
    pub fn of(head: &RequestHead, gateway: &Gateway) -> Option<Self> {
        let origin = origin(head)?;
        // A preflight is answered by itself.
        if head.method == Method::OPTIONS {
            return None;
        }
        let (bucket, _) = target_of(head, gateway);
        let rules = gateway.resources.cors(&bucket?)?;
        let asked = CorsRequest {
            origin,
            method: head.header(REQUEST_METHOD).unwrap_or(head.method.as_str()),
            headers: asked_headers(head)?,
        };
        rules.headers_for(&asked).map(Self)
    }

    /// Adds it.
    pub fn add(self, response: &mut Response<Body>) {
        for (name, value) in self.0 {
            if let Ok(value) = HeaderValue::from_str(&value) {
                // What an upstream's answer varies by, it still does.
                response
                    .headers_mut()
                    .append(HeaderName::from_static(name), value);
            }
        }
    }
}

/// Whether a browser asks with it what it may send. One that is signed is a request of another kind.
#[must_use]
pub fn is_preflight(head: &RequestHead) -> bool {
    head.method == Method::OPTIONS && !head.headers.contains_key(http::header::AUTHORIZATION)
}

/// Answers a browser that asks what it may send. That a bucket is not there, it does not learn.
///
/// # Errors
/// [`Refusal`] as S3 answers: 400 `BadRequest` to what is no such question, 403 `AccessForbidden` where no rule lets the
/// page in.
pub fn preflight(
    head: &RequestHead,
    gateway: &Gateway,
    facts: &mut Facts,
) -> Result<Response<Body>, Refusal> {
    let (bucket, key) = target_of(head, gateway);
    facts.note_preflight(bucket.as_deref(), key.as_deref());
    let bad = |message: String| Refusal::caller("BadRequest", 400, message);
    let origin = origin(head)
        .ok_or_else(|| bad("Insufficient information. Origin request header needed.".to_owned()))?;
    let method = head.header(REQUEST_METHOD);
    let forbidden = |message: &str, resource: &str| {
        let mut refusal = Refusal::caller("AccessForbidden", 403, format!("CORSResponse: {message}"));
        let method = method.unwrap_or(head.method.as_str());
        refusal.extra.push(("Method", method.to_owned()));
        refusal.extra.push(("ResourceType", resource.to_owned()));
        refusal
    };
    let rules = bucket
        .and_then(|bucket| gateway.resources.cors(&bucket))
        .ok_or_else(|| forbidden("CORS is not enabled for this bucket.", "BUCKET"))?;
    let method = method.unwrap_or("null");
    if !is_cors_method(method) {
        return Err(bad(format!("Invalid Access-Control-Request-Method: {method}")));
    }
    let resource = if key.is_some() { "OBJECT" } else { "BUCKET" };
    let told = asked_headers(head).and_then(|headers| {
        let asked = CorsRequest {
            origin,
            method,
            headers,
        };
        rules.headers_for(&asked)
    });
    let told = told.ok_or_else(|| forbidden(NOT_ALLOWED, resource))?;
    let mut response = Response::new(full(""));
    Sharing(told).add(&mut response);
    Ok(response)
}

/// S3's sentence, its misspelling included: it is what people search for.
const NOT_ALLOWED: &str = "This CORS request is not allowed. This is usually because the evalution of Origin, request \
                           method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted \
                           by the resource's CORS spec.";

/// The one origin a request names; of two, neither.
fn origin(head: &RequestHead) -> Option<&str> {
    let mut values = head.headers.get_all(http::header::ORIGIN).into_iter();
    let first = values.next()?.to_str().ok()?;
    (values.next().is_none() && !first.is_empty()).then_some(first)
}

/// The headers a page wants to send, in lower case; `None` when they cannot be read, which no rule allows.
fn asked_headers(head: &RequestHead) -> Option<Vec<String>> {
    let mut names = vec![];
    for value in head.headers.get_all(REQUEST_HEADERS) {
        let words = value.to_str().ok()?.split(',').map(str::trim);
        let words = words.filter(|name| !name.is_empty());
        names.extend(words.map(str::to_ascii_lowercase));
    }
    Some(names)
}

/// Bucket and key; neither when the path names none.
fn target_of(head: &RequestHead, gateway: &Gateway) -> (Option<String>, Option<String>) {
    let head = S3Head {
        method: head.method.as_str(),
        path: &head.path,
        query: None,
        headers: &[],
        host_bucket: gateway.host_bucket(head),
    };
    target(&head).unwrap_or_default()
}
