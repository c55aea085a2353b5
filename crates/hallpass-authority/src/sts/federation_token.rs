//! `GetFederationToken`: a session under a name of the caller's choosing, with no more than both the caller's policies
//! and the session's own allow ("Permissions for GetFederationToken", IAM User Guide).

use super::credentials_xml;
use super::shaping::{packed_size_xml, seconds_within, session_policies};
use crate::call::{Ctx, Outcome, Requirement, with_request_tags};
use crate::sessions::{new_claims, seal};
use crate::{ApiError, names};
use hallpass_access::{ActionOn, CallerKind};
use hallpass_session::SessionPrincipal;
use hallpass_types::Arn;
use hallpass_wire::XmlWriter;

const SECONDS_DEFAULT: i64 = 43_200;
const SECONDS_MAX: i64 = 129_600;
const ROOT_SECONDS_MAX: i64 = 3_600;
const NAME_CHARS_MAX: usize = 32;

fn name<'a>(ctx: &'a Ctx<'_>) -> Result<&'a str, ApiError> {
    names::session_name("Name", ctx.required("Name")?, NAME_CHARS_MAX)
}

/// Who may ask at all: a long-term key of a user, or of root.
fn asker(ctx: &Ctx<'_>) -> Result<(Option<String>, String), ApiError> {
    let caller = &ctx.call.caller;
    match &caller.kind {
        CallerKind::User { name } if caller.session.is_none() => {
            Ok((Some(name.clone()), caller.principal.unique_id.clone()))
        }
        CallerKind::Root if caller.session.is_none() => Ok((None, String::new())),
        _ => Err(ApiError::new(
            "AccessDenied",
            403,
            "Cannot call GetFederationToken with session credentials",
        )),
    }
}

pub(super) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    asker(ctx)?;
    let account = ctx.account.id();
    let resource = format!("federated-user/{}", name(ctx)?);
    let arn = Arn::aws("sts", "", account.as_str(), &resource).to_string();
    let tags = names::tags(&ctx.call.params)?;
    let on = with_request_tags(ActionOn::new("sts:GetFederationToken", arn), &tags);
    if tags.is_empty() {
        return Ok(Requirement::Actions(vec![on]));
    }
    let tag = ActionOn {
        action: "sts:TagSession".to_owned(),
        ..on.clone()
    };
    Ok(Requirement::Actions(vec![on, tag]))
}

pub(super) fn run(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let (user_name, user_id) = asker(ctx)?;
    let mut seconds = seconds_within(ctx, SECONDS_DEFAULT, SECONDS_MAX)?;
    if user_name.is_none() {
        // For root a longer wish is shortened, not refused (STS API reference, GetFederationToken).
        seconds = seconds.min(ROOT_SECONDS_MAX);
    }
    let principal = SessionPrincipal::FederatedUser {
        name: name(ctx)?.to_owned(),
        user_name,
        user_id,
    };
    let account = ctx.account.id();
    let mut claims = new_claims(ctx.env, account, principal, ctx.call.now, seconds);
    claims.parent_access_key_id = ctx.call.caller.access_key_id.clone();
    claims.tags = names::tags(&ctx.call.params)?;
    session_policies(ctx, account, &mut claims)?;
    let token = seal(ctx.env, &claims)?;
    let mut xml = XmlWriter::new();
    credentials_xml(&mut xml, &claims, token.expose());
    xml.element("FederatedUser", |xml| {
        xml.text("FederatedUserId", claims.user_id())
            .text("Arn", claims.arn());
    });
    packed_size_xml(&mut xml, &claims, token.expose());
    Ok(Outcome::made(xml, vec![])?
        .noting("federatedUser", claims.arn())
        .noting("accessKeyId", claims.access_key_id.as_str())
        .noting("expiration", claims.expires_at.iso8601()))
}
