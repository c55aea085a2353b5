//! A JSON Web Token: what it says before anything is proved, and what it proves.

use super::keys::KeySet;
use crate::account::iam_arn;
use crate::entity::OidcProvider;
use crate::{ApiError, names};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass_access::WebIdentity;
use hallpass_session::Tag;
use hallpass_types::{AccountId, UnixSeconds};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Clocks of providers differ from ours by this much at most.
const LEEWAY_SECONDS: i64 = 60;
/// Claims of one token.
const CLAIMS_MAX: usize = 100;
const TAGS: &str = "https://aws.amazon.com/tags";
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";

/// `InvalidIdentityToken`.
pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidIdentityToken", 400, message)
}

/// `IDPRejectedClaim`.
pub(super) fn rejected(message: impl Into<String>) -> ApiError {
    ApiError::new("IDPRejectedClaim", 403, message)
}

fn not_a_token() -> ApiError {
    invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
}

/// A token as it came. Nothing in it is proved; the issuer and the key's id only say whom to ask for keys.
pub(super) struct Presented<'a> {
    text: &'a str,
    algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    pub(super) issuer: String,
}

impl<'a> Presented<'a> {
    /// # Errors
    /// `InvalidIdentityToken`.
    pub(super) fn read(text: &'a str) -> Result<Self, ApiError> {
        let header = decode_header(text).map_err(|_| not_a_token())?;
        // Extensions that must be understood, and are not (RFC 7515, "crit").
        if header.crit.is_some() {
            return Err(not_a_token());
        }
        let payload = text.split('.').nth(1).unwrap_or_default();
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| not_a_token())?;
        let claims: Map<String, Value> = serde_json::from_slice(&payload).map_err(|_| not_a_token())?;
        let issuer = claims
            .get("iss")
            .and_then(Value::as_str)
            .ok_or_else(not_a_token)?;
        Ok(Self {
            text,
            algorithm: header.alg,
            key_id: header.kid,
            issuer: issuer.to_owned(),
        })
    }

    /// # Errors
    /// `InvalidIdentityToken`, `ExpiredTokenException`, `IDPRejectedClaim`.
    pub(super) fn verify(
        &self,
        keys: &KeySet,
        account: AccountId,
        provider: &OidcProvider,
        now: UnixSeconds,
    ) -> Result<WebIdentity, ApiError> {
        let key = keys.of(self.key_id.as_deref()).ok_or_else(|| {
            invalid(
                "Couldn't retrieve verification key from your identity provider, please reference \
                 AssumeRoleWithWebIdentity documentation for requirements",
            )
        })?;
        if !key.algorithms.contains(&self.algorithm) {
            return Err(invalid("The token is not signed in the way of its key."));
        }
        let mut validation = Validation::new(self.algorithm);
        // Times are judged below, by the caller's clock; the audience against the provider's client ids.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims: Map<String, Value> = decode(self.text, &key.key, &validation)
            .map_err(|_| invalid("The token's signature is not valid."))?
            .claims;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        // What was read before the proof must be what was proved.
        if text("iss") != Some(&self.issuer) {
            return Err(not_a_token());
        }
        times(&claims, now)?;
        let subject = text("sub")
            .filter(|subject| !subject.is_empty())
            .ok_or_else(|| invalid("The token has no subject."))?
            .to_owned();
        let audience = audience(&claims, provider)?;
        let (tags, transitive_tag_keys) = tags(&claims)?;
        let source_identity = source_identity(&claims)?;
        Ok(WebIdentity {
            provider_arn: iam_arn(account, &format!("oidc-provider/{}", provider.url)),
            key_prefix: provider.url.clone(),
            condition_keys: condition_keys(&claims, &provider.url, &audience)?,
            audience,
            subject,
            tags,
            transitive_tag_keys,
            source_identity,
        })
    }
}

/// An instant of a token: seconds, perhaps with a fraction.
fn instant(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, ApiError> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = value.as_f64().filter(|seconds| (0.0..1e15).contains(seconds));
    let seconds = seconds.ok_or_else(|| invalid(format!("The token's {name} is not an instant.")))?;
    #[expect(clippy::cast_possible_truncation, reason = "it is between nothing and 1e15")]
    Ok(Some(seconds as i64))
}

