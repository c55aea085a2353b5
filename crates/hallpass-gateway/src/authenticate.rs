use crate::{Refusal, glob_matches};
use hallpass_access::{AuthenticationError, Caller, Candidate, PolicyBundle};
use hallpass_sigv4::{
    EcdsaKey, EcdsaVerifyingKey, EventDecoder, EventLimits, ParseError, PathStyle, Payload, PostLimits,
    Presented, PresentedPost, PresentedV2, PresentedV4a, RequestView, Scope, SigningKey, Verified,
    VerifyOptions,
};
use hallpass_types::{AccessKeyId, UnixSeconds};
use quick_cache::sync::Cache;
use std::net::SocketAddr;
use std::sync::Arc;

/// Derived signing keys kept: one for each key id, day, region and service in use.
const SIGNING_KEYS_MAX: usize = 16_384;

/// Who a key belongs to, as of now.
pub trait KeyLookup: Send + Sync {
    /// The caller and secret behind `id`.
    ///
    /// # Errors
    /// [`AuthenticationError`].
    fn candidate(
        &self,
        id: &AccessKeyId,
        token: Option<&str>,
        now: UnixSeconds,
    ) -> Result<Candidate, AuthenticationError>;
}

/// Which policies bear on a caller, as of now.
pub trait PolicyLookup: Send + Sync {
    /// The caller's policies and the tags of its role or user.
    fn policies_for(&self, caller: &Caller) -> (PolicyBundle, Vec<(String, String)>);
}

/// How a request reached us.
#[derive(Debug, Clone, Copy)]
pub struct Connection {
    /// The other end.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Whether TLS protected it.
    pub is_tls: bool,
    /// The client's certificate, which was verified, if it showed one.
    pub certificate: Option<Shown>,
}

/// A client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The SHA-256 of it (DER).
    pub digest: [u8; 32],
    /// The SHA-256 of its public key (subject public key info): the same in every certificate of a machine of the fleet.
    pub key: [u8; 32],
}

impl Shown {
    /// As bindings have it: the digest in hex, and the key's after `key:`.
    fn names(self) -> [String; 2] {
        [hex(self.digest), format!("key:{}", hex(self.key))]
    }
}

/// The parts of a request that a signature covers, owned once so that every step looks at the same bytes.
#[derive(Debug)]
pub struct RequestHead {
    /// Method.
    pub method: http::Method,
    /// The raw path of the target.
    pub path: String,
    /// The raw query, without `?`.
    pub query: Option<String>,
    /// All headers.
    pub headers: http::HeaderMap,
    uri: http::Uri,
}

impl RequestHead {
    /// Takes over what the client sent.
    #[must_use]
    pub fn new(parts: http::request::Parts) -> Self {
        Self {
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            method: parts.method,
            headers: parts.headers,
            uri: parts.uri,
        }
    }

    /// Method, target and headers, for an upstream to forward.
    #[must_use]
    pub fn into_parts(self) -> http::request::Parts {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = self.method;
        parts.uri = self.uri;
        parts.headers = self.headers;
        parts
    }

    /// Names and values, for a view.
    #[must_use]
    pub fn fields(&self) -> Vec<(&str, &[u8])> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect()
    }

    /// What the signature core looks at.
    #[must_use]
    pub fn view<'a>(&'a self, fields: &'a [(&'a str, &'a [u8])]) -> RequestView<'a> {
        RequestView {
            method: self.method.as_str(),
            path: &self.path,
            query: self.query.as_deref(),
            headers: fields,
        }
    }

    /// One header as text, if it is there once and is ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What a request presents, in either version that covers all of it: read, **not yet verified**.
#[derive(Debug)]
pub enum Claim {
    /// Signature version 4.
    V4(Presented),
    /// Version 4a, with a key pair and for a set of regions.
    V4a(PresentedV4a),
}

impl Claim {
    /// Finds the authentication of a request. `None` means anonymous: not a trace of authentication.
    ///
    /// # Errors
    /// [`ParseError`] for anything broken, doubled, partial or of another scheme.
    pub fn find(head: &RequestHead) -> Result<Option<Self>, ParseError> {
        let fields = head.fields();
        let view = head.view(&fields);
        match hallpass_sigv4::parse(&view) {
            Err(ParseError::SignatureV4a) => Ok(hallpass_sigv4::parse_v4a(&view)?.map(Self::V4a)),
            found => Ok(found?.map(Self::V4)),
        }
    }

    /// Whose key is said to have signed.
    #[must_use]
    pub fn access_key_id(&self) -> &AccessKeyId {
        match self {
            Self::V4(presented) => &presented.access_key_id,
            Self::V4a(presented) => &presented.access_key_id,
        }
    }

