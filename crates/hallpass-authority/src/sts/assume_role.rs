//! `AssumeRole`.

use super::shaping::{assumed_role_xml, fits_role, mfa, role_seconds, role_session_name, session_policies};
use super::{credentials_xml, named_role};
use crate::call::{Ctx, Outcome, Requirement, with_request_tags};
use crate::sessions::{role_claims, seal};
use crate::{ApiError, iam, names};
use hallpass_access::{ActionOn, CallerKind};
use hallpass_session::{SessionClaims, SessionPrincipal, Tag};
use hallpass_wire::XmlWriter;

/// Roles assumed by a role's session live no longer.
const CHAINED_SECONDS_MAX: i64 = 3_600;

pub(super) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    if ctx.call.caller.kind == CallerKind::Root {
        return Err(ApiError::new(
            "AccessDenied",
            403,
            "Roles may not be assumed by root accounts.",
        ));
    }
    let (arn, account, role) = named_role(ctx)?;
    let session_name = ctx.required("RoleSessionName")?;
    let tags = names::tags(&ctx.call.params)?;
    let mut base = ActionOn::new("sts:AssumeRole", arn.to_string()).with("sts:RoleSessionName", session_name);
    base.resource_account = Some(account);
    if iam::is_given(ctx) {
        // Proved with this very call, so that a trust policy may demand it.
        iam::authenticate(ctx)?;
        base = base.with("aws:MultiFactorAuthPresent", "true");
        base = base.with("aws:MultiFactorAuthAge", "0");
    }
    if let Some(id) = ctx.param("ExternalId") {
        base = base.with("sts:ExternalId", id);
    }
    if let Some(identity) = ctx.param("SourceIdentity") {
        base = base.with("sts:SourceIdentity", identity);
    }
    if let Some(role) = &role {
        base = crate::call::with_resource_tags(base, &role.role.permissions.tags);
    }
    let mut actions = vec![with_request_tags(base.clone(), &tags)];
    if !tags.is_empty() {
        let mut tag = with_request_tags(base.clone(), &tags);
        tag.action = "sts:TagSession".to_owned();
        let keys = ctx
            .call
            .params
            .list("TransitiveTagKeys")
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>();
        actions.push(if keys.is_empty() {
            tag
        } else {
            tag.with_many("sts:TransitiveTagKeys", keys)
        });
    }
    if ctx.param("SourceIdentity").is_some() {
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
    let (_, account, role) = named_role(ctx)?;
    let role =
        role.ok_or_else(|| ApiError::new("AccessDenied", 403, "Not authorized to perform sts:AssumeRole"))?;
    let session_name = role_session_name(ctx)?;
    let seconds = role_seconds(ctx)?;
    let parent = ctx.call.caller.session.as_deref();
    let is_chained = parent.is_some_and(|parent| {
        // An instance's own session does not count as a link (IAM User Guide, "Role chaining").
        matches!(parent.principal, SessionPrincipal::AssumedRole { .. }) && parent.chain_depth >= 1
    });
    if is_chained && seconds > CHAINED_SECONDS_MAX {
        return Err(ApiError::validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    fits_role(seconds, &role)?;
    let mut claims = role_claims(ctx.env, account, &role, session_name, ctx.call.now, seconds);
    claims.chain_depth = parent.map_or(0, |parent| parent.chain_depth).saturating_add(1);
    claims.parent_access_key_id = ctx.call.caller.access_key_id.clone();
    claims.ancestors = parent.map_or_else(Vec::new, |parent| parent.lineage().skip(1).cloned().collect());
    claims.source_identity = source_identity(ctx, parent)?;
    // A chained session is as bound as the one it came from.
    claims.binding = parent.and_then(|parent| parent.binding.clone());
    claims.instance = parent.and_then(|parent| parent.instance.clone());
    let used_code = mfa(ctx, &mut claims)?;
    session_tags(ctx, parent, &mut claims)?;
    session_policies(ctx, account, &mut claims)?;
    let token = seal(ctx.env, &claims)?;

    let mut xml = XmlWriter::new();
    credentials_xml(&mut xml, &claims, token.expose());
    assumed_role_xml(&mut xml, &claims, token.expose());
    Ok(Outcome::made(xml, used_code)?
        .noting("assumedRole", claims.arn())
        .noting("accessKeyId", claims.access_key_id.as_str())
        .noting("expiration", claims.expires_at.iso8601()))
}

/// Set once, it cannot change down the chain.
fn source_identity(ctx: &Ctx<'_>, parent: Option<&SessionClaims>) -> Result<Option<String>, ApiError> {
    let inherited = parent.and_then(|parent| parent.source_identity.clone());
    let asked = ctx.param("SourceIdentity");
    if let Some(asked) = asked {
        names::session_name("SourceIdentity", asked, names::NAME_CHARS_MAX)?;
    }
    match (inherited, asked) {
        (Some(inherited), Some(asked)) if inherited != asked => Err(ApiError::new(
            "AccessDenied",
            403,
            "The source identity of a session cannot be changed by assuming another role.",
        )),
        (Some(inherited), _) => Ok(Some(inherited)),
        (None, asked) => Ok(asked.map(str::to_owned)),
    }
}

fn session_tags(
    ctx: &Ctx<'_>,
    parent: Option<&SessionClaims>,
    claims: &mut SessionClaims,
) -> Result<(), ApiError> {
    let invalid = |message: String| ApiError::new("InvalidParameterValue", 400, message);
    let asked = names::tags(&ctx.call.params)?;
    let transitive: Vec<String> = ctx
        .call
        .params
        .list("TransitiveTagKeys")
        .into_iter()
        .map(str::to_owned)
        .collect();
    for key in &transitive {
        if !asked.iter().any(|tag| tag.key.eq_ignore_ascii_case(key)) {
            return Err(invalid(format!(
                "The specified transitive tag key {key} must be included in the tags."
            )));
        }
    }
    let mut tags: Vec<Tag> = vec![];
    if let Some(parent) = parent {
        let inherited = |tag: &&Tag| {
            parent
                .transitive_tag_keys
                .iter()
                .any(|key| key.eq_ignore_ascii_case(&tag.key))
        };
        tags.extend(parent.tags.iter().filter(inherited).cloned());
        claims.transitive_tag_keys = parent.transitive_tag_keys.clone();
    }
    for tag in &asked {
        if tags.iter().any(|own| own.key.eq_ignore_ascii_case(&tag.key)) {
            return Err(invalid(format!(
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session: {}",
                tag.key
            )));
        }
    }
    tags.extend(asked);
    claims.tags = tags;
    claims.transitive_tag_keys.extend(transitive);
    Ok(())
}
