//! Tests that look at every stage, and so at the crate's inside.

mod bodies;
mod chunks;
mod differential;
mod events;
mod examples;
mod post;
mod properties;
mod traps;
mod v2;
mod v4a;
mod vectors;
mod x509;

use crate::*;
use hallpass_secret::Secret;
use hallpass_types::{AccessKeyId, UnixSeconds};

pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

pub(crate) fn credentials() -> SigningCredentials {
    SigningCredentials {
        access_key_id: key_id(),
        secret: Secret::new(SECRET),
        session_token: None,
    }
}

pub(crate) fn key_id() -> AccessKeyId {
    "AKIAIOSFODNN7EXAMPLE".parse().unwrap()
}

/// The instant of the examples in the S3 documentation.
pub(crate) fn example_date() -> UnixSeconds {
    UnixSeconds::from_amz_date("20130524T000000Z").unwrap()
}

pub(crate) fn s3_scope() -> Scope {
    Scope::new(example_date(), "us-east-1", "s3").unwrap()
}

pub(crate) fn key_of(scope: &Scope) -> SigningKey {
    SigningKey::derive(&Secret::new(SECRET), scope)
}

/// A request that owns its parts, so that tests can spoil them one at a time.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str, headers: &[(&str, &str)]) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let mut request = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query,
            headers: Vec::new(),
        };
        for (name, value) in headers {
            request.add(name, value);
        }
        request
    }

    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(other, _)| other != name);
        self.add(name, value);
    }

    pub(crate) fn with<T>(&self, use_view: impl FnOnce(&RequestView<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect();
        use_view(&RequestView {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &headers,
        })
    }

    /// Adds header authentication for the examples' key and date.
    pub(crate) fn signed(mut self, scope: &Scope, payload: PayloadMode) -> Self {
        let added = self.with(|view| sign(view, &credentials(), scope, example_date(), payload).unwrap());
        for (name, value) in &added.headers {
            self.add(name, value);
        }
        self
    }

    pub(crate) fn parsed(&self) -> Result<Option<Presented>, ParseError> {
        self.with(parse)
    }

    pub(crate) fn verified_at(&self, now: UnixSeconds, payload: Payload) -> Result<Verified, VerifyError> {
        let presented = self.parsed().unwrap().unwrap();
        let style = PathStyle::for_service(presented.scope.service());
        let key = key_of(&presented.scope);
        self.with(|view| verify(view, presented, &key, payload, &VerifyOptions::new(now, style)))
    }

    pub(crate) fn verified(&self) -> Result<Verified, VerifyError> {
        self.verified_at(example_date(), Payload::Declared)
    }
}

#[test]
fn debug_shows_no_secret_token_or_signature() {
    let mut credentials = credentials();
    credentials.session_token = Some(Secret::new("tokentokentoken"));
    let request = Request::new("GET", "/", &[("host", "h")]);
    let scope = s3_scope();
    let added =
        request.with(|view| sign(view, &credentials, &scope, example_date(), PayloadMode::EMPTY).unwrap());
    let mut signed = request;
    for (name, value) in &added.headers {
        signed.add(name, value);
    }
    let signature = added
        .get("authorization")
        .unwrap()
        .rsplit_once('=')
        .unwrap()
        .1
        .to_owned();
    let presented = signed.parsed().unwrap().unwrap();
    let verified = signed.verified().unwrap();
    let shown = format!(
        "{credentials:?} {added:?} {presented:?} {verified:?} {:?}",
        key_of(&scope)
    );
    for hidden in [SECRET, "tokentoken", signature.as_str()] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}