fn times(claims: &Map<String, Value>, now: UnixSeconds) -> Result<(), ApiError> {
    let required =
        |name: &str| instant(claims, name)?.ok_or_else(|| invalid(format!("The token has no {name}.")));
    let expires = required("exp")?;
    if now.0 >= expires + LEEWAY_SECONDS {
        return Err(ApiError::new(
            "ExpiredTokenException",
            400,
            format!(
                "Token expired: current date/time {} must be before the expiration date/time {expires}",
                now.0
            ),
        ));
    }
    let from = required("iat")?.max(instant(claims, "nbf")?.unwrap_or(0));
    if now.0 + LEEWAY_SECONDS < from {
        return Err(invalid(format!(
            "The token is not valid yet: current date/time {} must not be before {from}",
            now.0
        )));
    }
    Ok(())
}

/// The client id the token is for: `azp` when it has one, else one of its `aud`.
fn audience(claims: &Map<String, Value>, provider: &OidcProvider) -> Result<String, ApiError> {
    let given: Vec<&str> = match (claims.get("azp"), claims.get("aud")) {
        (Some(Value::String(party)), _) => vec![party],
        (None, Some(Value::String(audience))) => vec![audience],
        (None, Some(Value::Array(audiences))) => audiences.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    given
        .into_iter()
        .find(|audience| provider.client_ids.iter().any(|id| id == audience))
        .map(str::to_owned)
        .ok_or_else(|| invalid("Incorrect token audience"))
}

/// The texts of a claim that is one value or a list of them; none for what is neither.
fn values(value: &Value) -> Vec<String> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match value {
        Value::Array(values) => values.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    }
}

/// `HOST:CLAIM` for every claim that is a value or a list of values; `HOST:aud` is the client id, and where that is
/// `azp`, `HOST:oaud` is what the token has as `aud`.
fn condition_keys(
    claims: &Map<String, Value>,
    prefix: &str,
    audience: &str,
) -> Result<Vec<(String, Vec<String>)>, ApiError> {
    if claims.len() > CLAIMS_MAX {
        return Err(invalid("The token has too many claims."));
    }
    // Names of condition keys ignore case: of two claims it would be left open which one a policy means.
    let names: BTreeSet<String> = claims.keys().map(|name| name.to_ascii_lowercase()).collect();
    if names.len() != claims.len() {
        return Err(invalid("Two of the token's claims differ in case alone."));
    }
    let mut keys = vec![(format!("{prefix}:aud"), vec![audience.to_owned()])];
    for (name, value) in claims {
        let values = values(value);
        let is_own = name.eq_ignore_ascii_case("aud") || name.eq_ignore_ascii_case("oaud");
        if !values.is_empty() && !is_own && !name.starts_with("https://aws.amazon.com/") {
            keys.push((format!("{prefix}:{name}"), values));
        }
    }
    if claims.contains_key("azp")
        && let Some(original) = claims.get("aud")
    {
        keys.push((format!("{prefix}:oaud"), values(original)));
    }
    Ok(keys)
}

/// The claim that carries session tags ("Pass session tags using AssumeRoleWithWebIdentity", IAM User Guide).
fn tags(claims: &Map<String, Value>) -> Result<(Vec<Tag>, Vec<String>), ApiError> {
    let Some(given) = claims.get(TAGS) else {
        return Ok((vec![], vec![]));
    };
    let malformed = || rejected("The token's session tags cannot be read.");
    let mut tags = vec![];
    if let Some(principal) = given.get("principal_tags") {
        for (key, value) in principal.as_object().ok_or_else(malformed)? {
            let value = match value {
                Value::String(value) => value,
                Value::Array(values) => match values.as_slice() {
                    [Value::String(value)] => value,
                    _ => return Err(malformed()),
                },
                _ => return Err(malformed()),
            };
            tags.push(Tag {
                key: key.clone(),
                value: value.clone(),
            });
        }
    }
    names::check_tags(&tags).map_err(|error| rejected(error.message))?;
    let mut transitive = vec![];
    if let Some(keys) = given.get("transitive_tag_keys") {
        for key in keys.as_array().ok_or_else(malformed)? {
            let key = key.as_str().ok_or_else(malformed)?;
            if !tags.iter().any(|tag| tag.key.eq_ignore_ascii_case(key)) {
                return Err(rejected(format!(
                    "The specified transitive tag key {key} must be included in the tags."
                )));
            }
            transitive.push(key.to_owned());
        }
    }
    Ok((tags, transitive))
}

fn source_identity(claims: &Map<String, Value>) -> Result<Option<String>, ApiError> {
    let Some(given) = claims.get(SOURCE_IDENTITY) else {
        return Ok(None);
    };
    let text = given.as_str().filter(|text| text.len() >= 2);
    let text = text.ok_or_else(|| rejected("The token's source identity cannot be read."))?;
    names::name("SourceIdentity", text, names::NAME_CHARS_MAX).map_err(|error| rejected(error.message))?;
    Ok(Some(text.to_owned()))
}
