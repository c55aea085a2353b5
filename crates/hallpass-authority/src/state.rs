//! The whole state in memory, built from the store's keys and kept up with its events.

use crate::account::{AccountState, compile_group, compile_policy, compile_role, compile_user, policy_arn};
use crate::entity::{
    AccessKey, Account, Ec2Machine, Enrolment, Group, Instance, InstanceProfile, ManagedPolicy, Revoked,
    Role, StoredAuthority, User,
};
use crate::outbound::TokenKeys;
use crate::tree::Tree;
use hallpass_session::SessionClaims;
use hallpass_store::{Listing, Op};
use hallpass_types::{AccessKeyId, AccountId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Everything of ours in the store.
pub(crate) const PREFIX: &str = "v1/";

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) accounts: BTreeMap<AccountId, AccountState>,
    pub(crate) keys: HashMap<AccessKeyId, Arc<AccessKey>>,
    /// The account that was there first: the system's own keys are its to rotate.
    pub(crate) home: Option<AccountId>,
    pub(crate) tree: Tree,
    pub(crate) revoked: HashMap<AccessKeyId, Revoked>,
    /// Certificate authorities of the fleet's machines, by generation.
    pub(crate) authorities: BTreeMap<u32, Arc<StoredAuthority>>,
    /// What signs tokens for services elsewhere, by generation.
    pub(crate) token_keys: BTreeMap<u32, Arc<TokenKeys>>,
    /// By account, region and instance id as AWS has them, parted by slashes.
    pub(crate) ec2_machines: BTreeMap<String, Ec2Machine>,
    /// The revision each key was last written at, for conditional writes.
    pub(crate) revisions: HashMap<String, u64>,
}

/// A stored value that cannot be understood: the store is from elsewhere or damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored entity `{key}` cannot be read: {why}")]
pub(crate) struct ApplyError {
    key: String,
    why: String,
}

impl State {
    /// What a listing of everything shows.
    pub(crate) fn of(listing: &Listing) -> Result<Self, ApplyError> {
        let mut state = Self::default();
        let ours = listing
            .entries
            .iter()
            .filter(|entry| entry.key.starts_with(PREFIX));
        // Accounts first: the other kinds live inside them.
        let (accounts, others): (Vec<_>, Vec<_>) = ours.partition(|entry| entry.key.ends_with("/account/"));
        for entry in accounts.into_iter().chain(others) {
            state.apply(&entry.key, Some(&entry.value), entry.mod_revision)?;
        }
        state.tree.settle();
        Ok(state)
    }

    /// What belongs to no account.
    fn apply_system(
        &mut self,
        key: &str,
        kind: &str,
        name: &str,
        value: Option<&[u8]>,
    ) -> Result<(), ApplyError> {
        let unknown = || ApplyError {
            key: key.to_owned(),
            why: "unknown kind of key".to_owned(),
        };
        match kind {
            "ca" => {
                let generation = name.parse().map_err(|_| unknown())?;
                return set_shared(&mut self.authorities, generation, key, value);
            }
            "token-key" => {
                let generation = name.parse().map_err(|_| unknown())?;
                return set_shared(&mut self.token_keys, generation, key, value);
            }
            "ec2" => return set(&mut self.ec2_machines, name.to_owned(), key, value),
            "org" => self.tree.organization = value.map(|value| decode(key, value)).transpose()?,
            "ou" => set(&mut self.tree.units, name.to_owned(), key, value)?,
            "scp" => set(&mut self.tree.policies, name.to_owned(), key, value)?,
            "member" => set(
                &mut self.tree.members,
                name.parse().map_err(|_| unknown())?,
                key,
                value,
            )?,
            "first-account" => {
                self.home = value
                    .and_then(|value| std::str::from_utf8(value).ok())
                    .and_then(|text| text.parse().ok());
                return Ok(());
            }
            // Keys, servers and what else is not of the state.
            _ => return Ok(()),
        }
        self.tree.touch();
        Ok(())
    }

    pub(crate) fn account(&self, id: AccountId) -> Option<&AccountState> {
        self.accounts.get(&id)
    }

