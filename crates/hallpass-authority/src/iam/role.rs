use super::{arn_of, boundary, boundary_xml, put_role, role, tags_xml, under_path};
use crate::account::{CompiledRole, role_arn};
use crate::call::{Ctx, Outcome, Requirement, page_end, with_request_tags, with_resource_tags};
use crate::entity::{Permissions, Role};
use crate::principals::{self, PrincipalIds};
use crate::state::key;
use crate::{ApiError, names};
use hallpass_access::ActionOn;
use hallpass_policy::PolicyKind;
use hallpass_session::{IdKind, unique_id};
use hallpass_store::Op;
use hallpass_wire::{XmlWriter, percent_encode};

/// Trust policies: 2,048 by default, up to 4,096 by quota; the larger is granted.
const TRUST_CHARS_MAX: usize = 4_096;
const MAX_SESSION_DEFAULT: i64 = 3_600;

/// `iam:<action>` on the role named, with its tags and those of the request.
pub(crate) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    Ok(Requirement::Actions(vec![named(ctx)?]))
}

pub(crate) fn attach_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let arn = ctx.required("PolicyArn")?;
    Ok(Requirement::Actions(vec![named(ctx)?.with("iam:PolicyARN", arn)]))
}

pub(crate) fn boundary_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let arn = ctx.required("PermissionsBoundary")?;
    Ok(Requirement::Actions(vec![
        named(ctx)?.with("iam:PermissionsBoundary", arn),
    ]))
}

pub(crate) fn list_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    Ok(Requirement::Actions(vec![ActionOn::new(
        "iam:ListRoles",
        arn_of(ctx, "role/"),
    )]))
}

pub(crate) fn create_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let name = ctx.required("RoleName")?;
    let path = names::path(&ctx.call.params)?;
    let tags = names::tags(&ctx.call.params)?;
    let action = ActionOn::new("iam:CreateRole", arn_of(ctx, &format!("role{path}{name}")));
    let mut actions = vec![with_request_tags(with_boundary(ctx, action), &tags)];
    if !tags.is_empty() {
        actions.push(ActionOn {
            action: "iam:TagRole".to_owned(),
            ..actions[0].clone()
        });
    }
    Ok(Requirement::Actions(actions))
}

pub(super) fn with_boundary(ctx: &Ctx<'_>, action: ActionOn) -> ActionOn {
    match ctx.param("PermissionsBoundary") {
        Some(arn) => action.with("iam:PermissionsBoundary", arn),
        None => action,
    }
}

fn named(ctx: &Ctx<'_>) -> Result<ActionOn, ApiError> {
    let name = ctx.required("RoleName")?;
    let action = format!("iam:{}", ctx.call.action);
    // A role that does not exist is authorized by its name at the root path: who may not see it learns nothing.
    let on = match ctx.account.role(name) {
        Some(role) => {
            super::service_linked::protect(ctx, &role.role)?;
            let on = ActionOn::new(action, role_arn(ctx.account.id(), &role.role));
            let on = match &role.role.permissions.boundary {
                Some(arn) if ctx.param("PermissionsBoundary").is_none() => {
                    on.with("iam:PermissionsBoundary", arn)
                }
                _ => on,
            };
            with_resource_tags(on, &role.role.permissions.tags)
        }
        None => ActionOn::new(action, arn_of(ctx, &format!("role/{name}"))),
    };
    super::tagging::on_request(ctx, on)
}

pub(crate) fn create(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let name = names::name("RoleName", ctx.required("RoleName")?, names::NAME_CHARS_MAX)?;
    super::service_linked::refuse_path(&names::path(&ctx.call.params)?)?;
    let trust = ctx.required("AssumeRolePolicyDocument")?;
    let trusted_ids = trusted_ids(ctx, trust)?;
    if ctx.account.role(name).is_some() {
        return Err(ApiError::exists(format!("Role with name {name} already exists.")));
    }
    let role = Role {
        name: name.to_owned(),
        path: names::path(&ctx.call.params)?,
        id: unique_id(IdKind::Role, &*ctx.env.entropy),
        trust: trust.to_owned(),
        trusted_ids,
        description: ctx.param("Description").map(str::to_owned),
        max_session_seconds: max_session(ctx)?.unwrap_or(MAX_SESSION_DEFAULT),
        created: ctx.call.now,
        permissions: Permissions {
            boundary: boundary(ctx)?,
            tags: names::tags(&ctx.call.params)?,
            ..Permissions::default()
        },
        revoked_before: None,
    };
    let mut xml = XmlWriter::new();
    xml.element("Role", |xml| role_xml(ctx, xml, &role));
    let op = put_role(ctx, &role);
    Ok(Outcome::made(xml, vec![op])?
        .noting("roleArn", role_arn(ctx.account.id(), &role))
        .noting("roleId", &role.id))
}

/// Whom a trust policy means, if it may be one.
fn trusted_ids(ctx: &Ctx<'_>, trust: &str) -> Result<PrincipalIds, ApiError> {
    let policy = names::document(trust, PolicyKind::Trust, TRUST_CHARS_MAX)?;
    principals::ids(ctx.state, &policy)
}

