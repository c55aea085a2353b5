use super::{EcdsaKey, REGION_SET_HEADER, REGION_SET_PARAMETER, RegionSet};
use crate::EXPIRES_SECONDS_MAX;
use crate::canonical::{PathStyle, RequestView, SortedHeaders};
use crate::chunked::Chain;
use crate::date::{self, DateText};
use crate::error::SignError;
use crate::parse::SignedHeaderNames;
use crate::payload::{PayloadMode, to_hex};
use crate::presign::{QueryAuthentication, query_to_sign};
use crate::query;
use crate::scope::Scope;
use crate::sign::{SignedHeaders, SigningCredentials, canonical_hash, refuse_signed};
use crate::string_to_sign::{ECDSA_ALGORITHM, text};
use hallpass_secret::Secret;
use hallpass_types::{AccessKeyId, UnixSeconds};

/// [`sign`](crate::sign()) with version 4a: good in every region of `regions`. `scope` has none
/// ([`Scope::without_region`]).
///
/// # Errors
/// As [`sign`](crate::sign()); [`SignError::Unsignable`] also when no key can be derived.
pub fn sign_v4a(
    view: &RequestView<'_>,
    credentials: &SigningCredentials,
    regions: &RegionSet,
    scope: &Scope,
    date: UnixSeconds,
    payload: PayloadMode,
) -> Result<SignedHeaders, SignError> {
    let id = &credentials.access_key_id;
    let key = EcdsaKey::derive(&credentials.secret, id).map_err(|_| SignError::Unsignable)?;
    let token = credentials.session_token.as_ref();
    sign_v4a_with_key(view, id, token, &key, regions, scope, date, payload)
}

/// [`sign_v4a`] with a key derived earlier.
///
/// # Errors
/// As [`sign`](crate::sign()).
#[expect(
    clippy::too_many_arguments,
    reason = "each is one independent input of the signature; a struct would only rename them"
)]
pub fn sign_v4a_with_key(
    view: &RequestView<'_>,
    access_key_id: &AccessKeyId,
    session_token: Option<&Secret>,
    key: &EcdsaKey,
    regions: &RegionSet,
    scope: &Scope,
    date: UnixSeconds,
    payload: PayloadMode,
) -> Result<SignedHeaders, SignError> {
    let names = [
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
        REGION_SET_HEADER,
    ];
    refuse_signed(view, &names)?;
    refuse_regions(view)?;
    let date = date::text(date);
    let mut added = vec![
        ("x-amz-date", date::as_str(&date).to_owned()),
        (REGION_SET_HEADER, regions.as_str().to_owned()),
    ];
    let style = PathStyle::for_service(scope.service());
    if style == PathStyle::S3 || !matches!(payload, PayloadMode::Sha256(_)) {
        added.push(("x-amz-content-sha256", payload.header_value()));
    }
    if let Some(token) = session_token {
        added.push(("x-amz-security-token", token.expose().to_owned()));
    }
    let mut headers = view.headers.to_vec();
    headers.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
    let headers = SortedHeaders::from_vec(headers);
    let (names, signature) = signature_of(view, &headers, key, scope, &date, payload)?;
    let authorization = format!(
        "{ECDSA_ALGORITHM} Credential={access_key_id}/{scope}, SignedHeaders={}, Signature={}",
        names.as_str(),
        String::from_utf8_lossy(&signature)
    );
    added.push(("authorization", authorization));
    let chain = Chain::ecdsa_signing(key.clone(), scope.clone(), date, signature);
    Ok(SignedHeaders {
        headers: added,
        chain: payload.is_streaming().then_some(chain),
        payload,
        events: None,
    })
}

/// [`presign`](crate::presign()) with version 4a.
///
/// # Errors
/// As [`presign`](crate::presign()); [`SignError::Unsignable`] also when no key can be derived.
pub fn presign_v4a(
    view: &RequestView<'_>,
    credentials: &SigningCredentials,
    regions: &RegionSet,
    scope: &Scope,
    date: UnixSeconds,
    expires_seconds: u32,
    payload: PayloadMode,
) -> Result<String, SignError> {
    if !(1..=EXPIRES_SECONDS_MAX).contains(&expires_seconds) {
        return Err(SignError::Expires);
    }
    refuse_signed(view, &["x-amz-security-token", REGION_SET_HEADER])?;
    refuse_regions(view)?;
    let id = &credentials.access_key_id;
    let key = EcdsaKey::derive(&credentials.secret, id).map_err(|_| SignError::Unsignable)?;
    let date = date::text(date);
    let headers = SortedHeaders::new(view.headers);
    let names = SignedHeaderNames::from_sorted(headers.names());
    let mut query = query_to_sign(
        view,
        &QueryAuthentication {
            algorithm: ECDSA_ALGORITHM,
            credential: &format!("{id}/{scope}"),
            date: date::as_str(&date),
            expires_seconds,
            regions: Some(regions),
            names: &names,
            token: credentials.session_token.as_ref(),
        },
        scope,
        payload,
    )?;
    let unsigned = RequestView {
        query: Some(&query),
        ..*view
    };
    let (_, signature) = signature_of(&unsigned, &headers, &key, scope, &date, payload)?;
    query.push_str("&X-Amz-Signature=");
    query.push_str(&String::from_utf8_lossy(&signature));
    Ok(query)
}

fn refuse_regions(view: &RequestView<'_>) -> Result<(), SignError> {
    let mut names = query::pairs(view.query.unwrap_or_default()).map(|(name, _)| query::decode(name));
    if names.any(|name| name.eq_ignore_ascii_case(REGION_SET_PARAMETER.as_bytes())) {
        return Err(SignError::AlreadySigned {
            name: REGION_SET_PARAMETER,
        });
    }
    Ok(())
}

/// The signature in hex, and the names of the headers.
fn signature_of(
    view: &RequestView<'_>,
    headers: &SortedHeaders<'_>,
    key: &EcdsaKey,
    scope: &Scope,
    date: &DateText,
    payload: PayloadMode,
) -> Result<(SignedHeaderNames, Vec<u8>), SignError> {
    // Chunks are signed with the key of their request.
    if payload.has_hmac_chunks() {
        return Err(SignError::Unsignable);
    }
    let (names, hash) = canonical_hash(view, headers, scope.service(), payload)?;
    let text = text(ECDSA_ALGORITHM, date, scope, &[&to_hex(&hash)]);
    Ok((names, key.sign_hex(&text).ok_or(SignError::Unsignable)?))
}
