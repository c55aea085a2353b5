//! Inline policies of roles, users and groups: the same four actions three times, over what both have in common.

use crate::call::{Ctx, Outcome, page_end};
use crate::entity::Permissions;
use crate::{ApiError, names};
use hallpass_policy::PolicyKind;
use hallpass_wire::{XmlWriter, percent_encode};

/// Aggregate quotas of inline policies (IAM quotas).
const ROLE_CHARS_MAX: usize = 10_240;
const USER_CHARS_MAX: usize = 2_048;
const GROUP_CHARS_MAX: usize = 5_120;
/// The largest single document looked at; the aggregate decides.
const DOCUMENT_CHARS_MAX: usize = 131_072;

fn put(ctx: &Ctx<'_>, permissions: &mut Permissions, entity: &str, chars_max: usize) -> Result<(), ApiError> {
    let name = names::name(
        "PolicyName",
        ctx.required("PolicyName")?,
        names::LONG_NAME_CHARS_MAX,
    )?;
    let document = ctx.required("PolicyDocument")?;
    names::document(document, PolicyKind::Identity, DOCUMENT_CHARS_MAX)?;
    permissions.inline.insert(name.to_owned(), document.to_owned());
    names::inline_quota(permissions, entity, chars_max)
}

fn delete(ctx: &Ctx<'_>, permissions: &mut Permissions, entity: &str) -> Result<(), ApiError> {
    let name = ctx.required("PolicyName")?;
    permissions
        .inline
        .remove(name)
        .map(|_| ())
        .ok_or_else(|| not_found(entity, name))
}

fn not_found(entity: &str, name: &str) -> ApiError {
    ApiError::no_such_entity(format!("The {entity} policy with name {name} cannot be found."))
}

fn get(
    ctx: &Ctx<'_>,
    permissions: &Permissions,
    entity: &str,
    owner: (&str, &str),
) -> Result<Outcome, ApiError> {
    let name = ctx.required("PolicyName")?;
    let document = permissions
        .inline
        .get(name)
        .ok_or_else(|| not_found(entity, name))?;
    let mut xml = XmlWriter::new();
    xml.text(owner.0, owner.1)
        .text("PolicyName", name)
        .text("PolicyDocument", percent_encode(document));
    Outcome::read(xml)
}

fn list(ctx: &Ctx<'_>, permissions: &Permissions) -> Result<Outcome, ApiError> {
    let names: Vec<String> = permissions.inline.keys().cloned().collect();
    let (names, marker) = ctx.page(names, Clone::clone)?;
    let mut xml = XmlWriter::new();
    xml.element("PolicyNames", |xml| {
        for name in names {
            xml.text("member", name);
        }
    });
    page_end(&mut xml, marker);
    Outcome::read(xml)
}

pub(crate) fn put_role(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut role = super::role(ctx)?.role.clone();
    let entity = format!("role {}", role.name);
    put(ctx, &mut role.permissions, &entity, ROLE_CHARS_MAX)?;
    Outcome::wrote(vec![super::put_role(ctx, &role)])
}

pub(crate) fn delete_role(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut role = super::role(ctx)?.role.clone();
    delete(ctx, &mut role.permissions, "role")?;
    Outcome::wrote(vec![super::put_role(ctx, &role)])
}

pub(crate) fn get_role(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let role = &super::role(ctx)?.role;
    get(ctx, &role.permissions, "role", ("RoleName", &role.name))
}

pub(crate) fn list_role(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    list(ctx, &super::role(ctx)?.role.permissions)
}

pub(crate) fn put_user(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut user = super::user(ctx)?.user.clone();
    let entity = format!("user {}", user.name);
    put(ctx, &mut user.permissions, &entity, USER_CHARS_MAX)?;
    Outcome::wrote(vec![super::put_user(ctx, &user)])
}

pub(crate) fn delete_user(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut user = super::user(ctx)?.user.clone();
    delete(ctx, &mut user.permissions, "user")?;
    Outcome::wrote(vec![super::put_user(ctx, &user)])
}

pub(crate) fn get_user(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let user = &super::user(ctx)?.user;
    get(ctx, &user.permissions, "user", ("UserName", &user.name))
}

pub(crate) fn list_user(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    list(ctx, &super::user(ctx)?.user.permissions)
}

pub(crate) fn put_group(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut group = super::group(ctx)?.group.clone();
    let entity = format!("group {}", group.name);
    put(ctx, &mut group.permissions, &entity, GROUP_CHARS_MAX)?;
    Outcome::wrote(vec![super::put_group(ctx, &group)])
}

pub(crate) fn delete_group(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut group = super::group(ctx)?.group.clone();
    delete(ctx, &mut group.permissions, "group")?;
    Outcome::wrote(vec![super::put_group(ctx, &group)])
}

pub(crate) fn get_group(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let group = &super::group(ctx)?.group;
    get(ctx, &group.permissions, "group", ("GroupName", &group.name))
}

pub(crate) fn list_group(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    list(ctx, &super::group(ctx)?.group.permissions)
}