fn max_session(ctx: &Ctx<'_>) -> Result<Option<i64>, ApiError> {
    let Some(seconds) = ctx.integer("MaxSessionDuration")? else {
        return Ok(None);
    };
    if (3_600..=43_200).contains(&seconds) {
        Ok(Some(seconds))
    } else {
        Err(ApiError::validation(format!(
            "1 validation error detected: Value '{seconds}' at 'maxSessionDuration' failed to satisfy constraint: \
             Member must have value between 3600 and 43200"
        )))
    }
}

pub(super) fn role_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, role: &Role) {
    listed_xml(ctx, xml, role);
    boundary_xml(xml, &role.permissions);
    if !role.permissions.tags.is_empty() {
        tags_xml(xml, &role.permissions.tags);
    }
    last_used_xml(ctx, xml, role);
}

/// What a list tells of a role: not its boundary, tags and last use ("ListRoles").
pub(super) fn listed_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, role: &Role) {
    xml.text("Path", &role.path)
        .text("RoleName", &role.name)
        .text("RoleId", &role.id)
        .text("Arn", role_arn(ctx.account.id(), role))
        .text("CreateDate", role.created.iso8601())
        .text(
            "AssumeRolePolicyDocument",
            percent_encode(&principals::shown(ctx.state, role)),
        )
        .optional("Description", role.description.as_deref())
        .text("MaxSessionDuration", role.max_session_seconds.to_string());
}

pub(super) fn last_used_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, role: &Role) {
    xml.element("RoleLastUsed", |xml| {
        if let Some((_, used)) = ctx.last_use(&role.id).latest() {
            xml.text("LastUsedDate", used.at.iso8601())
                .text("Region", &used.region);
        }
    });
}

pub(crate) fn get(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let role = role(ctx)?;
    let mut xml = XmlWriter::new();
    xml.element("Role", |xml| role_xml(ctx, xml, &role.role));
    Outcome::read(xml)
}

pub(crate) fn list(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let roles: Vec<&CompiledRole> = ctx
        .account
        .roles
        .values()
        .map(|role| &**role)
        .filter(|role| under_path(ctx, &role.role.path))
        .collect();
    let (roles, marker) = ctx.page(roles, |role| role.role.name.to_ascii_lowercase())?;
    let mut xml = XmlWriter::new();
    xml.list("Roles", "member", roles, |xml, role| {
        listed_xml(ctx, xml, &role.role)
    });
    page_end(&mut xml, marker);
    Outcome::read(xml)
}

pub(crate) fn delete(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let role = &role(ctx)?.role;
    let in_profile = |name: &String| name.eq_ignore_ascii_case(&role.name);
    if ctx
        .account
        .profiles
        .values()
        .any(|profile| profile.roles.iter().any(in_profile))
    {
        return Err(ApiError::delete_conflict(
            "Cannot delete entity, must remove roles from instance profile first.",
        ));
    }
    if !role.permissions.attached.is_empty() {
        return Err(ApiError::delete_conflict(
            "Cannot delete entity, must detach all policies first.",
        ));
    }
    if !role.permissions.inline.is_empty() {
        return Err(ApiError::delete_conflict(
            "Cannot delete entity, must delete policies first.",
        ));
    }
    let mut ops = vec![Op::Delete(key(ctx.account.id(), "role", &role.name))];
    ops.extend(ctx.forget_last_use(&role.id));
    Outcome::wrote(ops)
}

fn change(
    ctx: &Ctx<'_>,
    change: impl FnOnce(&mut Role) -> Result<(), ApiError>,
) -> Result<Outcome, ApiError> {
    let mut changed = role(ctx)?.role.clone();
    change(&mut changed)?;
    Outcome::wrote(vec![put_role(ctx, &changed)])
}

pub(crate) fn update(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    change(ctx, |role| {
        if let Some(description) = ctx.param("Description") {
            role.description = Some(description.to_owned());
        }
        if let Some(seconds) = max_session(ctx)? {
            role.max_session_seconds = seconds;
        }
        Ok(())
    })
}

pub(crate) fn update_description(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut changed = role(ctx)?.role.clone();
    changed.description = Some(ctx.required("Description")?.to_owned());
    let mut xml = XmlWriter::new();
    xml.element("Role", |xml| role_xml(ctx, xml, &changed));
    let op = put_role(ctx, &changed);
    Outcome::made(xml, vec![op])
}

pub(crate) fn update_trust(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let trust = ctx.required("PolicyDocument")?;
    let trusted_ids = trusted_ids(ctx, trust)?;
    change(ctx, |role| {
        role.trust = trust.to_owned();
        role.trusted_ids = trusted_ids;
        Ok(())
    })
}

pub(crate) fn put_boundary(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let arn = boundary(ctx)?;
    change(ctx, |role| {
        role.permissions.boundary = arn;
        Ok(())
    })
}

pub(crate) fn delete_boundary(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    change(ctx, |role| {
        role.permissions.boundary = None;
        Ok(())
    })
}

pub(crate) fn tag(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let tags = names::tags(&ctx.call.params)?;
    change(ctx, |role| names::merge_tags(&mut role.permissions.tags, tags))
}

pub(crate) fn untag(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let keys = ctx.call.params.list("TagKeys");
    change(ctx, |role| {
        role.permissions
            .tags
            .retain(|tag| !keys.iter().any(|key| key.eq_ignore_ascii_case(&tag.key)));
        Ok(())
    })
}

pub(crate) fn list_tags(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    super::tagging::list(ctx, &role(ctx)?.role.permissions.tags)
}