    /// The service it is said to be for.
    #[must_use]
    pub fn service(&self) -> &str {
        match self {
            Self::V4(presented) => presented.scope.service(),
            Self::V4a(presented) => presented.scope.service(),
        }
    }
}

/// Proof that a request was signed by its caller, whose session stands. Only [`Authenticator::verify`] makes one.
/// Where it came from has not been judged: [`Signed::bind`] does that.
#[derive(Debug)]
pub struct Signed {
    caller: Arc<Caller>,
    verified: Verified,
    /// In a box, since every request carries it and few have one.
    events: Option<Box<EventDecoder>>,
}

impl Signed {
    /// Who signed.
    #[must_use]
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// Checks that the session may be used from where the request came.
    ///
    /// # Errors
    /// [`Refusal`] when it may not and its binding is enforced.
    pub fn bind(self, connection: Connection) -> Result<Authenticated, Refusal> {
        let binding = self
            .caller
            .session
            .as_ref()
            .and_then(|session| session.binding.as_ref());
        let is_within_binding = match binding {
            Some(binding) => {
                let shown = connection.certificate.map(Shown::names).unwrap_or_default();
                binding.check(connection.peer.ip(), &shown)?
            }
            None => true,
        };
        Ok(Authenticated {
            caller: self.caller,
            verified: self.verified,
            events: self.events,
            is_within_binding,
        })
    }
}

