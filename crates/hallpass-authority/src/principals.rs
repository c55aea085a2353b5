//! Users and roles that a trust policy names by ARN: what they were when it was written, and what to show of them now ("AWS
//! JSON policy elements: Principal", IAM User Guide).

use crate::ApiError;
use crate::account::{AccountState, role_arn, user_arn};
use crate::entity::Role;
use crate::state::State;
use hallpass_policy::{Policy, PolicyKind, PrincipalName};
use hallpass_types::{AccountId, Arn};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The unique id of each user or role that a document names, by the ARN it is named by.
pub(crate) type PrincipalIds = BTreeMap<String, String>;

fn account_of<'a>(state: &'a State, arn: &str) -> Option<&'a AccountState> {
    let arn: Arn = arn.parse().ok()?;
    state.account(arn.account.parse::<AccountId>().ok()?)
}

/// The id of the user or role that has this ARN now.
fn id_of<'a>(state: &'a State, arn: &str) -> Option<&'a str> {
    let account = account_of(state, arn)?;
    let name = arn.rsplit('/').next()?;
    let role = || {
        let role = &account.role(name)?.role;
        (role_arn(account.id(), role) == arn).then_some(role.id.as_str())
    };
    let user = || {
        let user = &account.user(name)?.user;
        (user_arn(account.id(), user) == arn).then_some(user.id.as_str())
    };
    if arn.contains(":role/") { role() } else { user() }
}

/// Takes out of `ids` those of users and roles that are there, in one pass: there may be a million roles.
fn without_known<'a>(state: &State, mut ids: BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    for account in state.accounts.values() {
        if ids.is_empty() {
            break;
        }
        let users = account.users.values().map(|user| user.user.id.as_str());
        let roles = account.roles.values().map(|role| role.role.id.as_str());
        for id in users.chain(roles) {
            ids.remove(id);
        }
    }
    ids
}

/// Whom `policy` means.
///
/// # Errors
/// `MalformedPolicyDocument`: a user or role that does not exist, as AWS says it.
pub(crate) fn ids(state: &State, policy: &Policy) -> Result<PrincipalIds, ApiError> {
    let invalid =
        |name: &str| ApiError::malformed_policy(format!("Invalid principal in policy: \"AWS\":\"{name}\""));
    let (mut ids, mut named) = (PrincipalIds::new(), BTreeSet::new());
    for entry in policy.principals() {
        if let Some(arn) = entry.user_or_role() {
            let id = id_of(state, arn).ok_or_else(|| invalid(arn))?;
            ids.insert(arn.to_owned(), id.to_owned());
        } else if let PrincipalName::UniqueId(id) = &entry.name {
            named.insert(id.as_str());
        }
    }
    match without_known(state, named).first() {
        Some(unknown) => Err(invalid(unknown)),
        None => Ok(ids),
    }
}

/// What became of whom `arn` meant: nothing to say while it is still called so, its new ARN once renamed, its id once
/// deleted.
fn became(state: &State, arn: &str, id: &str) -> Option<String> {
    if id_of(state, arn) == Some(id) {
        return None;
    }
    let account = account_of(state, arn);
    let renamed = account.and_then(|account| Some(user_arn(account.id(), &account.user_of_id(id)?.user)));
    Some(renamed.unwrap_or_else(|| id.to_owned()))
}

/// The role's trust policy as IAM shows it: as it was written, with the ids of those that are gone.
pub(crate) fn shown<'a>(state: &State, role: &'a Role) -> Cow<'a, str> {
    let became = |arn: &str| became(state, arn, role.trusted_ids.get(arn)?);
    if role.trusted_ids.keys().all(|arn| became(arn).is_none()) {
        return Cow::Borrowed(&role.trust);
    }
    let shown = Policy::with_principals(&role.trust, PolicyKind::Trust, became);
    shown.map_or(Cow::Borrowed(&role.trust), Cow::Owned)
}
