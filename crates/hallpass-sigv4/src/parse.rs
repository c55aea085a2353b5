mod parameters;

use crate::canonical::RequestView;
use crate::date::{self, DateText};
use crate::error::ParseError;
use crate::payload::parse_hex;
use crate::query;
use crate::scope::{Scope, TERMINATOR};
use crate::string_to_sign::{ALGORITHM, ECDSA_ALGORITHM};
use hallpass_types::{AccessKeyId, UnixSeconds};
use parameters::{QueryAuth, from_query};
use std::fmt;

/// The parameters of query authentication, in the order of [`QueryAuth`].
pub(crate) const PARAMETERS: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    query::SIGNATURE,
    "X-Amz-Security-Token",
];

/// Where a request carries its authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The `Authorization` header.
    Header,
    /// The query string.
    Query,
    /// The fields of a browser's form (`multipart/form-data`).
    Form,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Query => "query",
            Self::Form => "form",
        })
    }
}

/// The form of a request's authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthForm {
    /// An `Authorization` header, good for fifteen minutes around its date.
    Header,
    /// A presigned request.
    Presigned {
        /// How long it lives from its date, 1 to 604800 seconds.
        expires_seconds: u32,
    },
    /// A request presigned with the retired version 2; see [`verify_v2`](crate::verify_v2()).
    PresignedV2,
    /// A browser's form with a policy; see [`verify_post`](crate::verify_post()).
    PostForm,
}

impl AuthForm {
    /// Header, query string or form.
    #[must_use]
    pub fn place(self) -> Place {
        match self {
            Self::Header => Place::Header,
            Self::Presigned { .. } | Self::PresignedV2 => Place::Query,
            Self::PostForm => Place::Form,
        }
    }
}

/// The names of the signed headers: lower-case, each once, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaderNames(String);

impl SignedHeaderNames {
    /// Reads `host;x-amz-date`. Names in another order are put in order; a name twice, or not lower-case, is refused.
    ///
    /// Of HTTP/2's pseudo-headers `:authority` may stand first: the AWS SDK for JavaScript signs it in place of `host`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_graphic() & !byte.is_ascii_uppercase() & (byte != b':');
        let plain = text.strip_prefix(":authority;").unwrap_or(text);
        if !plain.bytes().fold(true, |all, byte| all & allowed(byte)) || split(plain, b';').any(str::is_empty)
        {
            return None;
        }
        if split(text, b';').is_sorted_by(|left, right| left < right) {
            return Some(Self(text.to_owned()));
        }
        let mut names: Vec<&str> = text.split(';').collect();
        names.sort_unstable();
        let distinct = names.is_sorted_by(|left, right| left < right);
        distinct.then(|| Self(names.join(";")))
    }

    /// Joins names that are already sorted and distinct.
    pub(crate) fn from_sorted<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut text = String::with_capacity(128);
        for name in names {
            if !text.is_empty() {
                text.push(';');
            }
            text.push_str(name);
        }
        Self(text)
    }

    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        split(&self.0, b';')
    }

    /// Whether `name` (lower-case) is signed.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|signed| signed == name)
    }

    /// The names joined by `;`, as they are signed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text before and after the first `byte`, which is ASCII.
pub(crate) fn split_once(text: &str, byte: u8) -> Option<(&str, &str)> {
    let place = text.bytes().position(|other| other == byte)?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

/// The pieces of `text` between bytes `byte`, which is ASCII. The standard library's search pays off in long texts
/// only, and these are a few bytes each.
fn split(text: &str, byte: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (piece, after) = match split_once(text, byte) {
            Some((piece, after)) => (piece, Some(after)),
            None => (text, None),
        };
        rest = after;
        Some(piece)
    })
}

