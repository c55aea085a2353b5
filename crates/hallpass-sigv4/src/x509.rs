//! The signature of IAM Roles Anywhere: made with the key of an X.509 certificate that comes along.
//!
//! What is signed is as in version 4; the key signs the string itself, and the certificate's serial number stands where an
//! access key id would. Source: IAM Roles Anywhere User Guide, "Signing process".

use crate::canonical::RequestView;
use crate::date::DateText;
use crate::error::{ParseError, VerifyError};
use crate::parse::{
    AuthForm, Fields, Place, SignedHeaderNames, header_date, header_text, split_last, split_once,
};
use crate::payload::{Payload, to_hex};
use crate::query;
use crate::scope::{Scope, TERMINATOR};
use crate::string_to_sign::text;
use crate::verify::{VerifyOptions, check_service, check_time, payload_line, prove};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_types::UnixSeconds;
use std::fmt;

const RSA: &str = "AWS4-X509-RSA-SHA256";
const ECDSA: &str = "AWS4-X509-ECDSA-SHA256";
const SCHEME_START: &str = "AWS4-X509-";
const CERTIFICATE_HEADER: &str = "x-amz-x509";
const CHAIN_HEADER: &str = "x-amz-x509-chain";
/// Certificates between the one that signs and the trust anchor.
const CHAIN_MAX: usize = 5;
/// A certificate in base64. Few have more than three thousand characters.
const CERTIFICATE_CHARS_MAX: usize = 16 * 1_024;
/// A serial number of twenty bytes has forty-nine digits.
const SERIAL_DIGITS_MAX: usize = 49;
/// Hex digits of the signature of an RSA key of 8,192 bits.
const SIGNATURE_HEX_MAX: usize = 2_048;

/// How the certificate's key signs: PKCS #1 v1.5 or ECDSA, over SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum X509Algorithm {
    /// `AWS4-X509-RSA-SHA256`.
    Rsa,
    /// `AWS4-X509-ECDSA-SHA256`, on whichever curve the key is.
    Ecdsa,
}

impl X509Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Rsa => RSA,
            Self::Ecdsa => ECDSA,
        }
    }
}

/// A request signed with a certificate's key: read, **not yet verified**. `Debug` does not show the signature.
#[derive(Clone)]
pub struct PresentedX509 {
    /// How the key is said to have signed.
    pub algorithm: X509Algorithm,
    /// The certificate's serial number as the request names it: decimal digits, 49 at most.
    pub serial: String,
    /// What the signature is said to be good for.
    pub scope: Scope,
    /// The headers said to be signed.
    pub signed_headers: SignedHeaderNames,
    /// When it is said to have been signed.
    pub date: UnixSeconds,
    /// The certificate as it came; nothing about it is known yet, not even that it is one.
    pub certificate: Vec<u8>,
    /// Those between it and the trust anchor, five at most.
    pub chain: Vec<Vec<u8>>,
    signature: Vec<u8>,
    date_text: DateText,
}

impl fmt::Debug for PresentedX509 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedX509")
            .field("algorithm", &self.algorithm)
            .field("serial", &self.serial)
            .field("scope", &self.scope)
            .field("signed_headers", &self.signed_headers)
            .field("date", &self.date)
            .finish_non_exhaustive()
    }
}