fn hex(bytes: [u8; 32]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Proof that a request was signed by its caller, whose session stands and may be used from where it came.
/// Only [`Signed::bind`] makes one.
///
/// ```compile_fail,E0308
/// # use hallpass_gateway::{Authenticated, Requester, Signed};
/// fn skip_the_binding(signed: Signed) -> Requester {
///     Requester::Signed(Box::new(signed))
/// }
/// ```
#[derive(Debug)]
pub struct Authenticated {
    caller: Arc<Caller>,
    verified: Verified,
    events: Option<Box<EventDecoder>>,
    is_within_binding: bool,
}

impl Authenticated {
    /// Who signed.
    #[must_use]
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// The proof of the signature.
    #[must_use]
    pub fn verified(&self) -> &Verified {
        &self.verified
    }

    /// The check of its body, when that is a stream of events ([`Payload::Events`]); given out once.
    #[must_use]
    pub fn take_events(&mut self) -> Option<EventDecoder> {
        self.events.take().map(|events| *events)
    }

    /// False when the session was used outside its binding and only a report is asked for.
    #[must_use]
    pub fn is_within_binding(&self) -> bool {
        self.is_within_binding
    }
}

/// Who sent a request: its signer, or nobody.
#[derive(Debug)]
pub enum Requester {
    /// Proven.
    Signed(Box<Authenticated>),
    /// Not a trace of authentication. Only a resource's own policy lets such a request in.
    Anonymous(Arc<Caller>),
}

impl Requester {
    /// Who asks; for requests without signature, the caller that is nobody.
    #[must_use]
    pub fn caller(&self) -> &Arc<Caller> {
        match self {
            Self::Signed(authenticated) => authenticated.caller(),
            Self::Anonymous(caller) => caller,
        }
    }

    /// The proof of the signature, if there is one.
    #[must_use]
    pub fn verified(&self) -> Option<&Verified> {
        match self {
            Self::Signed(authenticated) => Some(authenticated.verified()),
            Self::Anonymous(_) => None,
        }
    }
}

/// Verifies signatures against the keys of one authority.
pub struct Authenticator {
    keys: Arc<dyn KeyLookup>,
    signing_keys: Cache<(AccessKeyId, Scope), SigningKey>,
    verifying_keys: Cache<AccessKeyId, EcdsaVerifyingKey>,
    region: String,
    following: Vec<String>,
}

impl Authenticator {
    /// For requests signed for `region`.
    #[must_use]
    pub fn new(keys: Arc<dyn KeyLookup>, region: &str) -> Self {
        Self {
            keys,
            signing_keys: Cache::new(SIGNING_KEYS_MAX),
            verifying_keys: Cache::new(SIGNING_KEYS_MAX),
            region: region.to_owned(),
            following: vec![],
        }
    }

    /// The same, but requests to services that match a pattern may be signed for any region: their upstream follows it.
    #[must_use]
    pub fn following(mut self, services: Vec<String>) -> Self {
        self.following = services;
        self
    }

    fn follows(&self, service: &str) -> bool {
        self.following
            .iter()
            .any(|pattern| glob_matches(pattern, service))
    }

    /// Turns what a request presents into proof of who signed it.
    ///
    /// # Errors
    /// [`Refusal`]: malformed, unknown or revoked key, wrong signature, expired.
    pub fn verify(
        &self,
        head: &RequestHead,
        claim: Claim,
        payload: Payload,
        now: UnixSeconds,
    ) -> Result<Signed, Refusal> {
        let fields = head.fields();
        let view = head.view(&fields);
        let service = claim.service().to_owned();
        // IAM is one service for all regions; its clients sign for us-east-1 wherever they are.
        let is_global = matches!(service.as_str(), "iam" | "sts");
        let options = VerifyOptions {
            expected_region: Some(self.region.as_str()).filter(|_| !self.follows(&service)),
            region_aliases: if is_global {
                &["us-east-1", "aws-global"]
            } else {
                &[]
            },
            ..VerifyOptions::new(now, PathStyle::for_service(&service))
        };
        // Keys are cached only once proven: strangers cannot fill the caches with keys of their choice.
        match claim {
            Claim::V4(presented) => {
                let candidate = self.candidate(&presented.access_key_id, &presented.session_token, now)?;
                let cached = (presented.access_key_id.clone(), presented.scope.clone());
                let key = match self.signing_keys.get(&cached) {
                    Some(key) => key,
                    None => SigningKey::derive(&candidate.secret, &presented.scope),
                };
                let verified = hallpass_sigv4::verify(&view, presented, &key, payload, &options)?;
                self.signing_keys.insert(cached, key);
                Ok(Signed {
                    caller: candidate.caller,
                    events: verified
                        .event_decoder(&candidate.secret, EventLimits::default())
                        .map(Box::new),
                    verified,
                })
            }
            Claim::V4a(presented) => {
                let candidate = self.candidate(&presented.access_key_id, &presented.session_token, now)?;
                let id = presented.access_key_id.clone();
                let key = match self.verifying_keys.get(&id) {
                    Some(key) => key,
                    None => EcdsaKey::derive(&candidate.secret, &id)
                        .map_err(|error| {
                            Refusal::server("The signature cannot be verified.", error.to_string())
                        })?
                        .verifying_key()
                        .clone(),
                };
                let verified = hallpass_sigv4::verify_v4a(&view, presented, &key, payload, &options)?;
                self.verifying_keys.insert(id, key);
                Ok(Signed {
                    caller: candidate.caller,
                    verified,
                    events: None,
                })
            }
        }
    }

    /// Refuses a claim by a key that nobody has, or by a session that is over, before anything is held on its account.
    /// Nothing is proved by passing.
    ///
    /// # Errors
    /// As [`Self::verify`] would.
    pub fn refuse_strangers(&self, claim: &Claim, now: UnixSeconds) -> Result<(), Refusal> {
        let token = match claim {
            Claim::V4(presented) => &presented.session_token,
            Claim::V4a(presented) => &presented.session_token,
        };
        self.candidate(claim.access_key_id(), token, now).map(drop)
    }

    fn candidate(
        &self,
        id: &AccessKeyId,
        token: &Option<String>,
        now: UnixSeconds,
    ) -> Result<Candidate, Refusal> {
        Ok(self.keys.candidate(id, token.as_deref(), now)?)
    }

    /// [`Self::verify`] for a URL presigned with version 2. `bucket_in_host` is the bucket, where the host names it.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn verify_v2(
        &self,
        head: &RequestHead,
        presented: PresentedV2,
        bucket_in_host: Option<&str>,
        now: UnixSeconds,
    ) -> Result<Signed, Refusal> {
        let fields = head.fields();
        let candidate = self.candidate(&presented.access_key_id, &presented.session_token, now)?;
        let view = head.view(&fields);
        let secret = &candidate.secret;
        let verified =
            hallpass_sigv4::verify_v2(&view, presented, secret, bucket_in_host, &self.region, now)?;
        Ok(Signed {
            caller: candidate.caller,
            verified,
            events: None,
        })
    }

    /// [`Self::verify`] for a browser's form, whose `fields` are held against its policy; also tells the bounds on the
    /// file.
    ///
    /// # Errors
    /// As [`Self::verify`], and what the policy does not allow.
    pub fn verify_post(
        &self,
        presented: PresentedPost,
        fields: &[(String, String)],
        bucket: &str,
        now: UnixSeconds,
    ) -> Result<(Signed, PostLimits), Refusal> {
        let candidate = self.candidate(&presented.access_key_id, &presented.session_token, now)?;
        let key = SigningKey::derive(&candidate.secret, &presented.scope);
        let region = Some(self.region.as_str()).filter(|_| !self.follows("s3"));
        let (verified, limits) = hallpass_sigv4::verify_post(presented, &key, fields, bucket, now, region)?;
        let signed = Signed {
            caller: candidate.caller,
            verified,
            events: None,
        };
        Ok((signed, limits))
    }
}
