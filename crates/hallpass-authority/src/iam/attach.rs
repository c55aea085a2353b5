//! Managed policies attached to roles, users and groups.

use super::{aws_policy, put_group, put_role, put_user, under_path};
use crate::ApiError;
use crate::call::{Ctx, Outcome, page_end};
use crate::entity::Permissions;
use hallpass_wire::XmlWriter;

const ATTACHED_MAX: usize = 20;

/// The path in a policy's ARN: `/` or `/a/b/`.
pub(super) fn path_of(arn: &str) -> &str {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let path = resource.find('/').and_then(|start| resource.get(start..));
    let path = path.unwrap_or("/");
    path.get(..=path.rfind('/').unwrap_or(0)).unwrap_or("/")
}

fn attach(ctx: &Ctx<'_>, permissions: &mut Permissions, quota: &str) -> Result<(), ApiError> {
    let arn = ctx.required("PolicyArn")?;
    if !arn.starts_with("arn:") {
        return Err(ApiError::validation(format!("ARN {arn} is not valid.")));
    }
    if ctx.account.managed_policy(arn).is_none() {
        return Err(ApiError::no_such_entity(format!(
            "Policy {arn} does not exist or is not attachable."
        )));
    }
    aws_policy::attachable(arn)?;
    if permissions.attached.iter().any(|other| other == arn) {
        return Ok(());
    }
    if permissions.attached.len() >= ATTACHED_MAX {
        return Err(ApiError::limit(format!(
            "Cannot exceed quota for {quota}: {ATTACHED_MAX}"
        )));
    }
    permissions.attached.push(arn.to_owned());
    Ok(())
}

fn detach(ctx: &Ctx<'_>, permissions: &mut Permissions) -> Result<(), ApiError> {
    let arn = ctx.required("PolicyArn")?;
    let before = permissions.attached.len();
    permissions.attached.retain(|other| other != arn);
    if permissions.attached.len() == before {
        return Err(ApiError::no_such_entity(format!("Policy {arn} was not found.")));
    }
    Ok(())
}

fn list(ctx: &Ctx<'_>, permissions: &Permissions) -> Result<Outcome, ApiError> {
    let mut arns = permissions.attached.clone();
    arns.retain(|arn| under_path(ctx, path_of(arn)));
    arns.sort();
    let (arns, marker) = ctx.page(arns, Clone::clone)?;
    let mut xml = XmlWriter::new();
    xml.list("AttachedPolicies", "member", arns, |xml, arn| {
        xml.text("PolicyName", arn.rsplit('/').next().unwrap_or_default())
            .text("PolicyArn", &arn);
    });
    page_end(&mut xml, marker);
    Outcome::read(xml)
}

pub(crate) fn role(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut role = super::role(ctx)?.role.clone();
    attach(ctx, &mut role.permissions, "PoliciesPerRole")?;
    Outcome::wrote(vec![put_role(ctx, &role)])
}

pub(crate) fn detach_role(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut role = super::role(ctx)?.role.clone();
    detach(ctx, &mut role.permissions)?;
    Outcome::wrote(vec![put_role(ctx, &role)])
}

pub(crate) fn list_role(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    list(ctx, &super::role(ctx)?.role.permissions)
}

pub(crate) fn user(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut user = super::user(ctx)?.user.clone();
    attach(ctx, &mut user.permissions, "PoliciesPerUser")?;
    Outcome::wrote(vec![put_user(ctx, &user)])
}

pub(crate) fn detach_user(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut user = super::user(ctx)?.user.clone();
    detach(ctx, &mut user.permissions)?;
    Outcome::wrote(vec![put_user(ctx, &user)])
}

pub(crate) fn list_user(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    list(ctx, &super::user(ctx)?.user.permissions)
}

pub(crate) fn group(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut group = super::group(ctx)?.group.clone();
    attach(ctx, &mut group.permissions, "PoliciesPerGroup")?;
    Outcome::wrote(vec![put_group(ctx, &group)])
}

pub(crate) fn detach_group(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut group = super::group(ctx)?.group.clone();
    detach(ctx, &mut group.permissions)?;
    Outcome::wrote(vec![put_group(ctx, &group)])
}

pub(crate) fn list_group(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    list(ctx, &super::group(ctx)?.group.permissions)
}