    /// The account that was there first, as far as it is known.
    pub(crate) fn first_account(&self) -> Option<AccountId> {
        let alone = || {
            self.accounts
                .keys()
                .next()
                .filter(|_| self.accounts.len() == 1)
                .copied()
        };
        self.home.or_else(alone)
    }

    /// Why a session is refused for what it rests on.
    pub(crate) fn revocation(&self, claims: &SessionClaims) -> Option<&'static str> {
        if self.revoked.is_empty() {
            return None;
        }
        let refused = |id: &AccessKeyId| {
            let revoked = self.revoked.get(id);
            revoked.is_some_and(|revoked| revoked.before.is_none_or(|before| claims.issued_at < before))
        };
        if refused(&claims.access_key_id) {
            return Some("the session was revoked");
        }
        let mut before = claims.lineage().skip(1);
        before
            .any(refused)
            .then_some("the key it was made with was revoked")
    }

    /// The keys of a user, or of the account's root.
    pub(crate) fn keys_of(&self, account: AccountId, user: Option<&str>) -> Vec<Arc<AccessKey>> {
        let mut keys: Vec<_> = self
            .keys
            .values()
            .filter(|key| {
                let same = match (&key.user, user) {
                    (Some(own), Some(other)) => own.eq_ignore_ascii_case(other),
                    (None, None) => true,
                    _ => false,
                };
                key.account == account && same
            })
            .cloned()
            .collect();
        keys.sort_by(|left, right| (left.created, &left.id).cmp(&(right.created, &right.id)));
        keys
    }

    /// Takes over one key's new value, or its removal.
    pub(crate) fn apply(&mut self, key: &str, value: Option<&[u8]>, revision: u64) -> Result<(), ApplyError> {
        match value {
            Some(_) => self.revisions.insert(key.to_owned(), revision),
            None => self.revisions.remove(key),
        };
        let unknown = || ApplyError {
            key: key.to_owned(),
            why: "unknown kind of key".to_owned(),
        };
        let rest = key.strip_prefix(PREFIX).ok_or_else(unknown)?;
        let mut parts = rest.splitn(3, '/');
        let (Some(account), Some(kind)) = (parts.next(), parts.next()) else {
            return Err(unknown());
        };
        // That its account was written to is all the key says.
        if kind == "write" {
            return Ok(());
        }
        if account == "system" {
            return self.apply_system(key, kind, parts.next().unwrap_or_default(), value);
        }
        let account: AccountId = account.parse().map_err(|_| unknown())?;
        let name = parts.next().unwrap_or_default();
        if kind == "account" {
            match value {
                Some(value) => {
                    let stored: Account = decode(key, value)?;
                    self.accounts
                        .entry(account)
                        .or_insert_with(|| AccountState::new(stored));
                }
                None => {
                    self.accounts.remove(&account);
                }
            }
            return Ok(());
        }
        if kind == "key" {
            let id: AccessKeyId = name.parse().map_err(|_| unknown())?;
            match value {
                Some(value) => self.keys.insert(id, Arc::new(decode::<AccessKey>(key, value)?)),
                None => self.keys.remove(&id),
            };
            return Ok(());
        }
        if kind == "revoked" {
            let id: AccessKeyId = name.parse().map_err(|_| unknown())?;
            match value {
                Some(value) => self.revoked.insert(id, decode::<Revoked>(key, value)?),
                None => self.revoked.remove(&id),
            };
            return Ok(());
        }
        let state = self.accounts.get_mut(&account).ok_or_else(unknown)?;
        match kind {
            "role" => replace::<Role, _>(key, value, name, &mut state.roles, compile_role),
            "user" => {
                replace::<User, _>(key, value, name, &mut state.users, compile_user)?;
                state.user_changed(name);
                Ok(())
            }
            "group" => {
                let id = |state: &AccountState| state.groups.get(name).map(|group| group.group.id.clone());
                let before = id(state);
                replace::<Group, _>(key, value, name, &mut state.groups, compile_group)?;
                let after = id(state);
                state.group_changed(name, before, after);
                Ok(())
            }
            "policy" => {
                let arn = |state: &AccountState| {
                    let known = state.policies.get(name);
                    known.map(|known| policy_arn(account, &known.policy))
                };
                let before = arn(state);
                replace::<ManagedPolicy, _>(key, value, name, &mut state.policies, |policy| {
                    compile_policy(account, policy)
                })?;
                let after = arn(state);
                // A policy made anew under another path is another policy.
                for arn in before
                    .iter()
                    .chain(after.iter().filter(|after| before.as_ref() != Some(after)))
                {
                    state.policy_changed(arn);
                }
                Ok(())
            }
            "profile" => {
                replace::<InstanceProfile, _>(key, value, name, &mut state.profiles, |profile| profile)
            }
            "enrolment" => {
                replace::<Enrolment, _>(key, value, name, &mut state.enrolments, |enrolment| enrolment)
            }
            "instance" => replace::<Instance, _>(key, value, name, &mut state.instances, |instance| instance),
            "mfa" => replace(key, value, name, &mut state.mfa_devices, |device| device),
            "certificate" => replace(key, value, name, &mut state.server_certificates, |it| it),
            "oidc" => replace(key, value, name, &mut state.oidc_providers, |it| it),
            "saml" => replace(key, value, name, &mut state.saml_providers, |it| it),
            "last" => replace(key, value, name, &mut state.last, |it| it),
            "report" => replace(key, value, name, &mut state.reports, |it| it),
            "job" => replace(key, value, name, &mut state.jobs, |it| it),
            "trust-anchor" => replace(key, value, name, &mut state.anywhere.trust_anchors, |it| it),
            "anywhere-profile" => replace(key, value, name, &mut state.anywhere.profiles, |it| it),
            "crl" => replace(key, value, name, &mut state.anywhere.crls, |it| it),
            "settings" => replace(key, value, name, &mut state.settings, |it| it),
            _ => Err(unknown()),
        }
    }
}

