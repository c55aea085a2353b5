//! Identity and Access Management.

mod access_key;
mod details;
mod inline;
mod policy;
mod profile;
mod role;
mod simulate;
mod user;

pub(crate) use profile::pass_role;

use crate::account::{CompiledRole, CompiledUser};
use crate::call::{Action, Ctx, Service};
use crate::entity::Permissions;
use crate::state::{key, put};
use crate::{ApiError, account};
use hallpass_access::CallerKind;
use hallpass_session::Tag;
use hallpass_store::Op;
use hallpass_wire::XmlWriter;
use std::sync::Arc;

macro_rules! actions {
    ($($name:literal => $requirement:expr, $run:expr;)*) => {
        &[$(Action { service: Service::Iam, name: $name, requirement: $requirement, run: $run },)*]
    };
}

pub(crate) const ACTIONS: &[Action] = actions! {
    "CreateRole" => role::create_requirement, role::create;
    "GetRole" => role::requirement, role::get;
    "ListRoles" => role::list_requirement, role::list;
    "DeleteRole" => role::requirement, role::delete;
    "UpdateRole" => role::requirement, role::update;
    "UpdateRoleDescription" => role::requirement, role::update_description;
    "UpdateAssumeRolePolicy" => role::requirement, role::update_trust;
    "TagRole" => role::requirement, role::tag;
    "UntagRole" => role::requirement, role::untag;
    "ListRoleTags" => role::requirement, role::list_tags;
    "PutRolePolicy" => role::requirement, inline::put_role;
    "GetRolePolicy" => role::requirement, inline::get_role;
    "ListRolePolicies" => role::requirement, inline::list_role;
    "DeleteRolePolicy" => role::requirement, inline::delete_role;
    "AttachRolePolicy" => role::attach_requirement, policy::attach_role;
    "DetachRolePolicy" => role::attach_requirement, policy::detach_role;
    "ListAttachedRolePolicies" => role::requirement, policy::list_attached_role;
    "PutRolePermissionsBoundary" => role::boundary_requirement, role::put_boundary;
    "DeleteRolePermissionsBoundary" => role::requirement, role::delete_boundary;
    "CreateUser" => user::create_requirement, user::create;
    "GetUser" => user::requirement, user::get;
    "ListUsers" => user::list_requirement, user::list;
    "DeleteUser" => user::requirement, user::delete;
    "TagUser" => user::requirement, user::tag;
    "UntagUser" => user::requirement, user::untag;
    "ListUserTags" => user::requirement, user::list_tags;
    "PutUserPolicy" => user::requirement, inline::put_user;
    "GetUserPolicy" => user::requirement, inline::get_user;
    "ListUserPolicies" => user::requirement, inline::list_user;
    "DeleteUserPolicy" => user::requirement, inline::delete_user;
    "AttachUserPolicy" => user::attach_requirement, policy::attach_user;
    "DetachUserPolicy" => user::attach_requirement, policy::detach_user;
    "ListAttachedUserPolicies" => user::requirement, policy::list_attached_user;
    "CreateAccessKey" => user::requirement, access_key::create;
    "ListAccessKeys" => user::requirement, access_key::list;
    "UpdateAccessKey" => user::requirement, access_key::update;
    "DeleteAccessKey" => user::requirement, access_key::delete;
    "CreatePolicy" => policy::create_requirement, policy::create;
    "GetPolicy" => policy::requirement, policy::get;
    "ListPolicies" => policy::list_requirement, policy::list;
    "DeletePolicy" => policy::requirement, policy::delete;
    "CreatePolicyVersion" => policy::requirement, policy::create_version;
    "GetPolicyVersion" => policy::requirement, policy::get_version;
    "ListPolicyVersions" => policy::requirement, policy::list_versions;
    "DeletePolicyVersion" => policy::requirement, policy::delete_version;
    "SetDefaultPolicyVersion" => policy::requirement, policy::set_default_version;
    "SimulateCustomPolicy" => simulate::custom_requirement, simulate::custom;
    "SimulatePrincipalPolicy" => simulate::principal_requirement, simulate::principal;
    "GetContextKeysForCustomPolicy" => simulate::custom_requirement, simulate::custom_keys;
    "GetContextKeysForPrincipalPolicy" => simulate::principal_requirement, simulate::principal_keys;
    "GetAccountAuthorizationDetails" => details::requirement, details::get;
    "CreateInstanceProfile" => profile::create_requirement, profile::create;
    "GetInstanceProfile" => profile::requirement, profile::get;
    "ListInstanceProfiles" => profile::list_requirement, profile::list;
    "ListInstanceProfilesForRole" => role::requirement, profile::list_for_role;
    "DeleteInstanceProfile" => profile::requirement, profile::delete;
    "AddRoleToInstanceProfile" => profile::add_role_requirement, profile::add_role;
    "RemoveRoleFromInstanceProfile" => profile::requirement, profile::remove_role;
};

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

fn put_role(ctx: &Ctx<'_>, role: &crate::entity::Role) -> Op {
    put(key(ctx.account.id(), "role", &role.name), role)
}

fn put_user(ctx: &Ctx<'_>, user: &crate::entity::User) -> Op {
    put(key(ctx.account.id(), "user", &user.name), user)
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
