//! Signature version 4a: one signature for a set of regions, made with a P-256 key pair instead of an HMAC.
//!
//! Source: AWS SigV4a ("Create a signed request", asymmetric), and the vectors of aws-c-auth.

mod key;
mod sign;

pub use key::{EcdsaKey, EcdsaVerifyingKey, KeyDerivationError};
pub use sign::{presign_v4a, sign_v4a, sign_v4a_with_key};

use crate::canonical::RequestView;
use crate::chunked::{Chain, ChunkVerifier};
use crate::date::DateText;
use crate::error::{ParseError, VerifyError};
use crate::parse::{AuthForm, Place, SignedHeaderNames, ecdsa_parts, header_text};
use crate::payload::{Payload, PayloadMode, to_hex};
use crate::query;
use crate::scope::Scope;
use crate::string_to_sign::{ECDSA_ALGORITHM, text};
use crate::verify::{Verified, VerifyOptions, check_service, check_time, payload_line, prove};
use hallpass_types::{AccessKeyId, UnixSeconds};
use std::fmt;

/// Hex digits of the longest signature: two integers of 33 bytes, their heads and the sequence's.
pub(crate) const SIGNATURE_HEX_MAX: usize = 144;
/// What a chunk's signature is filled up with. Source: aws-c-auth.
pub(crate) const SIGNATURE_PADDING: u8 = b'*';
const REGION_SET_HEADER: &str = "x-amz-region-set";
pub(crate) const REGION_SET_PARAMETER: &str = "X-Amz-Region-Set";
/// A longer list of regions is nobody's.
const REGION_SET_BYTES_MAX: usize = 1024;

/// The bytes of hex digits; `None` unless lower-case, whole bytes, and no more than a signature has.
pub(crate) fn der(hex: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = hex.as_chunks::<2>();
    if hex.is_empty() || hex.len() > SIGNATURE_HEX_MAX || !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some((digit(*high)? << 4) | digit(*low)?))
        .collect()
}

/// The regions a version 4a signature is good in: names and patterns with `*`, parted by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionSet(String);

impl RegionSet {
    /// Reads `us-east-1`, `us-*,eu-west-1` or `*`. `None` when empty, longer than 1024 bytes, or holding anything but
    /// letters, digits, `-`, `*` and commas between members.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let named = |name: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'*');
            !name.is_empty() && name.bytes().all(allowed)
        };
        let sized = text.len() <= REGION_SET_BYTES_MAX;
        (sized && text.split(',').map(str::trim).all(named)).then(|| Self(text.to_owned()))
    }

    /// The set as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `region` is in the set. `*` stands for any text.
    #[must_use]
    pub fn contains(&self, region: &str) -> bool {
        self.0.split(',').any(|pattern| matches(pattern.trim(), region))
    }
}

/// Each piece between stars is found in turn: the earliest place is always the best.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut pieces = rest.split('*').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return text.ends_with(piece);
        }
        match text.find(piece).and_then(|place| text.get(place + piece.len()..)) {
            Some(after) => text = after,
            None => return false,
        }
    }
    true
}

/// A version 4a request: read, **not yet verified**. `Debug` shows neither signature nor token.
#[derive(Clone)]
pub struct PresentedV4a {
    /// Whose key is said to have signed.
    pub access_key_id: AccessKeyId,
    /// What the signature is said to be good for; its region is empty.
    pub scope: Scope,
    /// The regions it is said to be good in.
    pub region_set: RegionSet,
    /// The headers said to be signed.
    pub signed_headers: SignedHeaderNames,
    /// Header or presigned.
    pub form: AuthForm,
    /// When it is said to have been signed.
    pub date: UnixSeconds,
    /// The session token sent along; the caller checks that it belongs to the access key.
    pub session_token: Option<String>,
    signature: String,
    date_text: DateText,
}

impl fmt::Debug for PresentedV4a {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedV4a")
            .field("access_key_id", &self.access_key_id)
            .field("scope", &self.scope)
            .field("region_set", &self.region_set)
            .field("signed_headers", &self.signed_headers)
            .field("form", &self.form)
            .field("date", &self.date)
            .field("session_token", &self.session_token.as_ref().map(|_| "redacted"))
            .finish_non_exhaustive()
    }
}

