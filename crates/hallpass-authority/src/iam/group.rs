//! Groups, and who is in them.

use super::{arn_of, group, put_group, put_user, under_path, user};
use crate::account::group_arn;
use crate::call::{Ctx, Outcome, Requirement, page_end};
use crate::entity::{Group, Permissions};
use crate::state::key;
use crate::{ApiError, names};
use hallpass_access::ActionOn;
use hallpass_session::{IdKind, unique_id};
use hallpass_store::Op;
use hallpass_wire::XmlWriter;

/// Groups one user may be in (IAM quotas).
const GROUPS_MAX: usize = 10;

/// `iam:<action>` on the group named.
pub(crate) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    Ok(Requirement::Actions(vec![named(ctx)?]))
}

pub(crate) fn attach_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let arn = ctx.required("PolicyArn")?;
    Ok(Requirement::Actions(vec![named(ctx)?.with("iam:PolicyARN", arn)]))
}

pub(crate) fn list_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let action = ActionOn::new("iam:ListGroups", arn_of(ctx, "group/"));
    Ok(Requirement::Actions(vec![action]))
}

pub(crate) fn create_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let name = ctx.required("GroupName")?;
    let path = names::path(&ctx.call.params)?;
    let action = ActionOn::new("iam:CreateGroup", arn_of(ctx, &format!("group{path}{name}")));
    Ok(Requirement::Actions(vec![action]))
}

/// Under its old name and under its new one ("Renaming an IAM user group").
pub(crate) fn update_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let old = named(ctx)?;
    let Some(group) = ctx.account.group(ctx.required("GroupName")?) else {
        return Ok(Requirement::Actions(vec![old]));
    };
    let path = ctx.param("NewPath").unwrap_or(&group.group.path);
    let name = ctx.param("NewGroupName").unwrap_or(&group.group.name);
    let new = ActionOn::new("iam:UpdateGroup", arn_of(ctx, &format!("group{path}{name}")));
    Ok(Requirement::Actions(vec![old, new]))
}

fn named(ctx: &Ctx<'_>) -> Result<ActionOn, ApiError> {
    let name = ctx.required("GroupName")?;
    let arn = match ctx.account.group(name) {
        Some(group) => group_arn(ctx.account.id(), &group.group),
        None => arn_of(ctx, &format!("group/{name}")),
    };
    Ok(ActionOn::new(ctx.call.iam_action(), arn))
}

pub(crate) fn create(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let name = ctx.required("GroupName")?;
    absent(ctx, name)?;
    let group = Group {
        name: name.to_owned(),
        path: names::path(&ctx.call.params)?,
        id: unique_id(IdKind::Group, &*ctx.env.entropy),
        created: ctx.call.now,
        permissions: Permissions::default(),
    };
    let mut xml = XmlWriter::new();
    xml.element("Group", |xml| group_xml(ctx, xml, &group));
    Ok(Outcome::made(xml, vec![put_group(ctx, &group)])?
        .noting("groupArn", group_arn(ctx.account.id(), &group))
        .noting("groupId", &group.id))
}

fn absent(ctx: &Ctx<'_>, name: &str) -> Result<(), ApiError> {
    match ctx.account.group(name) {
        Some(_) => Err(ApiError::exists(format!(
            "Group with name {name} already exists."
        ))),
        None => Ok(()),
    }
}

fn group_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, group: &Group) {
    xml.text("Path", &group.path)
        .text("GroupName", &group.name)
        .text("GroupId", &group.id)
        .text("Arn", group_arn(ctx.account.id(), group))
        .text("CreateDate", group.created.iso8601());
}

pub(crate) fn get(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let group = group(ctx)?;
    let members = ctx.account.members_of(group).collect();
    let (members, marker) = ctx.page(members, |user| user.user.name.to_ascii_lowercase())?;
    let mut xml = XmlWriter::new();
    xml.element("Group", |xml| group_xml(ctx, xml, &group.group));
    xml.list("Users", "member", members, |xml, user| {
        super::user::user_xml(ctx, xml, &user.user)
    });
    page_end(&mut xml, marker);
    Outcome::read(xml)
}

pub(crate) fn list(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let groups = ctx.account.groups.values().map(|group| &group.group);
    let groups = groups.filter(|group| under_path(ctx, &group.path));
    list_xml(ctx, groups.collect())
}

pub(crate) fn list_for_user(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let groups = ctx.account.groups_of(&user(ctx)?.user);
    let mut groups: Vec<_> = groups.map(|group| &group.group).collect();
    groups.sort_by_key(|group| group.name.to_ascii_lowercase());
    list_xml(ctx, groups)
}

fn list_xml(ctx: &Ctx<'_>, groups: Vec<&Group>) -> Result<Outcome, ApiError> {
    let (groups, marker) = ctx.page(groups, |group| group.name.to_ascii_lowercase())?;
    let mut xml = XmlWriter::new();
    xml.list("Groups", "member", groups, |xml, group| {
        group_xml(ctx, xml, group)
    });
    page_end(&mut xml, marker);
    Outcome::read(xml)
}

/// Members are kept by the group's id, so they stay.
pub(crate) fn update(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let old = &group(ctx)?.group;
    let mut changed = old.clone();
    if let Some(path) = ctx.param("NewPath") {
        path.clone_into(&mut changed.path);
    }
    if let Some(name) = ctx.param("NewGroupName") {
        if !name.eq_ignore_ascii_case(&old.name) {
            absent(ctx, name)?;
        }
        name.clone_into(&mut changed.name);
    }
    let mut ops = vec![put_group(ctx, &changed)];
    if !changed.name.eq_ignore_ascii_case(&old.name) {
        ops.push(Op::Delete(key(ctx.account.id(), "group", &old.name)));
    }
    Outcome::wrote(ops)
}

pub(crate) fn delete(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let group = group(ctx)?;
    let conflict = |what: &str| {
        let message = format!("Cannot delete entity, must {what} first.");
        Err(ApiError::delete_conflict(message))
    };
    if ctx.account.members_of(group).next().is_some() {
        return conflict("remove users from group");
    }
    if !group.group.permissions.attached.is_empty() {
        return conflict("detach all policies");
    }
    if !group.group.permissions.inline.is_empty() {
        return conflict("delete policies");
    }
    Outcome::wrote(vec![Op::Delete(key(
        ctx.account.id(),
        "group",
        &group.group.name,
    ))])
}

pub(crate) fn add_user(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let id = &group(ctx)?.group.id;
    let mut changed = user(ctx)?.user.clone();
    // Ids of groups that are gone count for nothing and go with the next change.
    changed.groups = ctx
        .account
        .groups_of(&changed)
        .map(|group| group.group.id.clone())
        .collect();
    if changed.groups.contains(id) {
        return Outcome::wrote(vec![]);
    }
    if changed.groups.len() >= GROUPS_MAX {
        return Err(ApiError::limit(format!(
            "Cannot exceed quota for GroupsPerUser: {GROUPS_MAX}"
        )));
    }
    changed.groups.push(id.clone());
    Outcome::wrote(vec![put_user(ctx, &changed)])
}

pub(crate) fn remove_user(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let group = &group(ctx)?.group;
    let mut changed = user(ctx)?.user.clone();
    if !changed.groups.contains(&group.id) {
        return Err(ApiError::no_such_entity(format!(
            "User {} is not in group {}",
            changed.name, group.name
        )));
    }
    changed.groups.retain(|id| *id != group.id);
    Outcome::wrote(vec![put_user(ctx, &changed)])
}
