//! What trust anchors, profiles and revocation lists have in common: names, ids, being enabled, lists of them.

use super::{Asked, Planned, invalid, not_found, read};
use crate::ApiError;
use crate::account::AccountState;
use crate::entity::Head;
use crate::state::{key, put};
use hallpass_session::{Tag, random_uuid};
use hallpass_store::Op;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `ResourceName` of the service's model.
const NAME_CHARS_MAX: usize = 255;
const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: i64 = 500;

/// One of the three kinds.
pub(super) trait Thing: Clone + Serialize {
    /// In store keys.
    const KIND: &'static str;
    /// In ARNs.
    const RESOURCE: &'static str;
    /// In answers, and of several.
    const MEMBERS: (&'static str, &'static str);
    /// Of an account.
    const COUNT_MAX: usize;

    fn all(account: &AccountState) -> &BTreeMap<String, Arc<Self>>;
    fn head(&self) -> &Head;
    fn head_mut(&mut self) -> &mut Head;
    /// As answers show it.
    fn json(&self, asked: &Asked<'_>) -> Value;
}

/// The name that requests give the id under: `trustAnchorId`.
fn id_member<T: Thing>() -> String {
    format!("{}Id", T::MEMBERS.0)
}

/// The one the request names.
pub(super) fn found<'a, T: Thing>(asked: &Asked<'a>) -> Result<&'a Arc<T>, ApiError> {
    let id = asked.required(&id_member::<T>())?;
    T::all(asked.account)
        .get(id)
        .ok_or_else(|| not_found(format!("There is no {} with the id {id}.", T::RESOURCE)))
}

pub(super) fn answer<T: Thing>(asked: &Asked<'_>, thing: &T) -> Value {
    json!({ T::MEMBERS.0: thing.json(asked) })
}

/// Id, ARN, name, state and instants: what answers show of every kind.
pub(super) fn head_json<T: Thing>(asked: &Asked<'_>, thing: &T) -> Value {
    let head = thing.head();
    json!({
        id_member::<T>(): head.id,
        format!("{}Arn", T::MEMBERS.0): asked.arn(T::RESOURCE, &head.id),
        "name": head.name,
        "enabled": head.is_enabled,
        "createdAt": head.created.iso8601(),
        "updatedAt": head.updated.iso8601(),
    })
}

/// The write that keeps it.
pub(super) fn kept<T: Thing>(asked: &Asked<'_>, thing: &T) -> Op {
    put(key(asked.account.id(), T::KIND, &thing.head().id), thing)
}

/// The changed one, as of now.
pub(super) fn changed<T: Thing>(asked: &Asked<'_>, mut thing: T) -> Planned {
    thing.head_mut().updated = asked.now;
    Ok(((200, answer(asked, &thing)), vec![kept(asked, &thing)]))
}

fn name(asked: &Asked<'_>) -> Result<Option<String>, ApiError> {
    let Some(name) = asked.text("name")? else {
        return Ok(None);
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b" -_".contains(&byte);
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.bytes().all(fits) {
        return Err(invalid(
            "name must be of 1 to 255 letters, digits, spaces, hyphens and underscores.",
        ));
    }
    Ok(Some(name.to_owned()))
}

/// The head of a new one.
pub(super) fn new_head<T: Thing>(asked: &Asked<'_>) -> Result<Head, ApiError> {
    if T::all(asked.account).len() >= T::COUNT_MAX {
        return Err(invalid(format!(
            "There are {} of the kind {} already.",
            T::COUNT_MAX,
            T::RESOURCE
        )));
    }
    Ok(Head {
        id: random_uuid(&*asked.env.entropy),
        name: name(asked)?.ok_or_else(|| invalid("name must be given."))?,
        is_enabled: asked.truth("enabled")?.unwrap_or(false),
        created: asked.now,
        updated: asked.now,
        tags: super::tags::given(asked)?,
    })
}

/// Takes over a new name, if there is one.
pub(super) fn rename(asked: &Asked<'_>, head: &mut Head) -> Result<(), ApiError> {
    if let Some(name) = name(asked)? {
        head.name = name;
    }
    Ok(())
}

/// 32 hex digits in the groups of a UUID.
pub(super) fn uuid(hex: &str) -> String {
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

pub(super) fn get<T: Thing>(asked: &Asked<'_>) -> Planned {
    read(answer(asked, found::<T>(asked)?.as_ref()))
}

/// One page, by `pageSize` and `nextToken`, which is the id of the last one told.
pub(super) fn list<T: Thing>(asked: &Asked<'_>) -> Planned {
    let size = match asked.text("pageSize")? {
        None => PAGE_DEFAULT,
        Some(text) => {
            let size = text.parse().ok().filter(|size| (1..=PAGE_MAX).contains(size));
            let size = size.ok_or_else(|| invalid(format!("pageSize must be from 1 to {PAGE_MAX}.")))?;
            usize::try_from(size).unwrap_or(PAGE_DEFAULT)
        }
    };
    let after = asked.text("nextToken")?.unwrap_or_default();
    let mut rest = T::all(asked.account)
        .iter()
        .filter(|(id, _)| id.as_str() > after)
        .peekable();
    let mut told = vec![];
    let mut last = None;
    while let Some((id, thing)) = rest.next_if(|_| told.len() < size) {
        told.push(thing.json(asked));
        last = Some(id);
    }
    let mut answer = json!({ T::MEMBERS.1: told });
    if let (Some(_), Some(last)) = (rest.peek(), last) {
        answer["nextToken"] = json!(last);
    }
    read(answer)
}

pub(super) fn enable<T: Thing>(asked: &Asked<'_>, is_enabled: bool) -> Planned {
    let mut thing = T::clone(found::<T>(asked)?);
    thing.head_mut().is_enabled = is_enabled;
    changed(asked, thing)
}

pub(super) fn delete<T: Thing>(asked: &Asked<'_>) -> Planned {
    let thing = found::<T>(asked)?;
    let gone = Op::Delete(key(asked.account.id(), T::KIND, &thing.head().id));
    Ok(((200, answer(asked, thing.as_ref())), vec![gone]))
}

/// The same with other tags.
pub(super) fn tagged<T: Thing>(asked: &Asked<'_>, thing: &T, tags: Vec<Tag>) -> Op {
    let mut thing = thing.clone();
    thing.head_mut().tags = tags;
    kept(asked, &thing)
}