/// The authentication found in a request: read, **not yet verified**. Only [`verify`](crate::verify()) makes it mean
/// anything.
#[derive(Clone)]
pub struct Presented {
    /// Whose key is said to have signed.
    pub access_key_id: AccessKeyId,
    /// What the signature is said to be good for.
    pub scope: Scope,
    /// The headers said to be signed.
    pub signed_headers: SignedHeaderNames,
    /// Header or presigned.
    pub form: AuthForm,
    /// When it is said to have been signed.
    pub date: UnixSeconds,
    /// The session token sent along; the caller checks that it belongs to the access key. `Debug` does not show it.
    pub session_token: Option<String>,
    pub(crate) signature: [u8; 32],
    pub(crate) date_text: DateText,
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented")
            .field("access_key_id", &self.access_key_id)
            .field("scope", &self.scope)
            .field("signed_headers", &self.signed_headers)
            .field("form", &self.form)
            .field("date", &self.date)
            .field("session_token", &self.session_token.as_ref().map(|_| "redacted"))
            .finish_non_exhaustive()
    }
}

/// Finds the authentication of a request. `None` means anonymous: not a trace of authentication.
///
/// # Errors
/// [`ParseError`] for anything broken, doubled, partial or of another scheme; never `None` for those, since treating
/// a spoilt signature as anonymous lets whoever spoils it choose the caller's identity.
pub fn parse(view: &RequestView<'_>) -> Result<Option<Presented>, ParseError> {
    let authorization = view
        .single("authorization")
        .map_err(|()| ParseError::RepeatedAuthorization)?;
    let in_query = QueryAuth::find(view.query.unwrap_or_default())?;
    match (authorization, in_query) {
        (Some(_), Some(_)) => Err(ParseError::HeaderAndQuery),
        (Some(value), None) => from_header(view, value, Algorithm::Hmac)?.hmac().map(Some),
        (None, Some(found)) => from_query(view, found, Algorithm::Hmac)?.hmac().map(Some),
        (None, None) => match header_text(view, "x-amz-security-token")? {
            Some(_) => Err(ParseError::TokenWithoutSignature),
            None => Ok(None),
        },
    }
}

pub(crate) fn header_text<'a>(
    view: &RequestView<'a>,
    name: &'static str,
) -> Result<Option<&'a str>, ParseError> {
    let value = view
        .single(name)
        .map_err(|()| ParseError::RepeatedHeader { name })?;
    let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).map(str::trim);
    value.map(text).transpose().map_err(|_| ParseError::Malformed {
        place: Place::Header,
        part: name,
    })
}

/// Which version of the signature is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Hmac,
    Ecdsa,
}

impl Algorithm {
    /// The scheme is this version's.
    fn accept(self, scheme: &str) -> Result<(), ParseError> {
        match (self, scheme) {
            (Self::Hmac, ALGORITHM) | (Self::Ecdsa, ECDSA_ALGORITHM) => Ok(()),
            (_, "AWS") => Err(ParseError::SignatureV2),
            (Self::Hmac, ECDSA_ALGORITHM) => Err(ParseError::SignatureV4a),
            _ => Err(ParseError::UnsupportedAlgorithm),
        }
    }

    fn credential(self, text: &str) -> Option<(AccessKeyId, Scope)> {
        match self {
            Self::Hmac => parse_credential(text),
            Self::Ecdsa => parse_regionless(text),
        }
    }
}

/// What both versions carry, the signature as its text.
pub(crate) struct Parts {
    pub(crate) access_key_id: AccessKeyId,
    pub(crate) scope: Scope,
    pub(crate) signed_headers: SignedHeaderNames,
    pub(crate) form: AuthForm,
    pub(crate) date: UnixSeconds,
    pub(crate) date_text: DateText,
    pub(crate) session_token: Option<String>,
    pub(crate) signature: String,
}

impl Parts {
    fn hmac(self) -> Result<Presented, ParseError> {
        let signature = parse_hex(self.signature.as_bytes()).ok_or(ParseError::Malformed {
            place: self.form.place(),
            part: "Signature",
        })?;
        Ok(Presented {
            access_key_id: self.access_key_id,
            scope: self.scope,
            signed_headers: self.signed_headers,
            form: self.form,
            date: self.date,
            session_token: self.session_token,
            signature,
            date_text: self.date_text,
        })
    }
}

/// The parts of a version 4a request; `None` when it carries none, or those of another version, which
/// [`parse`] answers for.
pub(crate) fn ecdsa_parts(view: &RequestView<'_>) -> Result<Option<Parts>, ParseError> {
    match parse(view) {
        Err(ParseError::SignatureV4a) => {}
        _ => return Ok(None),
    }
    let in_query = QueryAuth::find(view.query.unwrap_or_default())?;
    match (view.values("authorization").next(), in_query) {
        (Some(value), None) => from_header(view, value, Algorithm::Ecdsa).map(Some),
        (None, Some(found)) => from_query(view, found, Algorithm::Ecdsa).map(Some),
        _ => Ok(None),
    }
}