fn set<K: Ord, T: DeserializeOwned>(
    map: &mut BTreeMap<K, T>,
    name: K,
    key: &str,
    value: Option<&[u8]>,
) -> Result<(), ApplyError> {
    match value {
        Some(value) => map.insert(name, decode(key, value)?),
        None => map.remove(&name),
    };
    Ok(())
}

fn set_shared<K: Ord, T: DeserializeOwned>(
    map: &mut BTreeMap<K, Arc<T>>,
    name: K,
    key: &str,
    value: Option<&[u8]>,
) -> Result<(), ApplyError> {
    match value {
        Some(value) => map.insert(name, Arc::new(decode(key, value)?)),
        None => map.remove(&name),
    };
    Ok(())
}

fn replace<Stored: DeserializeOwned, Kept>(
    key: &str,
    value: Option<&[u8]>,
    name: &str,
    map: &mut BTreeMap<String, Arc<Kept>>,
    compile: impl FnOnce(Stored) -> Kept,
) -> Result<(), ApplyError> {
    match value {
        Some(value) => map.insert(name.to_owned(), Arc::new(compile(decode(key, value)?))),
        None => map.remove(name),
    };
    Ok(())
}

fn decode<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, ApplyError> {
    serde_json::from_slice(value).map_err(|error| ApplyError {
        key: key.to_owned(),
        why: error.to_string(),
    })
}

/// The store key of an entity; `name` in lower case, as names are unique ignoring case.
pub(crate) fn key(account: AccountId, kind: &str, name: &str) -> String {
    format!("{PREFIX}{account}/{kind}/{}", name.to_ascii_lowercase())
}

/// The store key of an access key; ids are case-sensitive.
pub(crate) fn access_key_key(account: AccountId, id: &AccessKeyId) -> String {
    format!("{PREFIX}{account}/key/{id}")
}

/// Writes `entity` under `key`.
pub(crate) fn put<T: Serialize>(key: String, entity: &T) -> Op {
    // Entities are plain structs of strings, numbers and lists: serialising them cannot fail.
    Op::Put(key, serde_json::to_vec(entity).unwrap_or_default())
}
