//! `GetSessionToken`.

use super::credentials_xml;
use super::shaping::{mfa, seconds_within};
use crate::ApiError;
use crate::call::{Ctx, Outcome};
use crate::sessions::{new_claims, seal};
use hallpass_access::CallerKind;
use hallpass_session::SessionPrincipal;
use hallpass_wire::XmlWriter;

const TOKEN_SECONDS_DEFAULT: i64 = 43_200;
const TOKEN_SECONDS_MAX: i64 = 129_600;
const ROOT_TOKEN_SECONDS_MAX: i64 = 3_600;

pub(super) fn run(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let caller = &ctx.call.caller;
    if caller.session.is_some() {
        return Err(ApiError::new(
            "AccessDenied",
            403,
            "Cannot call GetSessionToken with session credentials",
        ));
    }
    let (principal, seconds_max, seconds_default) = match &caller.kind {
        CallerKind::Root => (
            SessionPrincipal::Root,
            ROOT_TOKEN_SECONDS_MAX,
            ROOT_TOKEN_SECONDS_MAX,
        ),
        CallerKind::User { name } => (
            SessionPrincipal::User {
                user_name: name.clone(),
                user_id: caller.principal.unique_id.clone(),
            },
            TOKEN_SECONDS_MAX,
            TOKEN_SECONDS_DEFAULT,
        ),
        _ => {
            return Err(ApiError::new(
                "AccessDenied",
                403,
                "Cannot call GetSessionToken with session credentials",
            ));
        }
    };
    let seconds = seconds_within(ctx, seconds_default, TOKEN_SECONDS_MAX)?;
    // For root a longer wish is shortened, not refused (STS API reference, GetSessionToken).
    let seconds = seconds.min(seconds_max);
    let mut claims = new_claims(ctx.env, caller.account, principal, ctx.call.now, seconds);
    claims.parent_access_key_id = caller.access_key_id.clone();
    let used_code = mfa(ctx, &mut claims)?;
    let token = seal(ctx.env, &claims)?;
    let mut xml = XmlWriter::new();
    credentials_xml(&mut xml, &claims, token.expose());
    Ok(Outcome::made(xml, used_code)?
        .noting("accessKeyId", claims.access_key_id.as_str())
        .noting("expiration", claims.expires_at.iso8601()))
}
