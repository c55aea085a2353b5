//! Signature version 2 in the query string, the form that boto3 and version 1 of the AWS CLI still presign with.
//!
//! AWS has retired it; it is read only where a deployment asks for it. Weaker than version 4: no region, no date, no
//! bound on its life, SHA-1, and its text joins decoded values by `&`, so that a value holding `&` and the name of a
//! sub-resource reads as that sub-resource.

mod text;

use crate::canonical::RequestView;
use crate::error::{ParseError, VerifyError};
use crate::parse::{AuthForm, PARAMETERS, Place, SignedHeaderNames};
use crate::payload::PayloadMode;
use crate::query;
use crate::scope::Scope;
use crate::verify::Verified;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hallpass_secret::{Secret, constant_time_eq};
use hallpass_types::{AccessKeyId, UnixSeconds};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::fmt;
use text::SignedParts;

const ACCESS_KEY_ID: &str = "AWSAccessKeyId";
const EXPIRES: &str = "Expires";
const SIGNATURE: &str = "Signature";
const TOKEN: &str = "x-amz-security-token";

/// A version 2 presigned request: read, **not yet verified**. `Debug` shows neither signature nor token.
#[derive(Clone)]
pub struct PresentedV2 {
    /// Whose key is said to have signed.
    pub access_key_id: AccessKeyId,
    /// The first instant at which the request is no longer valid. Nothing bounds how far ahead it may be.
    pub expires: UnixSeconds,
    /// The session token sent along; the caller checks that it belongs to the access key.
    pub session_token: Option<String>,
    signature: [u8; 20],
}

impl fmt::Debug for PresentedV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedV2")
            .field("access_key_id", &self.access_key_id)
            .field("expires", &self.expires)
            .field("session_token", &self.session_token.as_ref().map(|_| "redacted"))
            .finish_non_exhaustive()
    }
}

