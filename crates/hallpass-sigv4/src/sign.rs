use crate::canonical::{CanonicalError, PathForm, PathStyle, RequestView, SortedHeaders, write_request};
use crate::chunked::{Chain, ChunkSigner};
use crate::date::{self, DateText};
use crate::error::SignError;
use crate::events::{EventSeed, EventSigner};
use crate::key::SigningKey;
use crate::parse::{PARAMETERS, SignedHeaderNames};
use crate::payload::{PayloadMode, hex_text, to_hex};
use crate::query;
use crate::scope::Scope;
use crate::string_to_sign::{ALGORITHM, request_signature};
use hallpass_secret::Secret;
use hallpass_types::{AccessKeyId, UnixSeconds};
use sha2::{Digest, Sha256};
use std::fmt;

/// What a request is signed with. `Debug` shows the access key id only.
#[derive(Debug, Clone)]
pub struct SigningCredentials {
    /// The key's id.
    pub access_key_id: AccessKeyId,
    /// The key.
    pub secret: Secret,
    /// The session token of temporary credentials; sent and signed.
    pub session_token: Option<Secret>,
}

/// The result of signing: headers to add to the request, and the start of the chain of signed chunks.
///
/// `Debug` shows the names only: a signature is as good as a credential while it lasts.
#[derive(Clone)]
pub struct SignedHeaders {
    /// Name (lower-case) and value of every header to add, each once.
    pub headers: Vec<(&'static str, String)>,
    /// `None` when there are no chunks.
    pub(crate) chain: Option<Chain>,
    pub(crate) payload: PayloadMode,
    /// `None` when the body is no stream of events.
    pub(crate) events: Option<EventSeed>,
}

impl SignedHeaders {
    /// The value of the header `name` among those to add.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The encoder of the request's body, when it is a stream of events. `secret` is the one of the key that signed.
    #[must_use]
    pub fn event_signer(&self, secret: &Secret) -> Option<EventSigner> {
        Some(EventSigner::new(self.events.as_ref()?, secret))
    }

    /// The encoder of the request's body, when its payload mode has chunks.
    #[must_use]
    pub fn chunk_signer(&self) -> Option<ChunkSigner> {
        ChunkSigner::new(self.payload, self.chain.clone()?)
    }
}

impl fmt::Debug for SignedHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.headers.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

/// Signs a request with header authentication. The scope's service decides the path style.
///
/// Every header given is signed, so the caller passes exactly what it will send, `host` included, and adds the result.
/// `x-amz-content-sha256` is added for S3 services, and wherever the payload is not a plain hash.
///
/// # Errors
/// [`SignError`] when `host` is missing, the request is signed already, or holds bytes HTTP forbids.
pub fn sign(
    view: &RequestView<'_>,
    credentials: &SigningCredentials,
    scope: &Scope,
    date: UnixSeconds,
    payload: PayloadMode,
) -> Result<SignedHeaders, SignError> {
    let key = SigningKey::derive(&credentials.secret, scope);
    let token = credentials.session_token.as_ref();
    sign_with_key(
        view,
        &credentials.access_key_id,
        token,
        &key,
        scope,
        date,
        payload,
    )
}

/// [`sign`] with a signing key derived earlier for `scope`, which must be of the day of `date`.
///
/// # Errors
/// As [`sign`].
pub fn sign_with_key(
    view: &RequestView<'_>,
    access_key_id: &AccessKeyId,
    session_token: Option<&Secret>,
    key: &SigningKey,
    scope: &Scope,
    date: UnixSeconds,
    payload: PayloadMode,
) -> Result<SignedHeaders, SignError> {
    refuse_signed(
        view,
        &["x-amz-content-sha256", "x-amz-date", "x-amz-security-token"],
    )?;
    let date = date::text(date);
    let mut added = Vec::with_capacity(4);
    added.push(("x-amz-date", date::as_str(&date).to_owned()));
    let style = PathStyle::for_service(scope.service());
    if style == PathStyle::S3 || !matches!(payload, PayloadMode::Sha256(_)) {
        added.push(("x-amz-content-sha256", payload.header_value()));
    }
    if let Some(token) = session_token {
        added.push(("x-amz-security-token", token.expose().to_owned()));
    }
    let mut headers = Vec::with_capacity(view.headers.len() + added.len());
    headers.extend_from_slice(view.headers);
    headers.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
    let headers = SortedHeaders::from_vec(headers);
    let (names, signature) = signature_of(view, &headers, key, scope, &date, payload)?;
    let authorization = [
        ALGORITHM,
        " Credential=",
        access_key_id.as_str(),
        "/",
        scope.as_str(),
        ", SignedHeaders=",
        names.as_str(),
        ", Signature=",
        hex_text(&to_hex(&signature)),
    ]
    .concat();
    added.push(("authorization", authorization));
    Ok(SignedHeaders {
        headers: added,
        chain: payload
            .is_streaming()
            .then(|| Chain::new(key.clone(), scope.clone(), date, &signature)),
        payload,
        events: (payload == PayloadMode::StreamingEvents).then(|| EventSeed {
            scope: scope.clone(),
            signature,
        }),
    })
}

/// The signature over `view` with the headers given in place of its own, and their names.
pub(crate) fn signature_of(
    view: &RequestView<'_>,
    headers: &SortedHeaders<'_>,
    key: &SigningKey,
    scope: &Scope,
    date: &DateText,
    payload: PayloadMode,
) -> Result<(SignedHeaderNames, [u8; 32]), SignError> {
    let (names, hash) = canonical_hash(view, headers, scope.service(), payload)?;
    Ok((names, request_signature(key, date, scope, &hash)))
}

/// The hash of the canonical form of everything in `view` with the headers given, and their names.
pub(crate) fn canonical_hash(
    view: &RequestView<'_>,
    headers: &SortedHeaders<'_>,
    service: &str,
    payload: PayloadMode,
) -> Result<(SignedHeaderNames, [u8; 32]), SignError> {
    let names = SignedHeaderNames::from_sorted(headers.names());
    let form = PathForm::Styled(PathStyle::for_service(service));
    let mut canonical = Vec::with_capacity(512);
    write_request(&mut canonical, view, form, headers, &names, None, payload).map_err(
        |error| match error {
            // Every name comes from a header that is there.
            CanonicalError::Missing(_) | CanonicalError::Unsignable => SignError::Unsignable,
        },
    )?;
    Ok((names, Sha256::digest(&canonical).into()))
}

/// Refuses a request without `host`, or with authentication of its own: signing over it would make a request that
/// every verifier refuses as signed twice.
pub(crate) fn refuse_signed(view: &RequestView<'_>, set_by_us: &[&'static str]) -> Result<(), SignError> {
    if view.values("host").next().is_none() {
        return Err(SignError::HostMissing);
    }
    for (other, _) in view.headers {
        let mut ours = set_by_us.iter().chain(&["authorization"]);
        if let Some(name) = ours.find(|name| *name == other) {
            return Err(SignError::AlreadySigned { name });
        }
    }
    for (name, _) in query::pairs(view.query.unwrap_or_default()) {
        let name = query::decode(name);
        if let Some(name) = PARAMETERS
            .iter()
            .find(|known| name.eq_ignore_ascii_case(known.as_bytes()))
        {
            return Err(SignError::AlreadySigned { name });
        }
    }
    Ok(())
}
