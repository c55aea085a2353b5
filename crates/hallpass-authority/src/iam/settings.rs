//! What is set for the account as a whole: its alias, its password policy, and the summary of what it holds.

mod summary;

pub(crate) use summary::get as summary;

use super::put;
use crate::ApiError;
use crate::call::{Ctx, Outcome, Requirement, page_end};
use crate::entity::{AccountSettings, PasswordPolicy};
use crate::state::key;
use hallpass_access::ActionOn;
use hallpass_store::Op;
use hallpass_wire::XmlWriter;

/// None of these is about one resource.
pub(crate) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    Ok(Requirement::Actions(vec![ActionOn::new(
        ctx.call.iam_action(),
        "*",
    )]))
}

pub(super) fn put_settings(ctx: &Ctx<'_>, settings: &AccountSettings) -> Op {
    put(key(ctx.account.id(), "settings", ""), settings)
}

/// An alias names one account, among all of this installation.
pub(crate) fn create_alias(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let alias = ctx.required("AccountAlias")?;
    let mut settings = ctx.account.settings().clone();
    let is_taken = |other: &AccountSettings| other.alias.as_deref() == Some(alias);
    if is_taken(&settings) {
        return Outcome::wrote(vec![]);
    }
    if alias.len() == 12 && alias.bytes().all(|byte| byte.is_ascii_digit()) {
        // It would be taken for an account's number.
        return Err(ApiError::validation(
            "The account alias must not be a 12-digit number.",
        ));
    }
    if ctx
        .state
        .accounts
        .values()
        .any(|account| is_taken(account.settings()))
    {
        return Err(ApiError::exists(format!(
            "The account alias {alias} already exists."
        )));
    }
    settings.alias = Some(alias.to_owned());
    Outcome::wrote(vec![put_settings(ctx, &settings)])
}

pub(crate) fn delete_alias(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let alias = ctx.required("AccountAlias")?;
    let mut settings = ctx.account.settings().clone();
    if settings.alias.as_deref() != Some(alias) {
        let message = format!("The account alias {alias} cannot be found.");
        return Err(ApiError::no_such_entity(message));
    }
    settings.alias = None;
    Outcome::wrote(vec![put_settings(ctx, &settings)])
}

pub(crate) fn list_aliases(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut xml = XmlWriter::new();
    xml.element("AccountAliases", |xml| {
        xml.optional("member", ctx.account.settings().alias.as_deref());
    });
    page_end(&mut xml, None);
    Outcome::read(xml)
}

/// What is not named goes back to its default ("UpdateAccountPasswordPolicy").
pub(crate) fn update_password_policy(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let is_set = |name: &str| ctx.param(name) == Some("true");
    let number =
        |name: &str| -> Result<Option<i64>, ApiError> { Ok(ctx.integer(name)?.filter(|number| *number > 0)) };
    let count = |number: Option<i64>| number.and_then(|number| usize::try_from(number).ok());
    let mut settings = ctx.account.settings().clone();
    settings.password_policy = Some(PasswordPolicy {
        minimum_length: count(number("MinimumPasswordLength")?).unwrap_or(6),
        symbols: is_set("RequireSymbols"),
        numbers: is_set("RequireNumbers"),
        uppercase: is_set("RequireUppercaseCharacters"),
        lowercase: is_set("RequireLowercaseCharacters"),
        users_may_change: is_set("AllowUsersToChangePassword"),
        max_age_days: number("MaxPasswordAge")?,
        reuse_prevention: count(number("PasswordReusePrevention")?),
        hard_expiry: is_set("HardExpiry"),
    });
    Outcome::wrote(vec![put_settings(ctx, &settings)])
}

fn no_policy(ctx: &Ctx<'_>) -> ApiError {
    ApiError::no_such_entity(format!(
        "The Password Policy with domain name {} cannot be found.",
        ctx.account.id()
    ))
}

pub(crate) fn get_password_policy(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let settings = ctx.account.settings();
    let policy = settings.password_policy.as_ref().ok_or_else(|| no_policy(ctx))?;
    let mut xml = XmlWriter::new();
    xml.element("PasswordPolicy", |xml| {
        xml.text("MinimumPasswordLength", policy.minimum_length.to_string());
        for (name, value) in [
            ("RequireSymbols", policy.symbols),
            ("RequireNumbers", policy.numbers),
            ("RequireUppercaseCharacters", policy.uppercase),
            ("RequireLowercaseCharacters", policy.lowercase),
            ("AllowUsersToChangePassword", policy.users_may_change),
            ("ExpirePasswords", policy.max_age_days.is_some()),
        ] {
            xml.text(name, value.to_string());
        }
        xml.optional("MaxPasswordAge", policy.max_age_days.map(|days| days.to_string()))
            .optional(
                "PasswordReusePrevention",
                policy.reuse_prevention.map(|count| count.to_string()),
            )
            .text("HardExpiry", policy.hard_expiry.to_string());
    });
    Outcome::read(xml)
}

pub(crate) fn delete_password_policy(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut settings = ctx.account.settings().clone();
    settings.password_policy.take().ok_or_else(|| {
        ApiError::no_such_entity("The account policy with name PasswordPolicy cannot be found.")
    })?;
    Outcome::wrote(vec![put_settings(ctx, &settings)])
}

/// Told back in the summary. Tokens here are of one kind, good everywhere.
pub(crate) fn set_token_preferences(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut settings = ctx.account.settings().clone();
    settings.global_token_version = Some(ctx.required("GlobalEndpointTokenVersion")?.to_owned());
    Outcome::wrote(vec![put_settings(ctx, &settings)])
}
