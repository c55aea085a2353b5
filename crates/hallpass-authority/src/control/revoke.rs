//! Taking back what was handed out. Each answer is given when every server shows it.

use super::on;
use crate::ApiError;
use crate::account::{CompiledRole, CompiledUser, iam_arn, role_arn, user_arn};
use crate::call::{Ctx, Outcome, Requirement};
use crate::entity::{AccessKey, Instance, InstanceState, Revoked};
use crate::state::{access_key_key, put};
use hallpass_store::Op;
use hallpass_types::{AccessKeyId, AccessKeyKind, Arn, UnixSeconds};
use hallpass_wire::XmlWriter;
use std::sync::Arc;

/// No session lives longer: 36 hours of `GetSessionToken`, and 12 of a role assumed at their end.
const LONGEST_LINEAGE_SECONDS: i64 = 48 * 3_600;
/// Revocations that can no longer matter, forgotten with each new one.
const FORGOTTEN_MAX: usize = 50;

/// Revocations are to the second, and nothing issued in this one may be missed.
fn before(ctx: &Ctx<'_>) -> UnixSeconds {
    ctx.call.now.plus(1)
}

fn key_id(ctx: &Ctx<'_>) -> Result<AccessKeyId, ApiError> {
    let text = ctx.required("AccessKeyId")?;
    text.parse()
        .map_err(|_| ApiError::validation(format!("{text} is not an access key id")))
}

/// A session belongs to the account in its key's name; another account's is not ours to revoke.
fn own_session(ctx: &Ctx<'_>) -> Result<AccessKeyId, ApiError> {
    let id = key_id(ctx)?;
    let is_ours = id.kind() == Some(AccessKeyKind::Session) && id.account() == Some(ctx.account.id());
    is_ours.then_some(id).ok_or_else(|| {
        ApiError::no_such_entity("The access key is not that of a session of this account.".to_owned())
    })
}

fn own_key<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Arc<AccessKey>, ApiError> {
    let id = key_id(ctx)?;
    let key = ctx.state.keys.get(&id);
    key.filter(|key| key.account == ctx.account.id())
        .ok_or_else(|| ApiError::no_such_entity(format!("The Access Key with id {id} cannot be found")))
}

fn own_role<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Arc<CompiledRole>, ApiError> {
    let name = ctx.required("RoleName")?;
    let role = ctx.account.role(name);
    role.ok_or_else(|| ApiError::no_such_entity(format!("The role with name {name} cannot be found.")))
}

fn own_user<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Arc<CompiledUser>, ApiError> {
    let name = ctx.required("UserName")?;
    let user = ctx.account.user(name);
    user.ok_or_else(|| ApiError::no_such_entity(format!("The user with name {name} cannot be found.")))
}

fn own_instance<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Arc<Instance>, ApiError> {
    let id = ctx.required("InstanceId")?;
    let instance = ctx.account.instances.get(id);
    instance.ok_or_else(|| ApiError::no_such_entity(format!("The instance ID '{id}' does not exist")))
}

pub(super) fn session_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let id = own_session(ctx)?;
    let account = ctx.account.id();
    let arn = Arn::aws("hallpass", "", account.as_str(), &format!("session/{id}"));
    on(ctx, &arn.to_string())
}

pub(super) fn key_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let key = own_key(ctx)?;
    let owner = match &key.user {
        Some(name) => match ctx.account.user(name) {
            Some(user) => user_arn(ctx.account.id(), &user.user),
            None => iam_arn(ctx.account.id(), &format!("user/{name}")),
        },
        None => iam_arn(ctx.account.id(), "root"),
    };
    on(ctx, &owner)
}

pub(super) fn role_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    on(ctx, &role_arn(ctx.account.id(), &own_role(ctx)?.role))
}

pub(super) fn user_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    on(ctx, &user_arn(ctx.account.id(), &own_user(ctx)?.user))
}