/// Finds version 4a authentication, in header or query; for callers that accept it, after
/// [`parse`](crate::parse()) refused the request as [`ParseError::SignatureV4a`]. `None` for every other request.
///
/// # Errors
/// [`ParseError`] for parts missing, malformed or doubled.
pub fn parse_v4a(view: &RequestView<'_>) -> Result<Option<PresentedV4a>, ParseError> {
    let Some(parts) = ecdsa_parts(view)? else {
        return Ok(None);
    };
    let malformed = |part| ParseError::Malformed {
        place: parts.form.place(),
        part,
    };
    if der(parts.signature.as_bytes()).is_none() {
        return Err(malformed("Signature"));
    }
    let in_header = header_text(view, REGION_SET_HEADER)?;
    let regions = match (parts.form.place(), in_header, region_parameter(view)?) {
        (Place::Header, Some(regions), None) => regions.to_owned(),
        (Place::Query, None, Some(regions)) => regions,
        (_, Some(_), Some(_)) => return Err(ParseError::HeaderAndQuery),
        _ => return Err(malformed(REGION_SET_PARAMETER)),
    };
    let region_set = RegionSet::parse(&regions).ok_or(malformed(REGION_SET_PARAMETER))?;
    Ok(Some(PresentedV4a {
        access_key_id: parts.access_key_id,
        scope: parts.scope,
        region_set,
        signed_headers: parts.signed_headers,
        form: parts.form,
        date: parts.date,
        session_token: parts.session_token,
        signature: parts.signature,
        date_text: parts.date_text,
    }))
}

fn region_parameter(view: &RequestView<'_>) -> Result<Option<String>, ParseError> {
    let mut found = None;
    for (name, value) in query::pairs(view.query.unwrap_or_default()) {
        let name = query::decode(name);
        if !name.eq_ignore_ascii_case(REGION_SET_PARAMETER.as_bytes()) {
            continue;
        }
        let malformed = ParseError::Malformed {
            place: Place::Query,
            part: REGION_SET_PARAMETER,
        };
        if name != REGION_SET_PARAMETER.as_bytes() {
            return Err(malformed);
        }
        let value = String::from_utf8(query::decode(value)).map_err(|_| malformed)?;
        if found.replace(value).is_some() {
            return Err(ParseError::RepeatedParameter {
                name: REGION_SET_PARAMETER,
            });
        }
    }
    Ok(found)
}

/// Verifies a version 4a request and returns the proof. As [`verify`](crate::verify()), but for the regions: the
/// expected one, or one of its aliases, must be in the signed set.
///
/// # Errors
/// [`VerifyError`].
pub fn verify_v4a(
    view: &RequestView<'_>,
    presented: PresentedV4a,
    key: &EcdsaVerifyingKey,
    payload: Payload,
    options: &VerifyOptions<'_>,
) -> Result<Verified, VerifyError> {
    check_scope(&presented, options)?;
    check_time(presented.form, presented.date, options.now)?;
    let payload = payload_line(view, presented.form, payload)?;
    // Events signed with version 4a are not read.
    if payload.has_hmac_chunks() || payload == PayloadMode::StreamingEvents {
        return Err(VerifyError::EcdsaPayload);
    }
    prove(view, &presented.signed_headers, payload, options, |hash| {
        let text = text(
            ECDSA_ALGORITHM,
            &presented.date_text,
            &presented.scope,
            &[&to_hex(hash)],
        );
        key.is_signed(&text, presented.signature.as_bytes())
    })?;
    let chunks = payload.has_ecdsa_chunks().then(|| {
        let (scope, seed) = (presented.scope.clone(), presented.signature.clone().into_bytes());
        ChunkVerifier::new(Chain::ecdsa_verifying(
            key.clone(),
            scope,
            presented.date_text,
            seed,
        ))
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
        events: None,
    })
}

fn check_scope(presented: &PresentedV4a, options: &VerifyOptions<'_>) -> Result<(), VerifyError> {
    check_service(&presented.scope, options)?;
    if let Some(expected) = options.expected_region {
        let mut accepted = std::iter::once(&expected).chain(options.region_aliases);
        if !accepted.any(|region| presented.region_set.contains(region)) {
            return Err(VerifyError::WrongRegion {
                presented: presented.region_set.as_str().to_owned(),
                expected: expected.to_owned(),
            });
        }
    }
    if !presented.date_text.starts_with(presented.scope.date().as_bytes()) {
        return Err(VerifyError::ScopeDate {
            place: presented.form.place(),
        });
    }
    Ok(())
}
