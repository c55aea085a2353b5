use super::{is_active, status, user, user_name};
use crate::ApiError;
use crate::account::AccountState;
use crate::authority::new_access_key;
use crate::call::{Ctx, Outcome, page_end};
use crate::entity::AccessKey;
use crate::state::{access_key_key, put};
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
    Outcome::wrote(vec![Op::Delete(access_key_key(ctx.account.id(), &find(ctx)?.id))])
}