/// The fields of an `Authorization` header, each once at most.
#[derive(Default)]
pub(crate) struct Fields<'a> {
    pub(crate) credential: Option<&'a str>,
    pub(crate) signed_headers: Option<&'a str>,
    pub(crate) signature: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// What follows the scheme.
    pub(crate) fn read(text: &'a str) -> Result<Self, ParseError> {
        let malformed = ParseError::Malformed {
            place: Place::Header,
            part: "Authorization",
        };
        let mut fields = Self::default();
        for piece in text.split(',') {
            let (name, value) = split_once(piece.trim(), b'=').ok_or(malformed.clone())?;
            let slot = match name {
                "Credential" => &mut fields.credential,
                "SignedHeaders" => &mut fields.signed_headers,
                "Signature" => &mut fields.signature,
                _ => return Err(malformed),
            };
            if slot.replace(value).is_some() {
                return Err(malformed);
            }
        }
        Ok(fields)
    }
}

fn from_header(view: &RequestView<'_>, value: &[u8], algorithm: Algorithm) -> Result<Parts, ParseError> {
    let malformed = |part| ParseError::Malformed {
        place: Place::Header,
        part,
    };
    let text = std::str::from_utf8(value)
        .map_err(|_| malformed("Authorization"))?
        .trim();
    let (scheme, rest) = split_once(text, b' ').unwrap_or((text, ""));
    algorithm.accept(scheme)?;
    let Fields {
        credential,
        signed_headers,
        signature,
    } = Fields::read(rest)?;
    let (access_key_id, scope) = credential
        .and_then(|text| algorithm.credential(text))
        .ok_or(malformed("Credential"))?;
    let signed_headers = signed_headers
        .and_then(SignedHeaderNames::parse)
        .ok_or(malformed("SignedHeaders"))?;
    let signature = signature.ok_or(malformed("Signature"))?.to_owned();
    let (date, date_text) = header_date(view)?;
    Ok(Parts {
        access_key_id,
        scope,
        signed_headers,
        form: AuthForm::Header,
        date,
        session_token: header_text(view, "x-amz-security-token")?.map(str::to_owned),
        signature,
        date_text,
    })
}

/// The request's date: `x-amz-date` beats `Date`, and a broken `x-amz-date` is not healed by a good `Date`.
pub(crate) fn header_date(view: &RequestView<'_>) -> Result<(UnixSeconds, DateText), ParseError> {
    if let Some(text) = header_text(view, "x-amz-date")? {
        return date::read(text).ok_or(ParseError::Date);
    }
    let text = header_text(view, "date")?.ok_or(ParseError::Date)?;
    if let Some(found) = date::read(text) {
        return Ok(found);
    }
    let date = UnixSeconds::from_http_date(text).map_err(|_| ParseError::Date)?;
    Ok((date, date::text(date)))
}

/// The text before and after the last slash.
pub(crate) fn split_last(text: &str) -> Option<(&str, &str)> {
    let place = text.bytes().rposition(|byte| byte == b'/')?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

/// Splits from the right, since only the scope's part has a known number of slashes.
pub(crate) fn parse_credential(text: &str) -> Option<(AccessKeyId, Scope)> {
    let text = text.strip_suffix(TERMINATOR)?.strip_suffix('/')?;
    let (text, service) = split_last(text)?;
    let (text, region) = split_last(text)?;
    let (access_key_id, date) = split_last(text)?;
    let access_key_id = access_key_id.parse().ok()?;
    Some((access_key_id, Scope::from_parts(date, region, service).ok()?))
}

/// `id/date/service/aws4_request`.
fn parse_regionless(text: &str) -> Option<(AccessKeyId, Scope)> {
    let text = text.strip_suffix(TERMINATOR)?.strip_suffix('/')?;
    let (text, service) = split_last(text)?;
    let (access_key_id, date) = split_last(text)?;
    let access_key_id = access_key_id.parse().ok()?;
    Some((access_key_id, Scope::regionless(date, service).ok()?))
}
