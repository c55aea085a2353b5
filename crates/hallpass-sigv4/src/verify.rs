use crate::SKEW_SECONDS_MAX;
use crate::canonical::{
    AUTHORITY, CanonicalError, PathForm, PathStyle, RequestView, SortedHeaders, has_bare_reserved,
    write_request,
};
use crate::chunked::{Chain, ChunkVerifier};
use crate::error::VerifyError;
use crate::events::{EventDecoder, EventLimits, EventSeed};
use crate::key::SigningKey;
use crate::parse::{AuthForm, Place, Presented, SignedHeaderNames};
use crate::payload::{Payload, PayloadMode};
use crate::query;
use crate::scope::Scope;
use crate::string_to_sign::request_signature;
use hallpass_secret::{Secret, constant_time_eq};
use hallpass_types::{AccessKeyId, UnixSeconds};
use sha2::{Digest, Sha256};
use std::fmt;

/// What [`verify`] holds a request against.
#[derive(Debug, Clone, Copy)]
pub struct VerifyOptions<'a> {
    /// Our clock.
    pub now: UnixSeconds,
    /// How the served service canonicalises paths.
    pub path_style: PathStyle,
    /// The region served here; `None` accepts any (the scope is signed, so the key must still be of that region).
    pub expected_region: Option<&'a str>,
    /// Further regions accepted beside the expected one, such as `auto` or the empty name.
    pub region_aliases: &'a [&'a str],
    /// The service served here; `None` accepts any.
    pub expected_service: Option<&'a str>,
    /// Values to try for `host` after the one received: the same without its port, configured public names. Empty by
    /// default: every further name is a request someone may replay here that was signed for elsewhere.
    pub host_alternatives: &'a [&'a str],
}

impl VerifyOptions<'_> {
    /// Any region, any service, the host as received.
    #[must_use]
    pub fn new(now: UnixSeconds, path_style: PathStyle) -> Self {
        Self {
            now,
            path_style,
            expected_region: None,
            region_aliases: &[],
            expected_service: None,
            host_alternatives: &[],
        }
    }
}

/// Proof that the holder of a key signed this request. Only the verifying functions of this crate make one.
pub struct Verified {
    pub(crate) access_key_id: AccessKeyId,
    pub(crate) scope: Scope,
    pub(crate) signed_headers: SignedHeaderNames,
    pub(crate) form: AuthForm,
    pub(crate) date: UnixSeconds,
    pub(crate) session_token: Option<String>,
    pub(crate) payload: PayloadMode,
    /// For bodies with signed chunks only.
    pub(crate) chunks: Option<ChunkVerifier>,
    /// For streams of events only.
    pub(crate) events: Option<EventSeed>,
}

impl Verified {
    /// Whose key signed.
    #[must_use]
    pub fn access_key_id(&self) -> &AccessKeyId {
        &self.access_key_id
    }

    /// What the signature is good for. A signature of version 2 names no region and no day: those are the served region
    /// and the day of verification then.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// How the body is bound to the signature.
    #[must_use]
    pub fn payload(&self) -> PayloadMode {
        self.payload
    }

    /// Header, presigned or form, and of which version.
    #[must_use]
    pub fn form(&self) -> AuthForm {
        self.form
    }

    /// When the request was signed. A signature of version 2 does not tell; it is the instant of verification then.
    #[must_use]
    pub fn date(&self) -> UnixSeconds {
        self.date
    }

    /// The session token, signed with the request. That it belongs to the access key is the caller's to check.
    #[must_use]
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    /// Whether the header `name` (lower-case) is covered by the signature.
    #[must_use]
    pub fn signed_header(&self, name: &str) -> bool {
        self.signed_headers.contains(name)
    }

    /// The names of all signed headers.
    #[must_use]
    pub fn signed_headers(&self) -> &SignedHeaderNames {
        &self.signed_headers
    }

    /// The check of the body's events, when it is a stream of them. `secret` is the one of the key that signed: events
    /// of another day than the request's have a signing key of their own.
    #[must_use]
    pub fn event_decoder(&self, secret: &Secret, limits: EventLimits) -> Option<EventDecoder> {
        let seed = self.events.as_ref()?;
        Some(EventDecoder::new(seed, secret, limits))
    }

