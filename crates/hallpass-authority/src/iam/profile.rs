//! Instance profiles. Several roles in one are allowed (the agent's rules choose); AWS allows one.

use super::{arn_of, role, tagging, tags_xml, under_path};
use crate::account::{profile_arn, role_arn};
use crate::call::{Ctx, Outcome, Requirement, page_end, with_request_tags, with_resource_tags};
use crate::entity::InstanceProfile;
use crate::state::{key, put};
use crate::{ApiError, names};
use hallpass_access::ActionOn;
use hallpass_session::{IdKind, unique_id};
use hallpass_store::Op;
use hallpass_wire::XmlWriter;
use std::sync::Arc;

/// Roles in one profile: ours, AWS's is one.
const ROLES_MAX: usize = 50;

fn named(ctx: &Ctx<'_>) -> Result<ActionOn, ApiError> {
    let name = ctx.required("InstanceProfileName")?;
    let action = format!("iam:{}", ctx.call.action);
    let on = match ctx.account.profile(name) {
        Some(profile) => with_resource_tags(
            ActionOn::new(action, profile_arn(ctx.account.id(), profile)),
            &profile.tags,
        ),
        None => ActionOn::new(action, arn_of(ctx, &format!("instance-profile/{name}"))),
    };
    tagging::on_request(ctx, on)
}

pub(crate) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    Ok(Requirement::Actions(vec![named(ctx)?]))
}

pub(crate) fn list_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    Ok(Requirement::Actions(vec![ActionOn::new(
        "iam:ListInstanceProfiles",
        arn_of(ctx, "instance-profile/"),
    )]))
}

pub(crate) fn create_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let name = ctx.required("InstanceProfileName")?;
    let path = names::path(&ctx.call.params)?;
    let on = ActionOn::new(
        "iam:CreateInstanceProfile",
        arn_of(ctx, &format!("instance-profile{path}{name}")),
    );
    Ok(Requirement::Actions(vec![with_request_tags(
        on,
        &names::tags(&ctx.call.params)?,
    )]))
}

/// Who puts a role into a profile passes it to EC2, and needs `iam:PassRole` for that role.
pub(crate) fn add_role_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let name = ctx.required("RoleName")?;
    Ok(Requirement::Actions(vec![named(ctx)?, pass_role(ctx, name)]))
}

/// `iam:PassRole` on a role that goes to EC2.
pub(crate) fn pass_role(ctx: &Ctx<'_>, name: &str) -> ActionOn {
    let arn = match ctx.account.role(name) {
        Some(role) => role_arn(ctx.account.id(), &role.role),
        None => arn_of(ctx, &format!("role/{name}")),
    };
    ActionOn::new("iam:PassRole", arn).with("iam:PassedToService", "ec2.amazonaws.com")
}

fn profile<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Arc<InstanceProfile>, ApiError> {
    let name = ctx.required("InstanceProfileName")?;
    ctx.account
        .profile(name)
        .ok_or_else(|| ApiError::no_such_entity(format!("Instance Profile {name} cannot be found.")))
}

fn put_profile(ctx: &Ctx<'_>, profile: &InstanceProfile) -> Op {
    put(key(ctx.account.id(), "profile", &profile.name), profile)
}

pub(crate) fn create(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let name = names::name(
        "InstanceProfileName",
        ctx.required("InstanceProfileName")?,
        names::LONG_NAME_CHARS_MAX,
    )?;
    if ctx.account.profile(name).is_some() {
        return Err(ApiError::exists(format!(
            "Instance Profile {name} already exists."
        )));
    }
    let profile = InstanceProfile {
        name: name.to_owned(),
        path: names::path(&ctx.call.params)?,
        id: unique_id(IdKind::InstanceProfile, &*ctx.env.entropy),
        created: ctx.call.now,
        roles: vec![],
        tags: names::tags(&ctx.call.params)?,
    };
    let mut xml = XmlWriter::new();
    xml.element("InstanceProfile", |xml| profile_xml(ctx, xml, &profile));
    let arn = profile_arn(ctx.account.id(), &profile);
    Ok(Outcome::made(xml, vec![put_profile(ctx, &profile)])?.noting("instanceProfileArn", arn))
}

