//! `GetWebIdentityToken`: who the caller is, for a service elsewhere to verify.

use crate::call::{Ctx, Outcome, Requirement, with_request_tags};
use crate::outbound::{Algorithm, sign};
use crate::{ApiError, iam, names};
use hallpass_access::{ActionOn, CallerKind};
use hallpass_session::{Tag, random_hex};
use hallpass_types::UnixSeconds;
use hallpass_wire::XmlWriter;
use serde_json::{Map, Value, json};

const SECONDS_DEFAULT: i64 = 300;
/// Of what a token says, before it is encoded. AWS names no number; receivers' limits on headers are mostly 8 KiB.
const CLAIMS_BYTES_MAX: usize = 5_000;

fn seconds(ctx: &Ctx<'_>) -> Result<i64, ApiError> {
    Ok(ctx.integer("DurationSeconds")?.unwrap_or(SECONDS_DEFAULT))
}

fn algorithm(ctx: &Ctx<'_>) -> Result<Algorithm, ApiError> {
    let name = ctx.required("SigningAlgorithm")?;
    Algorithm::of(name)
        .ok_or_else(|| ApiError::validation(format!("SigningAlgorithm is RS256 or ES384, not {name}")))
}

pub(super) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let tags = names::tags(&ctx.call.params)?;
    let audience = ctx.call.params.list("Audience").into_iter().map(str::to_owned);
    let on = ActionOn::new("sts:GetWebIdentityToken", "*")
        .with_many("sts:IdentityTokenAudience", audience.collect())
        .with("sts:SigningAlgorithm", algorithm(ctx)?.name())
        .with("sts:DurationSeconds", seconds(ctx)?.to_string());
    let on = with_request_tags(on, &tags);
    if tags.is_empty() {
        return Ok(Requirement::Actions(vec![on]));
    }
    let tag = ActionOn {
        action: "sts:TagGetWebIdentityToken".to_owned(),
        ..on.clone()
    };
    Ok(Requirement::Actions(vec![on, tag]))
}

pub(super) fn run(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let outbound = ctx.account.settings().outbound.as_ref();
    let outbound = outbound.filter(|outbound| outbound.is_enabled).ok_or_else(|| {
        ApiError::new(
            "OutboundWebIdentityFederationDisabledException",
            403,
            "Outbound web identity federation is not enabled for this account.",
        )
    })?;
    let until = ctx.call.now.plus(seconds(ctx)?);
    // A token must not outlive what it was asked for with.
    if ctx
        .call
        .caller
        .session
        .as_ref()
        .is_some_and(|session| session.expires_at < until)
    {
        return Err(ApiError::new(
            "SessionDurationEscalationException",
            403,
            "The requested token duration would extend beyond the end of the session that asks for it.",
        ));
    }
    let claims = claims(ctx, &iam::outbound::issuer(ctx, &outbound.id)?, until)?;
    let size = claims.to_string().len();
    if size > CLAIMS_BYTES_MAX {
        return Err(ApiError::new(
            "JWTPayloadSizeExceededException",
            400,
            format!(
                "The token would say {size} bytes, more than {CLAIMS_BYTES_MAX}: ask with fewer tags or audiences."
            ),
        ));
    }
    let current = ctx.state.token_keys.iter().find(|(_, keys)| keys.is_current);
    let signed = current
        .and_then(|(generation, keys)| sign(ctx.env, (*generation, keys), algorithm(ctx).ok()?, &claims));
    let token = signed
        .ok_or_else(|| ApiError::new("ServiceFailure", 500, "The keys that sign tokens cannot be used."))?;
    let mut xml = XmlWriter::new();
    xml.text("WebIdentityToken", token.expose())
        .text("Expiration", until.iso8601());
    Ok(Outcome::made(xml, vec![])?.noting("expiration", until.iso8601()))
}

fn tagged<'a>(tags: impl Iterator<Item = &'a Tag>) -> Map<String, Value> {
    tags.map(|tag| (tag.key.clone(), tag.value.clone().into()))
        .collect()
}

/// The tags of who asks: its own, and those of the session over them.
fn principal_tags(ctx: &Ctx<'_>) -> Map<String, Value> {
    let account = ctx.account;
    let own = match &ctx.call.caller.kind {
        CallerKind::User { name } => account.user(name).map(|user| &user.user.permissions),
        CallerKind::Role { name } => account.role(name).map(|role| &role.role.permissions),
        _ => None,
    };
    let mut tags = tagged(own.into_iter().flat_map(|permissions| &permissions.tags));
    let session = ctx.call.caller.session.as_ref();
    for tag in session.into_iter().flat_map(|session| &session.tags) {
        tags.retain(|key, _| !key.eq_ignore_ascii_case(&tag.key));
        tags.insert(tag.key.clone(), tag.value.clone().into());
    }
    tags
}

fn claims(ctx: &Ctx<'_>, issuer: &str, until: UnixSeconds) -> Result<Value, ApiError> {
    let caller = &ctx.call.caller;
    let principal = &caller.principal;
    let mut ours = json!({
        "aws_account": ctx.account.id().as_str(),
        "source_region": ctx.env.region,
        "principal_id": principal.arn,
    });
    let mut add = |name: &str, value: Value| ours[name] = value;
    let principal_tags = principal_tags(ctx);
    if !principal_tags.is_empty() {
        add("principal_tags", principal_tags.into());
    }
    let asked = names::tags(&ctx.call.params)?;
    if !asked.is_empty() {
        add("request_tags", tagged(asked.iter()).into());
    }
    if let Some(session) = &caller.session {
        add("original_session_exp", session.expires_at.iso8601().into());
        if let Some(instance) = &session.instance {
            add("ec2_source_instance_arn", instance.arn.clone().into());
        }
    }
    if let Some(place) = ctx.state.tree.place(ctx.account.id()) {
        add("org_id", place.id.clone().into());
        add("ou_path", json!([place.path]));
    }
    let audience = ctx.call.params.list("Audience");
    let audience = match audience.as_slice() {
        [one] => json!(one),
        several => json!(several),
    };
    Ok(json!({
        "iss": issuer,
        "aud": audience,
        "sub": principal.role_arn.as_ref().unwrap_or(&principal.arn),
        "iat": ctx.call.now.0,
        "exp": until.0,
        "jti": random_hex(&*ctx.env.entropy, 32),
        "https://sts.amazonaws.com/": ours,
    }))
}