    /// The verifier of the body's chunks, when they are signed.
    #[must_use]
    pub fn chunk_verifier(&self) -> Option<ChunkVerifier> {
        self.chunks.clone()
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("access_key_id", &self.access_key_id)
            .field("scope", &self.scope)
            .field("signed_headers", &self.signed_headers)
            .field("form", &self.form)
            .field("date", &self.date)
            .field("session_token", &self.session_token.as_ref().map(|_| "redacted"))
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
}

/// Verifies the signature of one request and returns the proof.
///
/// `key` is the signing key of the presented access key and scope; `now` is held against the request's date with
/// fifteen minutes of tolerance. Everything that can be known without the key is checked first.
///
/// # Errors
/// [`VerifyError`]; none carries a signature we computed.
///
/// # Source
/// AWS SigV4, "Create a signed request"; S3, "Authenticating requests".
pub fn verify(
    view: &RequestView<'_>,
    presented: Presented,
    key: &SigningKey,
    payload: Payload,
    options: &VerifyOptions<'_>,
) -> Result<Verified, VerifyError> {
    check_scope(&presented, options)?;
    check_time(presented.form, presented.date, options.now)?;
    let payload = payload_line(view, presented.form, payload)?;
    if payload.has_ecdsa_chunks() {
        return Err(VerifyError::EcdsaPayload);
    }
    prove(view, &presented.signed_headers, payload, options, |hash| {
        let expected = request_signature(key, &presented.date_text, &presented.scope, hash);
        constant_time_eq(&expected, &presented.signature)
    })?;
    let chunks = payload.has_hmac_chunks().then(|| {
        let seed = &presented.signature;
        let scope = presented.scope.clone();
        ChunkVerifier::new(Chain::new(key.clone(), scope, presented.date_text, seed))
    });
    let events = (payload == PayloadMode::StreamingEvents).then(|| EventSeed {
        scope: presented.scope.clone(),
        signature: presented.signature,
    });
    Ok(Verified {
        access_key_id: presented.access_key_id,
        scope: presented.scope,
        signed_headers: presented.signed_headers,
        form: presented.form,
        date: presented.date,
        session_token: presented.session_token,
        payload,
        chunks,
        events,
    })
}

/// Tries the signature, by `is_signed` of a canonical request's hash, over every form the request may have been signed
/// in.
pub(crate) fn prove(
    view: &RequestView<'_>,
    signed_headers: &SignedHeaderNames,
    payload: PayloadMode,
    options: &VerifyOptions<'_>,
    mut is_signed: impl FnMut(&[u8; 32]) -> bool,
) -> Result<(), VerifyError> {
    let headers = SortedHeaders::new(view.headers);
    check_signed_headers(&headers, signed_headers)?;
    let mut canonical = Vec::with_capacity(512);
    let mut matches = |form, host: Option<&[u8]>| -> Result<bool, VerifyError> {
        canonical.clear();
        write_request(
            &mut canonical,
            view,
            form,
            &headers,
            signed_headers,
            host,
            payload,
        )
        .map_err(|error| match error {
            CanonicalError::Missing(name) => VerifyError::SignedHeaderMissing { name },
            CanonicalError::Unsignable => VerifyError::Unsignable,
        })?;
        Ok(is_signed(&Sha256::digest(&canonical).into()))
    };
    let styled = PathForm::Styled(options.path_style);
    // A canonical path never holds these bytes bare, so a signature over the path as sent proves this request only.
    let as_sent = options.path_style == PathStyle::S3
        && has_bare_reserved(view.path)
        && view.path.bytes().all(|byte| byte.is_ascii_graphic());
    let hosts = options.host_alternatives.iter().map(|host| Some(host.as_bytes()));
    for host in std::iter::once(None).chain(hosts) {
        if matches(styled, host)? || (as_sent && matches(PathForm::AsSent, host)?) {
            return Ok(());
        }
    }
    Err(VerifyError::SignatureMismatch)
}

fn check_scope(presented: &Presented, options: &VerifyOptions<'_>) -> Result<(), VerifyError> {
    let scope = &presented.scope;
    check_service(scope, options)?;
    if let Some(expected) = options.expected_region
        && expected != scope.region()
        && !options.region_aliases.contains(&scope.region())
    {
        return Err(VerifyError::WrongRegion {
            presented: scope.region().to_owned(),
            expected: expected.to_owned(),
        });
    }
    if !presented.date_text.starts_with(scope.date().as_bytes()) {
        return Err(VerifyError::ScopeDate {
            place: presented.form.place(),
        });
    }
    Ok(())
}

pub(crate) fn check_service(scope: &Scope, options: &VerifyOptions<'_>) -> Result<(), VerifyError> {
    match options.expected_service {
        Some(expected) if expected != scope.service() => Err(VerifyError::WrongService {
            presented: scope.service().to_owned(),
            expected: expected.to_owned(),
        }),
        _ => Ok(()),
    }
}

pub(crate) fn check_time(form: AuthForm, date: UnixSeconds, now: UnixSeconds) -> Result<(), VerifyError> {
    let age = now.since(date);
    match form {
        AuthForm::Header if !(-SKEW_SECONDS_MAX..=SKEW_SECONDS_MAX).contains(&age) => {
            Err(VerifyError::SkewTooLarge {
                request: date,
                server: now,
            })
        }
        AuthForm::Presigned { .. } if age < -SKEW_SECONDS_MAX => Err(VerifyError::NotYetValid {
            valid_from: date,
            server: now,
        }),
        AuthForm::Presigned { expires_seconds } if age >= i64::from(expires_seconds) => {
            Err(VerifyError::Expired {
                expired_at: date.plus(i64::from(expires_seconds)),
                server: now,
            })
        }
        // `parse` makes the first two only; the others have their own rules of time.
        AuthForm::Header | AuthForm::Presigned { .. } | AuthForm::PresignedV2 | AuthForm::PostForm => Ok(()),
    }
}

/// `host` must be signed, and every `x-amz-*` header present, `x-amz-content-sha256` excepted: its value already
/// stands in the payload line. Nothing else is required: real clients leave `content-type` and `content-length` out.
fn check_signed_headers(headers: &SortedHeaders<'_>, signed: &SignedHeaderNames) -> Result<(), VerifyError> {
    if !signed.contains("host") && !signed.contains(AUTHORITY) {
        return Err(VerifyError::HostNotSigned);
    }
    let mut listed = signed.iter().peekable();
    for name in headers.names() {
        let is_signed = listed.next_if_eq(&name).is_some() || {
            while listed.next_if(|other| *other < name).is_some() {}
            listed.next_if_eq(&name).is_some()
        };
        if !is_signed && name.starts_with("x-amz-") && name != "x-amz-content-sha256" {
            return Err(VerifyError::HeaderNotSigned {
                name: name.to_owned(),
            });
        }
    }
    Ok(())
}

pub(crate) fn payload_line(
    view: &RequestView<'_>,
    form: AuthForm,
    payload: Payload,
) -> Result<PayloadMode, VerifyError> {
    let declared = declared_payload(view, form)?;
    match (payload, declared, form.place()) {
        (Payload::Declared, Some(PayloadMode::StreamingEvents), _) => Err(VerifyError::ContentHashInvalid),
        (Payload::Declared, Some(mode), _) => Ok(mode),
        (Payload::Events, Some(PayloadMode::StreamingEvents), Place::Header) => {
            Ok(PayloadMode::StreamingEvents)
        }
        (Payload::Events, _, _) => Err(VerifyError::ContentHashMismatch),
        (Payload::Declared, None, Place::Header) => Err(VerifyError::ContentHashMissing),
        (Payload::Declared, None, Place::Query | Place::Form) => Ok(PayloadMode::Unsigned),
        (Payload::Body(digest), None, _) => Ok(PayloadMode::Sha256(digest)),
        (Payload::Body(digest), Some(mode), _) if mode == PayloadMode::Sha256(digest) => Ok(mode),
        (Payload::Body(_), Some(_), _) => Err(VerifyError::ContentHashMismatch),
    }
}

/// What the request itself says: the header, or, when presigned, the query parameter of the same name.
fn declared_payload(view: &RequestView<'_>, form: AuthForm) -> Result<Option<PayloadMode>, VerifyError> {
    let header = view
        .single("x-amz-content-sha256")
        .map_err(|()| VerifyError::ContentHashInvalid)?;
    let mut declared = header
        .map(|bytes| {
            let text = std::str::from_utf8(bytes).map_err(|_| VerifyError::ContentHashInvalid)?;
            PayloadMode::parse(text.trim())
        })
        .transpose()?;
    if form.place() == Place::Query {
        for (name, value) in query::pairs(view.query.unwrap_or_default()) {
            if !query::decode(name).eq_ignore_ascii_case(b"x-amz-content-sha256") {
                continue;
            }
            let text =
                String::from_utf8(query::decode(value)).map_err(|_| VerifyError::ContentHashInvalid)?;
            if declared.replace(PayloadMode::parse(&text)?).is_some() {
                return Err(VerifyError::ContentHashInvalid);
            }
        }
    }
    Ok(declared)
}
