//! An account as data: who is in it, and every document that bears on them. It comes from the running server or from
//! a file, and one parser reads both.

mod details;
mod fetch;
mod keys;
mod load;
mod policies;

#[cfg(test)]
pub(super) use details::parse_one as parse;
pub(super) use keys::{CREDENTIAL_REPORT_HEAD, Key, REPORT_BYTES_MAX, credential_report};
pub(super) use load::{AccountSource, load};
pub(super) use policies::{Held, ResourcePolicy, Unreadable, compile, everything};

use hallpass_policy::PrincipalInfo;
use hallpass_types::AccountId;
use std::collections::BTreeMap;

/// A policy document and what explanations call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    /// `user/ana inline p`, `managed policy Edge`.
    pub(super) name: String,
    /// As written; places count within it.
    pub(super) text: String,
}

/// What sort of entity holds policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EntityKind {
    /// An IAM user.
    User,
    /// A role; its sessions are who asks.
    Role,
}

/// A user or a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entity {
    /// What it is.
    pub(super) kind: EntityKind,
    /// Its name without the path.
    pub(super) name: String,
    /// Its ARN with the path.
    pub(super) arn: String,
    /// `AIDA…` or `AROA…`; empty when the source does not tell.
    pub(super) id: String,
    /// Its tags: key and value.
    pub(super) tags: Vec<(String, String)>,
    /// Its inline policies.
    pub(super) inline: Vec<Document>,
    /// The ARNs of the managed policies attached.
    pub(super) attached: Vec<String>,
    /// The names of its groups.
    pub(super) groups: Vec<String>,
    /// The ARN of its permissions boundary.
    pub(super) boundary: Option<String>,
    /// A role's trust policy.
    pub(super) trust: Option<Document>,
}

impl Entity {
    /// `user/ana`, `role/app`: the name without the path, as findings and tables show it.
    pub(super) fn shown(&self) -> String {
        match self.kind {
            EntityKind::User => format!("user/{}", self.name),
            EntityKind::Role => format!("role/{}", self.name),
        }
    }

    /// Who asks: the user, or a session of the role that has no name yet.
    pub(super) fn principal(&self, account: AccountId) -> PrincipalInfo {
        match self.kind {
            EntityKind::User => PrincipalInfo::user(account, &self.arn, &self.id),
            EntityKind::Role => self.session(account, "session"),
        }
    }

    /// The session `name` of the role.
    pub(super) fn session(&self, account: AccountId, name: &str) -> PrincipalInfo {
        let partition = self.arn.split(':').nth(1).unwrap_or("aws");
        let session = format!("arn:{partition}:sts::{account}:assumed-role/{}/{name}", self.name);
        PrincipalInfo::role_session(account, &session, &self.arn, &self.id)
    }
}

/// A group of users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Group {
    /// Its inline policies.
    pub(super) inline: Vec<Document>,
    /// The ARNs of the managed policies attached.
    pub(super) attached: Vec<String>,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// Its number.
    pub(super) id: AccountId,
    /// Its users and roles, by kind and name.
    pub(super) entities: Vec<Entity>,
    /// Its groups by name.
    pub(super) groups: BTreeMap<String, Group>,
    /// The default versions of managed policies by ARN.
    pub(super) managed: BTreeMap<String, Document>,
    /// Access keys, as far as the source tells of them.
    pub(super) keys: Vec<Key>,
}

impl Account {
    /// The user or role that is meant: an ARN, `role/NAME` or `user/NAME`; with the path or without. A session's ARN
    /// means its role.
    pub(super) fn entity(&self, text: &str) -> Option<&Entity> {
        let rest = match text.strip_prefix("arn:") {
            Some(_) => text.splitn(6, ':').nth(5)?,
            None => text,
        };
        let (kind, name) = rest.split_once('/')?;
        let (kind, name) = match kind {
            "user" => (EntityKind::User, name),
            "role" => (EntityKind::Role, name),
            "assumed-role" => (EntityKind::Role, name.split('/').next()?),
            _ => return None,
        };
        let own = text
            .split(':')
            .nth(4)
            .is_none_or(|account| account == self.id.as_str());
        let last = name.rsplit('/').next()?;
        let mut found = self.entities.iter().filter(|entity| entity.kind == kind && own);
        found.find(|entity| entity.name.eq_ignore_ascii_case(last))
    }

    /// The role with this ARN.
    pub(super) fn role(&self, arn: &str) -> Option<&Entity> {
        let mut roles = self
            .entities
            .iter()
            .filter(|entity| entity.kind == EntityKind::Role);
        roles.find(|role| role.arn == arn)
    }
}
