use crate::EXPIRES_SECONDS_MAX;
use crate::canonical::{PathStyle, RequestView, SortedHeaders};
use crate::date;
use crate::error::SignError;
use crate::key::SigningKey;
use crate::parse::SignedHeaderNames;
use crate::payload::{PayloadMode, hex_text, to_hex};
use crate::query;
use crate::scope::Scope;
use crate::sign::{SigningCredentials, refuse_signed, signature_of};
use crate::string_to_sign::ALGORITHM;
use crate::v4a::{REGION_SET_PARAMETER, RegionSet};
use hallpass_secret::Secret;
use hallpass_types::{AccessKeyId, UnixSeconds};

/// Signs a request in its query string and returns the whole new query string, without `?`.
///
/// Every header given is signed and must be sent with the request; usually that is `host` alone. `expires_seconds` is
/// from 1 to 604800. With S3 and a payload other than `UNSIGNED-PAYLOAD`, `X-Amz-Content-Sha256` is added, since the
/// verifier could not know it otherwise.
///
/// # Errors
/// [`SignError`] as [`sign`](crate::sign()), and [`SignError::Expires`].
pub fn presign(
    view: &RequestView<'_>,
    credentials: &SigningCredentials,
    scope: &Scope,
    date: UnixSeconds,
    expires_seconds: u32,
    payload: PayloadMode,
) -> Result<String, SignError> {
    let key = SigningKey::derive(&credentials.secret, scope);
    let token = credentials.session_token.as_ref();
    let id = &credentials.access_key_id;
    presign_with_key(view, id, token, &key, scope, date, expires_seconds, payload)
}

/// [`presign`] with a signing key derived earlier for `scope`, which must be of the day of `date`.
///
/// # Errors
/// As [`presign`].
#[expect(
    clippy::too_many_arguments,
    reason = "each is one independent input of the signature; a struct would only rename them"
)]
pub fn presign_with_key(
    view: &RequestView<'_>,
    access_key_id: &AccessKeyId,
    session_token: Option<&Secret>,
    key: &SigningKey,
    scope: &Scope,
    date: UnixSeconds,
    expires_seconds: u32,
    payload: PayloadMode,
) -> Result<String, SignError> {
    if !(1..=EXPIRES_SECONDS_MAX).contains(&expires_seconds) {
        return Err(SignError::Expires);
    }
    refuse_signed(view, &["x-amz-security-token"])?;
    let date = date::text(date);
    let headers = SortedHeaders::new(view.headers);
    let names = SignedHeaderNames::from_sorted(headers.names());
    let mut text = query_to_sign(
        view,
        &QueryAuthentication {
            algorithm: ALGORITHM,
            credential: &format!("{access_key_id}/{scope}"),
            date: date::as_str(&date),
            expires_seconds,
            regions: None,
            names: &names,
            token: session_token,
        },
        scope,
        payload,
    )?;
    let unsigned = RequestView {
        query: Some(&text),
        ..*view
    };
    let (_, signature) = signature_of(&unsigned, &headers, key, scope, &date, payload)?;
    text.push_str("&X-Amz-Signature=");
    text.push_str(hex_text(&to_hex(&signature)));
    Ok(text)
}

/// What a presigned query says of its signature, but for the signature.
pub(crate) struct QueryAuthentication<'a> {
    pub(crate) algorithm: &'a str,
    pub(crate) credential: &'a str,
    pub(crate) date: &'a str,
    pub(crate) expires_seconds: u32,
    /// Of version 4a.
    pub(crate) regions: Option<&'a RegionSet>,
    pub(crate) names: &'a SignedHeaderNames,
    pub(crate) token: Option<&'a Secret>,
}

/// The query of `view` with its authentication, ready to be signed.
pub(crate) fn query_to_sign(
    view: &RequestView<'_>,
    authentication: &QueryAuthentication<'_>,
    scope: &Scope,
    payload: PayloadMode,
) -> Result<String, SignError> {
    let mut text = view.query.unwrap_or_default().as_bytes().to_vec();
    let expires = authentication.expires_seconds.to_string();
    query::append(&mut text, "X-Amz-Algorithm", authentication.algorithm);
    query::append(&mut text, "X-Amz-Credential", authentication.credential);
    query::append(&mut text, "X-Amz-Date", authentication.date);
    query::append(&mut text, "X-Amz-Expires", &expires);
    if let Some(regions) = authentication.regions {
        query::append(&mut text, REGION_SET_PARAMETER, regions.as_str());
    }
    query::append(&mut text, "X-Amz-SignedHeaders", authentication.names.as_str());
    if let Some(token) = authentication.token {
        query::append(&mut text, "X-Amz-Security-Token", token.expose());
    }
    let s3 = PathStyle::for_service(scope.service()) == PathStyle::S3;
    let told = view.values("x-amz-content-sha256").next().is_some();
    if s3 && !told && payload != PayloadMode::Unsigned {
        query::append(&mut text, "X-Amz-Content-Sha256", &payload.header_value());
    }
    // Only ASCII was appended to what was text before.
    String::from_utf8(text).map_err(|_| SignError::Unsignable)
}