/// Finds the authentication by certificate of a request; `None` when its `Authorization` header is of another scheme, or
/// when it has none: [`parse`](crate::parse()) answers for those.
///
/// # Errors
/// [`ParseError`] for parts missing, malformed or doubled, and for keys of other kinds (`AWS4-X509-MLDSA`).
pub fn parse_x509(view: &RequestView<'_>) -> Result<Option<PresentedX509>, ParseError> {
    let is_ours = |value: &[u8]| value.trim_ascii_start().starts_with(SCHEME_START.as_bytes());
    if !view.values("authorization").any(is_ours) {
        return Ok(None);
    }
    let malformed = |part| ParseError::Malformed {
        place: Place::Header,
        part,
    };
    let value = view
        .single("authorization")
        .map_err(|()| ParseError::RepeatedAuthorization)?;
    if query::pairs(view.query.unwrap_or_default())
        .any(|(name, _)| query::decode(name).eq_ignore_ascii_case(query::SIGNATURE.as_bytes()))
    {
        return Err(ParseError::HeaderAndQuery);
    }
    let text = std::str::from_utf8(value.unwrap_or_default())
        .map_err(|_| malformed("Authorization"))?
        .trim();
    let (scheme, rest) = split_once(text, b' ').unwrap_or((text, ""));
    let algorithm = match scheme {
        RSA => X509Algorithm::Rsa,
        ECDSA => X509Algorithm::Ecdsa,
        _ => return Err(ParseError::UnsupportedAlgorithm),
    };
    let fields = Fields::read(rest)?;
    let (serial, scope) = fields
        .credential
        .and_then(credential)
        .ok_or(malformed("Credential"))?;
    let signed_headers = fields
        .signed_headers
        .and_then(SignedHeaderNames::parse)
        .ok_or(malformed("SignedHeaders"))?;
    let signature = fields
        .signature
        .and_then(bytes_of_hex)
        .ok_or(malformed("Signature"))?;
    let (date, date_text) = header_date(view)?;
    let certificate = header_text(view, CERTIFICATE_HEADER)?
        .and_then(certificate_of)
        .ok_or(malformed("X-Amz-X509"))?;
    let chain = match header_text(view, CHAIN_HEADER)? {
        None => vec![],
        Some(text) if text.split(',').count() > CHAIN_MAX => return Err(malformed("X-Amz-X509-Chain")),
        Some(text) => text
            .split(',')
            .map(|one| certificate_of(one).ok_or(malformed("X-Amz-X509-Chain")))
            .collect::<Result<_, _>>()?,
    };
    Ok(Some(PresentedX509 {
        algorithm,
        serial,
        scope,
        signed_headers,
        date,
        certificate,
        chain,
        signature,
        date_text,
    }))
}

/// `SERIAL/date/region/service/aws4_request`.
fn credential(text: &str) -> Option<(String, Scope)> {
    let text = text.strip_suffix(TERMINATOR)?.strip_suffix('/')?;
    let (text, service) = split_last(text)?;
    let (text, region) = split_last(text)?;
    let (serial, date) = split_last(text)?;
    let is_number = (1..=SERIAL_DIGITS_MAX).contains(&serial.len())
        && serial.bytes().all(|byte| byte.is_ascii_digit())
        && (serial == "0" || !serial.starts_with('0'));
    let scope = Scope::from_parts(date, region, service).ok()?;
    is_number.then(|| (serial.to_owned(), scope))
}

fn certificate_of(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= CERTIFICATE_CHARS_MAX;
    fits.then(|| STANDARD.decode(text).ok()).flatten()
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let fits = !pairs.is_empty() && rest.is_empty() && text.len() <= SIGNATURE_HEX_MAX;
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes = |[high, low]: &[u8; 2]| Some((digit(*high)? << 4) | digit(*low)?);
    fits.then(|| pairs.iter().map(bytes).collect()).flatten()
}

/// Proof that the key of this certificate signed the request. Only [`verify_x509`] makes one. Whom the certificate stands
/// for, and whether anybody answers for it, is not judged by it.
pub struct VerifiedX509 {
    presented: PresentedX509,
}

impl VerifiedX509 {
    /// The certificate, DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.presented.certificate
    }

    /// Those that came along to lead to a trust anchor, DER.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.presented.chain
    }

    /// The serial number that the request names, decimal; that it is the certificate's is the caller's to check.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.presented.serial
    }
}

impl fmt::Debug for VerifiedX509 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifiedX509").field(&self.presented).finish()
    }
}

/// Verifies a request signed with a certificate's key. `is_signed` says whether that certificate's key made the second
/// text, a signature, over the first; scope, time and headers are judged as [`verify`](crate::verify()) does.
///
/// # Errors
/// [`VerifyError`].
pub fn verify_x509(
    view: &RequestView<'_>,
    presented: PresentedX509,
    payload: Payload,
    options: &VerifyOptions<'_>,
    mut is_signed: impl FnMut(&[u8], &[u8]) -> bool,
) -> Result<VerifiedX509, VerifyError> {
    check_service(&presented.scope, options)?;
    if let Some(expected) = options
        .expected_region
        .filter(|expected| *expected != presented.scope.region())
    {
        return Err(VerifyError::WrongRegion {
            presented: presented.scope.region().to_owned(),
            expected: expected.to_owned(),
        });
    }
    if !presented.date_text.starts_with(presented.scope.date().as_bytes()) {
        return Err(VerifyError::ScopeDate { place: Place::Header });
    }
    check_time(AuthForm::Header, presented.date, options.now)?;
    let payload = payload_line(view, AuthForm::Header, payload)?;
    let algorithm = presented.algorithm.name();
    prove(view, &presented.signed_headers, payload, options, |hash| {
        let said = text(
            algorithm,
            &presented.date_text,
            &presented.scope,
            &[&to_hex(hash)],
        );
        is_signed(&said, &presented.signature)
    })?;
    Ok(VerifiedX509 { presented })
}