pub(super) fn instance_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let id = &own_instance(ctx)?.id;
    let account = ctx.account.id();
    let arn = Arn::aws(
        "ec2",
        &ctx.env.region,
        account.as_str(),
        &format!("instance/{id}"),
    );
    on(ctx, &arn.to_string())
}

fn revoked_key(ctx: &Ctx<'_>, id: &AccessKeyId) -> String {
    format!("v1/{}/revoked/{id}", ctx.account.id())
}

fn refuse(ctx: &Ctx<'_>, id: &AccessKeyId, before: Option<UnixSeconds>) -> Op {
    let revoked = Revoked {
        id: id.clone(),
        before,
        until: ctx.call.now.plus(LONGEST_LINEAGE_SECONDS),
    };
    put(revoked_key(ctx, id), &revoked)
}

/// Entries of this account that no living session can be measured by.
fn forgotten(ctx: &Ctx<'_>) -> impl Iterator<Item = Op> {
    let over = ctx
        .state
        .revoked
        .values()
        .filter(|revoked| revoked.until < ctx.call.now && revoked.id.account() == Some(ctx.account.id()));
    over.take(FORGOTTEN_MAX)
        .map(|revoked| Op::Delete(revoked_key(ctx, &revoked.id)))
}

fn done(ctx: &Ctx<'_>, mut ops: Vec<Op>, what: &str, name: &str) -> Result<Outcome, ApiError> {
    let touched: Vec<String> = ops
        .iter()
        .map(|op| match op {
            Op::Put(key, _) | Op::Delete(key) => key.clone(),
        })
        .collect();
    ops.extend(forgotten(ctx).filter(|op| match op {
        Op::Put(key, _) | Op::Delete(key) => !touched.contains(key),
    }));
    let mut xml = XmlWriter::new();
    xml.text(what, name);
    Ok(Outcome::made(xml, ops)?.confirmed())
}

pub(super) fn session(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let id = own_session(ctx)?;
    done(ctx, vec![refuse(ctx, &id, None)], "AccessKeyId", id.as_str())
}

fn key_ops(ctx: &Ctx<'_>, own: &AccessKey) -> [Op; 2] {
    let mut inactive = own.clone();
    inactive.is_active = false;
    [
        put(access_key_key(ctx.account.id(), &own.id), &inactive),
        refuse(ctx, &own.id, Some(before(ctx))),
    ]
}

/// The key is made inactive, and what it was used to get is refused.
pub(super) fn key(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let own = own_key(ctx)?;
    done(ctx, key_ops(ctx, own).into(), "AccessKeyId", own.id.as_str())
}

pub(super) fn role(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut role = own_role(ctx)?.role.clone();
    role.revoked_before = Some(before(ctx));
    let ops = vec![put(key_in(ctx, "role", &role.name), &role)];
    done(ctx, ops, "RoleName", &role.name)
}

fn key_in(ctx: &Ctx<'_>, kind: &str, name: &str) -> String {
    crate::state::key(ctx.account.id(), kind, name)
}

/// All of a user's keys, and every session that came of them.
pub(super) fn user(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut user = own_user(ctx)?.user.clone();
    user.revoked_before = Some(before(ctx));
    let mut ops = vec![put(key_in(ctx, "user", &user.name), &user)];
    for own in ctx.state.keys_of(ctx.account.id(), Some(&user.name)) {
        ops.extend(key_ops(ctx, &own));
    }
    done(ctx, ops, "UserName", &user.name)
}

/// Every session issued to an instance, and its certificate: it has to enrol again. With `Terminate`, it never will.
pub(super) fn instance(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut instance = Instance::clone(own_instance(ctx)?);
    instance.revoked_before = Some(before(ctx));
    instance.node = None;
    if ctx.param("Terminate") == Some("true") && instance.state == InstanceState::Running {
        instance.state = InstanceState::Terminated;
        instance.terminated = Some(ctx.call.now);
        instance.association_id = None;
    }
    let ops = vec![put(key_in(ctx, "instance", &instance.id), &instance)];
    done(ctx, ops, "InstanceId", &instance.id)
}
