use super::{arn_of, boundary, boundary_xml, put_user, tags_xml, under_path, user, user_name};
use crate::account::{CompiledUser, user_arn};
use crate::call::{Ctx, Outcome, Requirement, page_end, with_request_tags, with_resource_tags};
use crate::entity::{AccessKey, Permissions, User};
use crate::state::{access_key_key, key, put};
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

pub(crate) fn boundary_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let arn = ctx.required("PermissionsBoundary")?;
    let on = named(ctx)?.with("iam:PermissionsBoundary", arn);
    Ok(Requirement::Actions(vec![on]))
}

/// Under its old name and under its new one ("Renaming an IAM user").
pub(crate) fn update_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let mut actions = vec![named(ctx)?];
    if let Some(user) = ctx.account.user(user_name(ctx)?) {
        let path = ctx.param("NewPath").unwrap_or(&user.user.path);
        let name = ctx.param("NewUserName").unwrap_or(&user.user.name);
        actions.push(ActionOn::new(
            "iam:UpdateUser",
            arn_of(ctx, &format!("user{path}{name}")),
        ));
    }
    Ok(Requirement::Actions(actions))
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
    let on = match ctx.account.user(name) {
        Some(user) => {
            let on = ActionOn::new(action, user_arn(ctx.account.id(), &user.user));
            let on = match &user.user.permissions.boundary {
                Some(arn) if ctx.param("PermissionsBoundary").is_none() => {
                    on.with("iam:PermissionsBoundary", arn)
                }
                _ => on,
            };
            with_resource_tags(on, &user.user.permissions.tags)
        }
        None => ActionOn::new(action, arn_of(ctx, &format!("user/{name}"))),
    };
    super::tagging::on_request(ctx, on)
}

pub(crate) fn create(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let name = names::name("UserName", ctx.required("UserName")?, names::NAME_CHARS_MAX)?;
    if ctx.account.user(name).is_some() {
        return Err(ApiError::exists(format!("User with name {name} already exists.")));
    }
    let user = User {
        revoked_before: None,
        groups: vec![],
        credentials: Default::default(),
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
    listed_xml(ctx, xml, user);
    boundary_xml(xml, &user.permissions);
    if !user.permissions.tags.is_empty() {
        tags_xml(xml, &user.permissions.tags);
    }
}

/// What a list tells of a user: not its boundary and tags ("ListUsers").
fn listed_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, user: &User) {
    xml.text("Path", &user.path)
        .text("UserName", &user.name)
        .text("UserId", &user.id)
        .text("Arn", user_arn(ctx.account.id(), user))
        .text("CreateDate", user.created.iso8601());
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
        listed_xml(ctx, xml, &user.user)
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
    let credentials = &user.credentials;
    let first = [
        (
            ctx.account.groups_of(user).next().is_some(),
            "remove users from group",
        ),
        (credentials.login.is_some(), "delete login profile"),
        (
            !credentials.signing_certificates.is_empty(),
            "delete signing certificate",
        ),
        (!credentials.ssh_keys.is_empty(), "delete SSH public key"),
        (
            !credentials.services.is_empty(),
            "delete service specific credentials",
        ),
        (
            ctx.account.mfa_devices_of(&user.id).next().is_some(),
            "delete MFA device",
        ),
    ];
    if let Some((_, what)) = first.into_iter().find(|(is_there, _)| *is_there) {
        let message = format!("Cannot delete entity, must {what} first.");
        return Err(ApiError::delete_conflict(message));
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
    let mut ops = vec![Op::Delete(key(ctx.account.id(), "user", &user.name))];
    ops.extend(ctx.forget_last_use(&user.id));
    Outcome::wrote(ops)
}

fn change(
    ctx: &Ctx<'_>,
    change: impl FnOnce(&mut User) -> Result<(), ApiError>,
) -> Result<Outcome, ApiError> {
    let mut changed = user(ctx)?.user.clone();
    change(&mut changed)?;
    Outcome::wrote(vec![put_user(ctx, &changed)])
}

/// A new name or path. Groups know users by id; access keys know them by name and are written along.
pub(crate) fn update(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let old = &user(ctx)?.user;
    let mut changed = old.clone();
    if let Some(path) = ctx.param("NewPath") {
        path.clone_into(&mut changed.path);
    }
    if let Some(name) = ctx.param("NewUserName") {
        if !name.eq_ignore_ascii_case(&old.name) && ctx.account.user(name).is_some() {
            return Err(ApiError::exists(format!("User with name {name} already exists.")));
        }
        names::name("NewUserName", name, names::NAME_CHARS_MAX)?.clone_into(&mut changed.name);
    }
    let account = ctx.account.id();
    let mut ops = vec![put_user(ctx, &changed)];
    if changed.name != old.name {
        for known in ctx.state.keys_of(account, Some(&old.name)) {
            let mut moved = AccessKey::clone(&known);
            moved.user = Some(changed.name.clone());
            ops.push(put(access_key_key(account, &moved.id), &moved));
        }
    }
    if !changed.name.eq_ignore_ascii_case(&old.name) {
        ops.push(Op::Delete(key(account, "user", &old.name)));
    }
    Outcome::wrote(ops)
}

pub(crate) fn put_boundary(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let arn = boundary(ctx)?;
    change(ctx, |user| {
        user.permissions.boundary = arn;
        Ok(())
    })
}

pub(crate) fn delete_boundary(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    change(ctx, |user| {
        user.permissions.boundary = None;
        Ok(())
    })
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
    super::tagging::list(ctx, &user(ctx)?.user.permissions.tags)
}
