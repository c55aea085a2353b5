//! `AssumeRoleWithWebIdentity`, once the token is verified: what the trust policy is asked, and the session.

use super::shaping::{assumed_role_xml, fits_role, role_seconds, role_session_name, session_policies};
use super::{credentials_xml, named_role};
use crate::ApiError;
use crate::call::{Ctx, Outcome, Requirement, with_request_tags, with_resource_tags};
use crate::sessions::{role_claims, seal};
use hallpass_access::{ActionOn, CallerKind, WebIdentity};
use hallpass_session::WebIdentityRef;
use hallpass_wire::XmlWriter;

fn identity<'a>(ctx: &'a Ctx<'_>) -> Result<&'a WebIdentity, ApiError> {
    match &ctx.call.caller.kind {
        CallerKind::WebIdentity(identity) => Ok(identity),
        _ => Err(denied()),
    }
}

/// What AWS says of every role that cannot be had, the one that is not there included.
pub(crate) fn denied() -> ApiError {
    ApiError::new(
        "AccessDenied",
        403,
        "Not authorized to perform sts:AssumeRoleWithWebIdentity",
    )
}

pub(super) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let identity = identity(ctx)?;
    let (arn, account, role) = named_role(ctx)?;
    let mut base = ActionOn::new("sts:AssumeRoleWithWebIdentity", arn.to_string())
        .with("sts:RoleSessionName", role_session_name(ctx)?)
        .with("aws:FederatedProvider", &identity.provider_arn);
    base.resource_account = Some(account);
    for (key, values) in &identity.condition_keys {
        base = base.with_many(key, values.clone());
    }
    if let Some(source) = &identity.source_identity {
        base = base.with("sts:SourceIdentity", source);
    }
    if let Some(role) = &role {
        base = with_resource_tags(base, &role.role.permissions.tags);
    }
    let mut actions = vec![with_request_tags(base.clone(), &identity.tags)];
    if !identity.tags.is_empty() {
        let mut tag = with_request_tags(base.clone(), &identity.tags);
        tag.action = "sts:TagSession".to_owned();
        if !identity.transitive_tag_keys.is_empty() {
            tag = tag.with_many("sts:TransitiveTagKeys", identity.transitive_tag_keys.clone());
        }
        actions.push(tag);
    }
    if identity.source_identity.is_some() {
        actions.push(ActionOn {
            action: "sts:SetSourceIdentity".to_owned(),
            ..base
        });
    }
    Ok(Requirement::Trust(
        actions,
        role.and_then(|role| role.trust().cloned()),
    ))
}

pub(super) fn run(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let identity = identity(ctx)?;
    let (_, account, role) = named_role(ctx)?;
    let role = role.ok_or_else(denied)?;
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
