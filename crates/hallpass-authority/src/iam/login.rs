//! Passwords of users. There is no console that takes them: they are kept so that programs which set them work, and as
//! nothing but a salted hash.

use super::{put_user, user};
use crate::call::{Ctx, Outcome, Requirement};
use crate::entity::{LoginProfile, User};
use crate::{ApiError, password};
use hallpass_access::CallerKind;
use hallpass_wire::XmlWriter;

/// Earlier passwords that are remembered: the most a password policy may ask for.
const EARLIER_MAX: usize = 24;

fn profile(user: &User) -> Result<&LoginProfile, ApiError> {
    user.credentials.login.as_ref().ok_or_else(|| {
        let message = format!("Login Profile for User {} cannot be found.", user.name);
        ApiError::no_such_entity(message)
    })
}

fn profile_xml(user: &User, profile: &LoginProfile) -> XmlWriter {
    let mut xml = XmlWriter::new();
    xml.element("LoginProfile", |xml| {
        xml.text("UserName", &user.name)
            .text("CreateDate", profile.created.iso8601())
            .text("PasswordResetRequired", profile.reset_required.to_string());
    });
    xml
}

pub(crate) fn create(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut changed = user(ctx)?.user.clone();
    if changed.credentials.login.is_some() {
        return Err(ApiError::exists(format!(
            "Login Profile for user {} already exists.",
            changed.name
        )));
    }
    let given = ctx.required("Password")?;
    password::check(ctx.account.settings().password_policy.as_ref(), given)?;
    let profile = LoginProfile {
        created: ctx.call.now,
        changed: ctx.call.now,
        hash: ctx.passwords.hash("Password")?.to_owned(),
        earlier: vec![],
        reset_required: ctx.param("PasswordResetRequired") == Some("true"),
    };
    let xml = profile_xml(&changed, &profile);
    changed.credentials.login = Some(profile);
    Outcome::made(xml, vec![put_user(ctx, &changed)])
}

pub(crate) fn get(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let user = &user(ctx)?.user;
    Outcome::read(profile_xml(user, profile(user)?))
}

pub(crate) fn update(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut changed = user(ctx)?.user.clone();
    let mut profile = profile(&changed)?.clone();
    if let Some(given) = ctx.param("Password") {
        replace(ctx, &mut profile, "Password", given)?;
    }
    if let Some(required) = ctx.param("PasswordResetRequired") {
        profile.reset_required = required == "true";
    }
    changed.credentials.login = Some(profile);
    Outcome::wrote(vec![put_user(ctx, &changed)])
}

fn replace(ctx: &Ctx<'_>, profile: &mut LoginProfile, parameter: &str, given: &str) -> Result<(), ApiError> {
    let policy = ctx.account.settings().password_policy.as_ref();
    password::check(policy, given)?;
    let hash = ctx.passwords.hash_like(parameter, &profile.hash)?.to_owned();
    let reuse = policy.and_then(|policy| policy.reuse_prevention).unwrap_or(0);
    let used = std::iter::once(&profile.hash).chain(&profile.earlier);
    if used.take(reuse).any(|earlier| *earlier == hash) {
        return Err(ApiError::new(
            "PasswordPolicyViolation",
            400,
            "Password does not conform to the account password policy: it was used before.",
        ));
    }
    let old = std::mem::replace(&mut profile.hash, hash);
    profile.earlier.insert(0, old);
    profile.earlier.truncate(EARLIER_MAX);
    profile.changed = ctx.call.now;
    Ok(())
}

pub(crate) fn delete(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut changed = user(ctx)?.user.clone();
    profile(&changed)?;
    changed.credentials.login = None;
    Outcome::wrote(vec![put_user(ctx, &changed)])
}

pub(crate) fn change_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    only_users(ctx)?;
    super::user::requirement(ctx)
}

fn only_users(ctx: &Ctx<'_>) -> Result<(), ApiError> {
    match &ctx.call.caller.kind {
        // The call names nobody, so that a name in it must not lead to anybody else.
        CallerKind::User { .. } if ctx.param("UserName").is_none() => Ok(()),
        _ => Err(ApiError::new(
            "InvalidUserType",
            400,
            "Only IAM Users can change their own password",
        )),
    }
}

/// The calling user's own password: the call names nobody.
pub(crate) fn change(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    only_users(ctx)?;
    let mut changed = user(ctx)?.user.clone();
    let mut profile = profile(&changed)?.clone();
    let old = ctx.passwords.hash_like("OldPassword", &profile.hash)?;
    if !hallpass_secret::constant_time_eq(old.as_bytes(), profile.hash.as_bytes()) {
        return Err(ApiError::new(
            "AccessDenied",
            403,
            "The old password was incorrect.",
        ));
    }
    replace(ctx, &mut profile, "NewPassword", ctx.required("NewPassword")?)?;
    profile.reset_required = false;
    changed.credentials.login = Some(profile);
    Outcome::wrote(vec![put_user(ctx, &changed)])
}
