//! What shapes a session, whichever action asks for it: how long, called what, narrowed by what.

use crate::account::CompiledRole;
use crate::call::Ctx;
use crate::{ApiError, iam, names};
use hallpass_policy::{Policy, PolicyKind};
use hallpass_session::SessionClaims;
use hallpass_store::Op;
use hallpass_types::AccountId;
use hallpass_wire::XmlWriter;

const SESSION_SECONDS_MIN: i64 = 900;
const ROLE_SECONDS_DEFAULT: i64 = 3_600;
const ROLE_SECONDS_MAX: i64 = 43_200;
const SESSION_POLICY_CHARS_MAX: usize = 2_048;
const SESSION_POLICY_ARNS_MAX: usize = 10;

/// `RoleSessionName`: 2 to 64 characters.
pub(super) fn role_session_name<'a>(ctx: &'a Ctx<'_>) -> Result<&'a str, ApiError> {
    names::session_name(
        "RoleSessionName",
        ctx.required("RoleSessionName")?,
        names::NAME_CHARS_MAX,
    )
}

/// `DurationSeconds` of a role's session: 900 to 43,200, an hour when not given.
pub(super) fn role_seconds(ctx: &Ctx<'_>) -> Result<i64, ApiError> {
    seconds_within(ctx, ROLE_SECONDS_DEFAULT, ROLE_SECONDS_MAX)
}

/// `DurationSeconds`, from a quarter of an hour to `max`.
pub(super) fn seconds_within(ctx: &Ctx<'_>, default: i64, max: i64) -> Result<i64, ApiError> {
    let seconds = ctx.integer("DurationSeconds")?.unwrap_or(default);
    if (SESSION_SECONDS_MIN..=max).contains(&seconds) {
        return Ok(seconds);
    }
    Err(ApiError::validation(format!(
        "1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: \
         Member must have value between {SESSION_SECONDS_MIN} and {max}"
    )))
}

pub(super) fn fits_role(seconds: i64, role: &CompiledRole) -> Result<(), ApiError> {
    if seconds > role.role.max_session_seconds {
        return Err(ApiError::validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(())
}

/// What an answer says of a role's session besides its credentials.
pub(super) fn assumed_role_xml(xml: &mut XmlWriter, claims: &SessionClaims, token: &str) {
    xml.element("AssumedRoleUser", |xml| {
        xml.text("AssumedRoleId", claims.user_id())
            .text("Arn", claims.arn());
    });
    xml.optional("SourceIdentity", claims.source_identity.as_deref());
    packed_size_xml(xml, claims, token);
}

/// `PackedPolicySize`: the share that the token takes of what it may take, when something was packed.
pub(super) fn packed_size_xml(xml: &mut XmlWriter, claims: &SessionClaims, token: &str) {
    if !claims.session_policies.is_empty() || !claims.tags.is_empty() {
        let percent = token.len() * 100 / hallpass_session::SESSION_TOKEN_BYTES_MAX;
        xml.text("PackedPolicySize", percent.to_string());
    }
}

/// The code a call brings makes its session one with MFA, and is remembered as used.
pub(super) fn mfa(ctx: &Ctx<'_>, claims: &mut SessionClaims) -> Result<Vec<Op>, ApiError> {
    if !iam::is_given(ctx) {
        return Ok(vec![]);
    }
    let used = iam::authenticate(ctx)?;
    claims.mfa_at = Some(ctx.call.now);
    Ok(vec![used])
}

pub(super) fn session_policies(
    ctx: &Ctx<'_>,
    account: AccountId,
    claims: &mut SessionClaims,
) -> Result<(), ApiError> {
    if let Some(document) = ctx.param("Policy") {
        if document.chars().count() > SESSION_POLICY_CHARS_MAX {
            return Err(ApiError::validation(format!(
                "1 validation error detected: Value at 'policy' failed to satisfy constraint: \
                 Member must have length less than or equal to {SESSION_POLICY_CHARS_MAX}"
            )));
        }
        Policy::parse(document, PolicyKind::Session)
            .map_err(|error| ApiError::malformed_policy(error.message))?;
        claims.session_policies.push(document.to_owned());
    }
    let arns: Vec<String> = ctx
        .call
        .params
        .structures("PolicyArns")
        .into_iter()
        .filter_map(|mut entry| entry.remove("arn").or_else(|| entry.remove("Arn")))
        .collect();
    if arns.len() > SESSION_POLICY_ARNS_MAX {
        return Err(ApiError::limit(format!(
            "At most {SESSION_POLICY_ARNS_MAX} policies may be given by ARN."
        )));
    }
    for arn in arns {
        let known = ctx
            .state
            .account(account)
            .and_then(|account| account.managed_policy(&arn))
            .is_some();
        if !known {
            return Err(ApiError::validation(format!(
                "{arn} does not exist or is not attachable."
            )));
        }
        claims.session_policy_arns.push(arn);
    }
    Ok(())
}
