//! Identity and Access Management.

mod access_key;
mod actions;
mod attach;
mod aws_policy;
mod credential_report;
mod details;
mod group;
mod inline;
mod job;
mod last_accessed;
mod login;
pub(crate) mod mfa;
mod oidc;
mod organizations;
pub(crate) mod outbound;
mod policy;
mod policy_use;
mod profile;
mod role;
mod saml;
pub(crate) mod server_certificate;
mod service_credential;
mod service_linked;
mod settings;
mod signing_certificate;
mod simulate;
mod ssh_key;
mod tagging;
mod user;

pub(crate) use actions::ACTIONS;
pub(crate) use mfa::{authenticate, is_given};
pub(crate) use profile::pass_role;

use crate::account::{CompiledGroup, CompiledRole, CompiledUser};
use crate::call::Ctx;
use crate::entity::Permissions;
use crate::state::key;
use crate::state::put;
use crate::{ApiError, account};
use hallpass_access::CallerKind;
use hallpass_session::Tag;
use hallpass_store::Op;
use hallpass_wire::XmlWriter;
use std::sync::Arc;

fn role<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Arc<CompiledRole>, ApiError> {
    let name = ctx.required("RoleName")?;
    ctx.account
        .role(name)
        .ok_or_else(|| ApiError::no_such_entity(format!("The role with name {name} cannot be found.")))
}

/// The user a call names, or the calling user itself when it names none.
fn user_name<'a>(ctx: &'a Ctx<'_>) -> Result<&'a str, ApiError> {
    if let Some(name) = ctx.param("UserName") {
        return Ok(name);
    }
    match &ctx.call.caller.kind {
        CallerKind::User { name } => Ok(name),
        _ => Err(ApiError::validation(
            "Must specify userName when calling with non-User credentials",
        )),
    }
}

fn user<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Arc<CompiledUser>, ApiError> {
    let name = user_name(ctx)?;
    ctx.account
        .user(name)
        .ok_or_else(|| ApiError::no_such_entity(format!("The user with name {name} cannot be found.")))
}

fn group<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Arc<CompiledGroup>, ApiError> {
    let name = ctx.required("GroupName")?;
    ctx.account
        .group(name)
        .ok_or_else(|| ApiError::no_such_entity(format!("The group with name {name} cannot be found.")))
}

fn put_group(ctx: &Ctx<'_>, group: &crate::entity::Group) -> Op {
    put(key(ctx.account.id(), "group", &group.name), group)
}

fn put_role(ctx: &Ctx<'_>, role: &crate::entity::Role) -> Op {
    put(key(ctx.account.id(), "role", &role.name), role)
}

fn put_user(ctx: &Ctx<'_>, user: &crate::entity::User) -> Op {
    put(key(ctx.account.id(), "user", &user.name), user)
}

/// `Active` or `Inactive`.
fn status(is_active: bool) -> &'static str {
    if is_active { "Active" } else { "Inactive" }
}

/// The status a call sets. IAM's model knows `Expired` too, which nobody can set.
fn is_active(ctx: &Ctx<'_>) -> Result<bool, ApiError> {
    match ctx.required("Status")? {
        "Active" => Ok(true),
        "Inactive" => Ok(false),
        other => Err(ApiError::validation(format!(
            "1 validation error detected: Value '{other}' at 'status' failed to satisfy constraint: \
             Member must satisfy enum value set: [Active, Inactive]"
        ))),
    }
}

fn tags_xml(xml: &mut XmlWriter, tags: &[Tag]) {
    xml.list("Tags", "member", tags, |xml, tag| {
        xml.text("Key", &tag.key).text("Value", &tag.value);
    });
}

fn boundary_xml(xml: &mut XmlWriter, permissions: &Permissions) {
    if let Some(arn) = &permissions.boundary {
        xml.element("PermissionsBoundary", |xml| {
            xml.text("PermissionsBoundaryType", "Policy")
                .text("PermissionsBoundaryArn", arn);
        });
    }
}

/// A managed policy as boundary: it must exist.
fn boundary(ctx: &Ctx<'_>) -> Result<Option<String>, ApiError> {
    let Some(arn) = ctx.param("PermissionsBoundary") else {
        return Ok(None);
    };
    if ctx.account.managed_policy(arn).is_none() {
        return Err(ApiError::no_such_entity(format!(
            "Scope ARN: {arn} does not exist or is not attachable."
        )));
    }
    Ok(Some(arn.to_owned()))
}

fn under_path(ctx: &Ctx<'_>, path: &str) -> bool {
    path.starts_with(ctx.param("PathPrefix").unwrap_or("/"))
}

fn arn_of(ctx: &Ctx<'_>, resource: &str) -> String {
    account::iam_arn(ctx.account.id(), resource)
}
