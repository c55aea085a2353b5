//! `AssumeRoleWithWebIdentity`, once the token is verified: what the trust policy is asked, and the session.

use super::federated::{Vouched, denied};
use super::shaping::{assumed_role_xml, fits_role, role_seconds, role_session_name, session_policies};
use super::{credentials_xml, federated, named_role};
use crate::ApiError;
use crate::call::{Ctx, Outcome, Requirement};
use crate::sessions::{role_claims, seal};
use hallpass_access::{CallerKind, WebIdentity};
use hallpass_session::WebIdentityRef;
use hallpass_wire::XmlWriter;

const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

fn identity<'a>(ctx: &'a Ctx<'_>) -> Result<&'a WebIdentity, ApiError> {
    match &ctx.call.caller.kind {
        CallerKind::WebIdentity(identity) => Ok(identity),
        _ => Err(denied(ACTION)),
    }
}

pub(super) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let identity = identity(ctx)?;
    let vouched = Vouched {
        action: ACTION,
        session_name: role_session_name(ctx)?,
        provider_arn: &identity.provider_arn,
        condition_keys: &identity.condition_keys,
        tags: &identity.tags,
        transitive_tag_keys: &identity.transitive_tag_keys,
        source_identity: identity.source_identity.as_deref(),
    };
    federated::requirement(ctx, &vouched)
}

pub(super) fn run(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let identity = identity(ctx)?;
    let (_, account, role) = named_role(ctx)?;
    let role = role.ok_or_else(|| denied(ACTION))?;
    let seconds = role_seconds(ctx)?;
    fits_role(seconds, &role)?;
    let name = role_session_name(ctx)?;
    let mut claims = role_claims(ctx.env, account, &role, name, ctx.call.now, seconds);
    // A role assumed with this session is the second link of a chain.
    claims.chain_depth = 1;
    claims.source_identity = identity.source_identity.clone();
    claims.tags = identity.tags.clone();
    claims.transitive_tag_keys = identity.transitive_tag_keys.clone();
    claims.web_identity = Some(WebIdentityRef {
        provider_arn: identity.provider_arn.clone(),
        key_prefix: identity.key_prefix.clone(),
        audience: identity.audience.clone(),
        subject: identity.subject.clone(),
    });
    session_policies(ctx, account, &mut claims)?;
    let token = seal(ctx.env, &claims)?;
    let mut xml = XmlWriter::new();
    credentials_xml(&mut xml, &claims, token.expose());
    xml.text("SubjectFromWebIdentityToken", &identity.subject)
        .text("Audience", &identity.audience)
        .text("Provider", &identity.provider_arn);
    assumed_role_xml(&mut xml, &claims, token.expose());
    Ok(Outcome::made(xml, vec![])?
        .noting("assumedRole", claims.arn())
        .noting("accessKeyId", claims.access_key_id.as_str())
        .noting("provider", &identity.provider_arn)
        .noting("expiration", claims.expires_at.iso8601()))
}
