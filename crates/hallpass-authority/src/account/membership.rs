//! Which users are in which groups, both ways. The store keeps it on the users; this is the way back.

use super::{AccountState, CompiledGroup, CompiledUser, IdentityPolicies};
use crate::entity::User;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

/// Users by the id of their group, and groups' names by their ids.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    members: BTreeMap<String, BTreeSet<String>>,
    /// Ids of the groups that each user is in, as last taken over.
    of_user: BTreeMap<String, Vec<String>>,
    names: BTreeMap<String, String>,
}

impl Membership {
    /// Names, in lower case, of the users in the group of that id.
    pub(crate) fn members_of(&self, id: &str) -> impl Iterator<Item = &str> {
        self.members.get(id).into_iter().flatten().map(String::as_str)
    }
}

impl IdentityPolicies {
    /// The same, to be put together anew when it is asked next.
    fn afresh(&self) -> Self {
        Self {
            inline: self.inline.clone(),
            all: OnceLock::new(),
        }
    }
}

impl AccountState {
    pub(crate) fn group(&self, name: &str) -> Option<&Arc<CompiledGroup>> {
        self.groups.get(&name.to_ascii_lowercase())
    }

    /// The groups a user is in. Those that are gone are left out.
    pub(crate) fn groups_of<'a>(&'a self, user: &'a User) -> impl Iterator<Item = &'a Arc<CompiledGroup>> {
        let names = user.groups.iter().filter_map(|id| self.membership.names.get(id));
        names.filter_map(|name| self.groups.get(name))
    }

    /// The users in a group.
    pub(crate) fn members_of<'a>(
        &'a self,
        group: &'a CompiledGroup,
    ) -> impl Iterator<Item = &'a Arc<CompiledUser>> {
        let names = self.membership.members_of(&group.group.id);
        names.filter_map(|name| self.users.get(name))
    }

    /// Takes over the groups that the user of that key is in now.
    pub(crate) fn user_changed(&mut self, name: &str) {
        for id in self.membership.of_user.remove(name).unwrap_or_default() {
            if let Some(members) = self.membership.members.get_mut(&id) {
                members.remove(name);
                if members.is_empty() {
                    self.membership.members.remove(&id);
                }
            }
        }
        let groups = self.users.get(name).map(|user| user.user.groups.clone());
        let Some(groups) = groups.filter(|groups| !groups.is_empty()) else {
            return;
        };
        for id in &groups {
            let members = self.membership.members.entry(id.clone()).or_default();
            members.insert(name.to_owned());
        }
        self.membership.of_user.insert(name.to_owned(), groups);
    }

    /// Takes over a group that came, changed or went: its members' policies are put together anew, nobody else's.
    pub(crate) fn group_changed(&mut self, name: &str, before: Option<String>, after: Option<String>) {
        if let Some(id) = before.as_ref().filter(|id| after.as_ref() != Some(*id))
            // A group that was renamed already has its new name.
            && self.membership.names.get(id).is_some_and(|known| known == name)
        {
            self.membership.names.remove(id);
        }
        if let Some(id) = &after {
            self.membership.names.insert(id.clone(), name.to_owned());
        }
        let ids = before.iter().chain(&after);
        let members: BTreeSet<String> = ids
            .flat_map(|id| self.membership.members_of(id))
            .map(str::to_owned)
            .collect();
        for member in members {
            if let Some(user) = self.users.get_mut(&member) {
                *user = Arc::new(CompiledUser {
                    user: user.user.clone(),
                    identity: user.identity.afresh(),
                });
            }
        }
    }
}