pub(super) fn profile_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, profile: &InstanceProfile) {
    listed_xml(ctx, xml, profile);
    if !profile.tags.is_empty() {
        tags_xml(xml, &profile.tags);
    }
}

/// What a list tells of a profile: not its tags ("ListInstanceProfiles").
fn listed_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, profile: &InstanceProfile) {
    xml.text("Path", &profile.path)
        .text("InstanceProfileName", &profile.name)
        .text("InstanceProfileId", &profile.id)
        .text("Arn", profile_arn(ctx.account.id(), profile))
        .text("CreateDate", profile.created.iso8601());
    let roles = profile.roles.iter().filter_map(|name| ctx.account.role(name));
    xml.list("Roles", "member", roles, |xml, role| {
        super::role::role_xml(ctx, xml, &role.role)
    });
}

pub(crate) fn get(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let profile = profile(ctx)?;
    let mut xml = XmlWriter::new();
    xml.element("InstanceProfile", |xml| profile_xml(ctx, xml, profile));
    Outcome::read(xml)
}

fn list_xml(ctx: &Ctx<'_>, profiles: Vec<&InstanceProfile>) -> Result<Outcome, ApiError> {
    let (profiles, marker) = ctx.page(profiles, |profile| profile.name.to_ascii_lowercase())?;
    let mut xml = XmlWriter::new();
    xml.list("InstanceProfiles", "member", profiles, |xml, profile| {
        listed_xml(ctx, xml, profile)
    });
    page_end(&mut xml, marker);
    Outcome::read(xml)
}

pub(crate) fn list(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let all = ctx.account.profiles.values().map(|profile| &**profile);
    list_xml(
        ctx,
        all.filter(|profile| under_path(ctx, &profile.path)).collect(),
    )
}

pub(crate) fn list_for_role(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let name = &role(ctx)?.role.name;
    let all = ctx.account.profiles.values().map(|profile| &**profile);
    list_xml(ctx, all.filter(|profile| profile.roles.contains(name)).collect())
}

pub(crate) fn delete(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let profile = profile(ctx)?;
    if !profile.roles.is_empty() {
        return Err(ApiError::delete_conflict(
            "Cannot delete entity, must remove roles from instance profile first.",
        ));
    }
    Outcome::wrote(vec![Op::Delete(key(ctx.account.id(), "profile", &profile.name))])
}

pub(crate) fn add_role(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut changed = InstanceProfile::clone(profile(ctx)?);
    let role = &role(ctx)?.role;
    if changed.roles.contains(&role.name) {
        return Err(ApiError::exists(format!(
            "The role {} is already in the instance profile.",
            role.name
        )));
    }
    if changed.roles.len() >= ROLES_MAX {
        return Err(ApiError::limit(format!(
            "Cannot exceed quota for InstanceSessionsPerInstanceProfile: {ROLES_MAX}"
        )));
    }
    changed.roles.push(role.name.clone());
    Outcome::wrote(vec![put_profile(ctx, &changed)])
}

pub(crate) fn remove_role(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut changed = InstanceProfile::clone(profile(ctx)?);
    let name = ctx.required("RoleName")?;
    let before = changed.roles.len();
    changed.roles.retain(|role| !role.eq_ignore_ascii_case(name));
    if changed.roles.len() == before {
        return Err(ApiError::no_such_entity(format!(
            "Role {name} is not in the instance profile."
        )));
    }
    Outcome::wrote(vec![put_profile(ctx, &changed)])
}

pub(crate) fn tag(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::tag(
        ctx,
        InstanceProfile::clone(profile(ctx)?),
        |it| &mut it.tags,
        put_profile,
    )
}

pub(crate) fn untag(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::untag(
        ctx,
        InstanceProfile::clone(profile(ctx)?),
        |it| &mut it.tags,
        put_profile,
    )
}

pub(crate) fn list_tags(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::list(ctx, &profile(ctx)?.tags)
}
