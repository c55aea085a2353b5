use super::{is_active, status, user, user_name};
use crate::ApiError;
use crate::account::{AccountState, user_arn};
use crate::authority::new_access_key;
use crate::call::{Ctx, Outcome, Requirement, page_end};
use crate::entity::AccessKey;
use crate::state::{access_key_key, put};
use hallpass_access::ActionOn;
use hallpass_store::Op;
use hallpass_types::AccessKeyId;
use hallpass_wire::XmlWriter;
use std::sync::Arc;

/// Keys of one user, so that a new one can be brought in before the old one goes.
const KEYS_MAX: usize = 2;

pub(crate) fn create(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let user = &user(ctx)?.user;
    let account = ctx.account.id();
    if ctx.state.keys_of(account, Some(&user.name)).len() >= KEYS_MAX {
        return Err(ApiError::limit(format!(
            "Cannot exceed quota for AccessKeysPerUser: {KEYS_MAX}"
        )));
    }
    let (op, id, secret) = new_access_key(ctx.env, account, Some(&user.name), ctx.call.now)?;
    let mut xml = XmlWriter::new();
    xml.element("AccessKey", |xml| {
        xml.text("UserName", &user.name)
            .text("AccessKeyId", id.as_str())
            .text("Status", "Active")
            .text("SecretAccessKey", secret.expose())
            .text("CreateDate", ctx.call.now.iso8601());
    });
    Ok(Outcome::made(xml, vec![op])?
        .noting("accessKeyId", id.as_str())
        .noting("userName", &user.name))
}

pub(crate) fn list(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let user = &user(ctx)?.user;
    let keys = ctx.state.keys_of(ctx.account.id(), Some(&user.name));
    let mut xml = XmlWriter::new();
    xml.list("AccessKeyMetadata", "member", keys, |xml, key| {
        xml.text("UserName", &user.name)
            .text("AccessKeyId", key.id.as_str())
            .text("Status", status(key.is_active))
            .text("CreateDate", key.created.iso8601());
    });
    page_end(&mut xml, None);
    Outcome::read(xml)
}

/// On the user who has the key.
pub(crate) fn last_used_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let owner = any(ctx)?.user.as_deref().and_then(|name| ctx.account.user(name));
    let arn = match owner {
        Some(owner) => user_arn(ctx.account.id(), &owner.user),
        None => super::arn_of(ctx, "root"),
    };
    Ok(Requirement::Actions(vec![ActionOn::new(
        ctx.call.iam_action(),
        arn,
    )]))
}

/// The key named, whoever in the account has it.
fn any<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Arc<AccessKey>, ApiError> {
    let text = ctx.required("AccessKeyId")?;
    let id = text.parse::<AccessKeyId>().ok();
    id.and_then(|id| ctx.state.keys.get(&id))
        .filter(|key| key.account == ctx.account.id())
        .ok_or_else(|| ApiError::no_such_entity(format!("The Access Key with id {text} cannot be found")))
}

pub(crate) fn last_used(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let key = any(ctx)?;
    let used = ctx.last_use(key.id.as_str());
    let mut xml = XmlWriter::new();
    xml.optional("UserName", key.user.as_deref());
    xml.element("AccessKeyLastUsed", |xml| match used.latest() {
        Some((service, used)) => {
            xml.text("LastUsedDate", used.at.iso8601())
                .text("ServiceName", service)
                .text("Region", &used.region);
        }
        None => {
            xml.text("ServiceName", "N/A").text("Region", "N/A");
        }
    });
    Outcome::read(xml)
}

/// The key named, which must be the user's own.
fn find(ctx: &Ctx<'_>) -> Result<Arc<AccessKey>, ApiError> {
    let text = ctx.required("AccessKeyId")?;
    let account: &AccountState = ctx.account;
    let owner = user_name(ctx)?;
    text.parse::<AccessKeyId>()
        .ok()
        .and_then(|id| ctx.state.keys.get(&id))
        .filter(|key| {
            key.account == account.id()
                && key
                    .user
                    .as_deref()
                    .is_some_and(|user| user.eq_ignore_ascii_case(owner))
        })
        .cloned()
        .ok_or_else(|| ApiError::no_such_entity(format!("The Access Key with id {text} cannot be found.")))
}

pub(crate) fn update(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut changed = AccessKey::clone(&*find(ctx)?);
    changed.is_active = is_active(ctx)?;
    Outcome::wrote(vec![put(access_key_key(ctx.account.id(), &changed.id), &changed)])
}

pub(crate) fn delete(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let id = &find(ctx)?.id;
    let mut ops = vec![Op::Delete(access_key_key(ctx.account.id(), id))];
    ops.extend(ctx.forget_last_use(id.as_str()));
    Outcome::wrote(ops)
}
