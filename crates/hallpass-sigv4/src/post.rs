//! A browser's form: a policy, signed by whoever hands the form out, and the fields that must meet it.
//!
//! Source: S3, "Browser-based uploads using POST (AWS signature version 4)".

mod disposition;
mod form;
mod policy;

pub use disposition::substitute_filename;
pub use form::FormDecoder;
pub use policy::{PostLimits, PostPolicy};

use crate::date;
use crate::error::{ParseError, VerifyError};
use crate::key::SigningKey;
use crate::parse::{AuthForm, Place, SignedHeaderNames, parse_credential};
use crate::payload::{PayloadMode, parse_hex};
use crate::scope::Scope;
use crate::string_to_sign::ALGORITHM;
use crate::verify::Verified;
use crate::{EXPIRES_SECONDS_MAX, SKEW_SECONDS_MAX};
use hallpass_secret::constant_time_eq;
use hallpass_types::{AccessKeyId, UnixSeconds};
use std::collections::BTreeMap;
use std::fmt;

/// The authentication of a form: read, **not yet verified**. `Debug` shows neither signature nor token.
#[derive(Clone)]
pub struct PresentedPost {
    /// Whose key is said to have signed.
    pub access_key_id: AccessKeyId,
    /// What the signature is said to be good for.
    pub scope: Scope,
    /// When it is said to have been signed.
    pub date: UnixSeconds,
    /// The session token sent along; the caller checks that it belongs to the access key.
    pub session_token: Option<String>,
    /// The policy as sent, in base64: that text is what is signed.
    policy: String,
    signature: [u8; 32],
}

impl fmt::Debug for PresentedPost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedPost")
            .field("access_key_id", &self.access_key_id)
            .field("scope", &self.scope)
            .field("date", &self.date)
            .field("session_token", &self.session_token.as_ref().map(|_| "redacted"))
            .finish_non_exhaustive()
    }
}

/// Fields by lower-case name.
type Fields<'a> = BTreeMap<String, &'a str>;

fn by_name(fields: &[(String, String)]) -> Option<Fields<'_>> {
    let mut found = Fields::new();
    for (name, value) in fields {
        if found.insert(name.to_ascii_lowercase(), value).is_some() {
            return None;
        }
    }
    Some(found)
}

/// Finds the authentication among a form's fields, whose names are taken without regard to case.
///
/// A form without any is not told from a broken one: a caller that serves anonymous forms looks for `policy` itself.
///
/// # Errors
/// [`ParseError`] for fields missing, malformed or doubled; [`ParseError::SignatureV2`] for the older form.
pub fn parse_post(fields: &[(String, String)]) -> Result<PresentedPost, ParseError> {
    let fields = by_name(fields).ok_or(ParseError::RepeatedField)?;
    if fields.contains_key("awsaccesskeyid") || fields.contains_key("signature") {
        return Err(ParseError::SignatureV2);
    }
    let need = |name: &'static str| fields.get(name).copied().ok_or(ParseError::MissingField { name });
    let malformed = |part| ParseError::Malformed {
        place: Place::Form,
        part,
    };
    let policy = need("policy")?.to_owned();
    if need("x-amz-algorithm")? != ALGORITHM {
        return Err(ParseError::UnsupportedAlgorithm);
    }
    let (access_key_id, scope) =
        parse_credential(need("x-amz-credential")?).ok_or(malformed("x-amz-credential"))?;
    let (date, _) = date::read(need("x-amz-date")?).ok_or(malformed("x-amz-date"))?;
    let signature = parse_hex(need("x-amz-signature")?.as_bytes()).ok_or(malformed("x-amz-signature"))?;
    Ok(PresentedPost {
        access_key_id,
        scope,
        date,
        session_token: fields
            .get("x-amz-security-token")
            .map(|token| (*token).to_owned()),
        policy,
        signature,
    })
}

/// Verifies a form's signature and holds its fields against the policy; returns the proof, and the bounds on the file.
///
/// `fields` are those `presented` was read from, with `${filename}` already replaced
/// ([`substitute_filename`]), so that a condition on the key is met by the key that is written. `bucket` is the one
/// the request is for: it counts as a field, so a policy that names none is good for none. `now` must be before the
/// policy's expiration, not more than fifteen minutes before the date of the signature and not more than seven days
/// after it, the life of a signing key.
///
/// # Errors
/// [`VerifyError`]; the policy is not read before its signature is proven.
pub fn verify_post(
    presented: PresentedPost,
    key: &SigningKey,
    fields: &[(String, String)],
    bucket: &str,
    now: UnixSeconds,
    expected_region: Option<&str>,
) -> Result<(Verified, PostLimits), VerifyError> {
    let scope = &presented.scope;
    if scope.service() != "s3" {
        return Err(VerifyError::WrongService {
            presented: scope.service().to_owned(),
            expected: "s3".to_owned(),
        });
    }
    if let Some(expected) = expected_region
        && expected != scope.region()
    {
        return Err(VerifyError::WrongRegion {
            presented: scope.region().to_owned(),
            expected: expected.to_owned(),
        });
    }
    if presented.date.scope_date() != scope.date() {
        return Err(VerifyError::ScopeDate { place: Place::Form });
    }
    let age = now.since(presented.date);
    if age < -SKEW_SECONDS_MAX {
        return Err(VerifyError::NotYetValid {
            valid_from: presented.date,
            server: now,
        });
    }
    if age >= i64::from(EXPIRES_SECONDS_MAX) {
        return Err(VerifyError::Expired {
            expired_at: presented.date.plus(i64::from(EXPIRES_SECONDS_MAX)),
            server: now,
        });
    }
    if !constant_time_eq(&key.mac(presented.policy.as_bytes()), &presented.signature) {
        return Err(VerifyError::SignatureMismatch);
    }
    let policy = PostPolicy::parse(&presented.policy)?;
    let fields = by_name(fields).ok_or(VerifyError::Unsignable)?;
    // The caller's fields must be the ones the proof is about.
    let same = |name: &str, value: &str| fields.get(name).is_some_and(|field| *field == value);
    let token = fields.get("x-amz-security-token").copied();
    if !same("policy", &presented.policy) || token != presented.session_token.as_deref() {
        return Err(VerifyError::SignatureMismatch);
    }
    let limits = policy.check(fields, bucket, now)?;
    let proof = Verified {
        access_key_id: presented.access_key_id,
        scope: presented.scope,
        signed_headers: SignedHeaderNames::from_sorted(std::iter::empty()),
        form: AuthForm::PostForm,
        date: presented.date,
        session_token: presented.session_token,
        payload: PayloadMode::Unsigned,
        chunks: None,
        events: None,
    };
    Ok((proof, limits))
}