/// Finds version 2 query authentication; `None` when neither `AWSAccessKeyId` nor `Signature` is there.
///
/// For callers that accept it, after [`parse`](crate::parse()) refused the request as
/// [`ParseError::SignatureV2`]. The `Authorization` header of version 2 is not read.
///
/// # Errors
/// [`ParseError`] for parts missing, malformed or doubled, and for a request signed another way as well.
pub fn parse_v2_query(view: &RequestView<'_>) -> Result<Option<PresentedV2>, ParseError> {
    let mut found: [Option<String>; 4] = Default::default();
    let names = [ACCESS_KEY_ID, EXPIRES, SIGNATURE, TOKEN];
    let malformed = |part| ParseError::Malformed {
        place: Place::Query,
        part,
    };
    let mut version_4 = None;
    for (raw_name, raw_value) in query::pairs(view.query.unwrap_or_default()) {
        let name = query::decode(raw_name);
        if let Some((name, slot)) = names
            .iter()
            .zip(&mut found)
            .find(|(known, _)| name == known.as_bytes())
        {
            let value = String::from_utf8(query::decode(raw_value)).map_err(|_| malformed(name))?;
            if slot.replace(value).is_some() {
                return Err(ParseError::RepeatedParameter { name });
            }
        } else if let Some(parameter) = PARAMETERS
            .into_iter()
            .find(|known| name.eq_ignore_ascii_case(known.as_bytes()))
        {
            version_4 = Some(parameter);
        }
    }
    let [access_key_id, expires, signature, query_token] = found;
    if access_key_id.is_none() && signature.is_none() {
        return Ok(None);
    }
    if let Some(parameter) = version_4 {
        return Err(malformed(parameter));
    }
    if view.values("authorization").next().is_some() {
        return Err(ParseError::HeaderAndQuery);
    }
    let need = |value: Option<String>, name| value.ok_or(ParseError::MissingParameter { name });
    let access_key_id = need(access_key_id, ACCESS_KEY_ID)?
        .parse()
        .map_err(|_| malformed(ACCESS_KEY_ID))?;
    let expires = need(expires, EXPIRES)?;
    // Twelve digits reach past the year 30000.
    let expires = Some(expires)
        .filter(|text| (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or(malformed(EXPIRES))?;
    // A client that sends the base64 bare means a plus where a query string reads a space.
    let signature = need(signature, SIGNATURE)?.replace(' ', "+");
    let signature = STANDARD.decode(signature).ok();
    let signature = signature
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(malformed(SIGNATURE))?;
    let session_token = match (query_token, crate::parse::header_text(view, TOKEN)?) {
        (Some(_), Some(_)) => return Err(ParseError::HeaderAndQuery),
        (Some(token), None) => Some(token),
        (None, header) => header.map(str::to_owned),
    };
    Ok(Some(PresentedV2 {
        access_key_id,
        expires: UnixSeconds(expires),
        session_token,
        signature,
    }))
}

/// Verifies a version 2 presigned request and returns the proof, whose scope is of the day of `now`, `region` and `s3`.
///
/// `bucket_in_host` is the bucket when it stands in the host's name rather than in the path. Every parameter must be
/// covered by the signature, or be one of a listing's filters: AWS's list of signed sub-resources is old, and any newer
/// one added by a stranger would be another operation under the same signature.
///
/// # Errors
/// [`VerifyError`]: expired, a wrong signature, or a request that cannot be signed unambiguously.
/// [`VerifyError::WrongRegion`] when `region` is not a name.
///
/// # Source
/// S3, "Signing and authenticating REST requests" (query string request authentication alternative).
pub fn verify_v2(
    view: &RequestView<'_>,
    presented: PresentedV2,
    secret: &Secret,
    bucket_in_host: Option<&str>,
    region: &str,
    now: UnixSeconds,
) -> Result<Verified, VerifyError> {
    if now.since(presented.expires) >= 0 {
        return Err(VerifyError::Expired {
            expired_at: presented.expires,
            server: now,
        });
    }
    let parts = SignedParts::of(view)?;
    let payload = match parts.value("x-amz-content-sha256") {
        None => PayloadMode::Unsigned,
        // Version 2 has no key that could sign chunks.
        Some(value) => std::str::from_utf8(value)
            .map_err(|_| VerifyError::ContentHashInvalid)
            .and_then(PayloadMode::parse)
            .ok()
            .filter(|mode| !mode.has_hmac_chunks() && !mode.has_ecdsa_chunks())
            .ok_or(VerifyError::ContentHashInvalid)?,
    };
    let signed_headers = SignedHeaderNames::from_sorted(parts.header_names());
    let mac = Hmac::<Sha1>::new_from_slice(secret.expose().as_bytes())
        .map_err(|_| VerifyError::SignatureMismatch)?;
    let matches = |bucket: Option<&str>, path: &str| -> Result<bool, VerifyError> {
        let text = parts.string_to_sign(view.method, presented.expires, bucket, path)?;
        let mac = mac.clone().chain_update(&text);
        Ok(constant_time_eq(
            &mac.finalize().into_bytes(),
            &presented.signature,
        ))
    };
    let path = if view.path.is_empty() { "/" } else { view.path };
    // A bucket's own resource ends in a slash when its name stands in the host; botocore signs it so in the path as
    // well and sends it without.
    let bare_bucket = bucket_in_host.is_none()
        && path.len() > 1
        && path.strip_prefix('/').is_some_and(|name| !name.contains('/'));
    let proven = matches(bucket_in_host, path)? || (bare_bucket && matches(None, &format!("{path}/"))?);
    if !proven {
        return Err(VerifyError::SignatureMismatch);
    }
    let scope = Scope::new(now, region, "s3").map_err(|_| VerifyError::WrongRegion {
        presented: String::new(),
        expected: region.to_owned(),
    })?;
    Ok(Verified {
        access_key_id: presented.access_key_id,
        scope,
        signed_headers,
        form: AuthForm::PresignedV2,
        date: now,
        session_token: presented.session_token,
        payload,
        chunks: None,
        events: None,
    })
}
