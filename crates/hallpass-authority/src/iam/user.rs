use super::{arn_of, boundary, boundary_xml, put_user, tags_xml, under_path, user, user_name};
use crate::account::{CompiledUser, user_arn};
use crate::call::{Ctx, Outcome, Requirement, page_end, with_request_tags, with_resource_tags};
use crate::entity::{Permissions, User};
use crate::state::key;
use crate::{ApiError, names};
use hallpass_access::ActionOn;
use hallpass_session::{IdKind, unique_id};
use hallpass_store::Op;
use hallpass_wire::XmlWriter;

/// `iam:<action>` on the user named (or the caller itself).
pub(crate) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    Ok(Requirement::Actions(vec![named(ctx)?]))
}

pub(crate) fn attach_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let arn = ctx.required("PolicyArn")?;
    Ok(Requirement::Actions(vec![named(ctx)?.with("iam:PolicyARN", arn)]))
}

pub(crate) fn list_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    Ok(Requirement::Actions(vec![ActionOn::new(
        "iam:ListUsers",
        arn_of(ctx, "user/"),
    )]))
}

pub(crate) fn create_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let name = ctx.required("UserName")?;
    let path = names::path(&ctx.call.params)?;
    let tags = names::tags(&ctx.call.params)?;
    let action = ActionOn::new("iam:CreateUser", arn_of(ctx, &format!("user{path}{name}")));
    let mut actions = vec![with_request_tags(super::role::with_boundary(ctx, action), &tags)];
    if !tags.is_empty() {
        actions.push(ActionOn {
            action: "iam:TagUser".to_owned(),
            ..actions[0].clone()
        });
    }
    Ok(Requirement::Actions(actions))
}

fn named(ctx: &Ctx<'_>) -> Result<ActionOn, ApiError> {
    let name = user_name(ctx)?;
    let action = format!("iam:{}", ctx.call.action);
    let tags = names::tags(&ctx.call.params)?;
    let on = match ctx.account.user(name) {
        Some(user) => {
            let on = ActionOn::new(action, user_arn(ctx.account.id(), &user.user));
            with_resource_tags(on, &user.user.permissions.tags)
        }
        None => ActionOn::new(action, arn_of(ctx, &format!("user/{name}"))),
    };
    Ok(with_request_tags(on, &tags))
}

pub(crate) fn create(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let name = names::name("UserName", ctx.required("UserName")?, names::NAME_CHARS_MAX)?;
    if ctx.account.user(name).is_some() {
        return Err(ApiError::exists(format!("User with name {name} already exists.")));
    }
    let user = User {
        groups: vec![],
        name: name.to_owned(),
        path: names::path(&ctx.call.params)?,
        id: unique_id(IdKind::User, &*ctx.env.entropy),
        created: ctx.call.now,
        permissions: Permissions {
            boundary: boundary(ctx)?,
            tags: names::tags(&ctx.call.params)?,
            ..Permissions::default()
        },
    };
    let mut xml = XmlWriter::new();
    xml.element("User", |xml| user_xml(ctx, xml, &user));
    let op = put_user(ctx, &user);
    Ok(Outcome::made(xml, vec![op])?
        .noting("userArn", user_arn(ctx.account.id(), &user))
        .noting("userId", &user.id))
}

pub(super) fn user_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, user: &User) {
    xml.text("Path", &user.path)
        .text("UserName", &user.name)
        .text("UserId", &user.id)
        .text("Arn", user_arn(ctx.account.id(), user))
        .text("CreateDate", user.created.iso8601());
    boundary_xml(xml, &user.permissions);
    if !user.permissions.tags.is_empty() {
        tags_xml(xml, &user.permissions.tags);
    }
}

pub(crate) fn get(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let user = user(ctx)?;
    let mut xml = XmlWriter::new();
    xml.element("User", |xml| user_xml(ctx, xml, &user.user));
    Outcome::read(xml)
}

pub(crate) fn list(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let users: Vec<&CompiledUser> = ctx
        .account
        .users
        .values()
        .map(|user| &**user)
        .filter(|user| under_path(ctx, &user.user.path))
        .collect();
    let (users, marker) = ctx.page(users, |user| user.user.name.to_ascii_lowercase())?;
    let mut xml = XmlWriter::new();
    xml.list("Users", "member", users, |xml, user| {
        user_xml(ctx, xml, &user.user)
    });
    page_end(&mut xml, marker);
    Outcome::read(xml)
}

pub(crate) fn delete(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let user = &user(ctx)?.user;
    if !ctx.state.keys_of(ctx.account.id(), Some(&user.name)).is_empty() {
        return Err(ApiError::delete_conflict(
            "Cannot delete entity, must delete access keys first.",
        ));
    }
    if ctx.account.groups_of(user).next().is_some() {
        return Err(ApiError::delete_conflict(
            "Cannot delete entity, must remove users from group first.",
        ));
    }
    if !user.permissions.attached.is_empty() {
        return Err(ApiError::delete_conflict(
            "Cannot delete entity, must detach all policies first.",
        ));
    }
    if !user.permissions.inline.is_empty() {
        return Err(ApiError::delete_conflict(
            "Cannot delete entity, must delete policies first.",
        ));
    }
    Outcome::wrote(vec![Op::Delete(key(ctx.account.id(), "user", &user.name))])
}

fn change(
    ctx: &Ctx<'_>,
    change: impl FnOnce(&mut User) -> Result<(), ApiError>,
) -> Result<Outcome, ApiError> {
    let mut changed = user(ctx)?.user.clone();
    change(&mut changed)?;
    Outcome::wrote(vec![put_user(ctx, &changed)])
}

pub(crate) fn tag(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let tags = names::tags(&ctx.call.params)?;
    change(ctx, |user| names::merge_tags(&mut user.permissions.tags, tags))
}

pub(crate) fn untag(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let keys = ctx.call.params.list("TagKeys");
    change(ctx, |user| {
        user.permissions
            .tags
            .retain(|tag| !keys.iter().any(|key| key.eq_ignore_ascii_case(&tag.key)));
        Ok(())
    })
}

pub(crate) fn list_tags(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut xml = XmlWriter::new();
    tags_xml(&mut xml, &user(ctx)?.user.permissions.tags);
    page_end(&mut xml, None);
    Outcome::read(xml)
}
