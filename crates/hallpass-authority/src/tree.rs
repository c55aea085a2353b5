//! The organization in memory: its tree, and what its service control policies mean for each account.

use crate::entity::{ControlPolicy, Membership, Organization, Unit};
use crate::managed::deny_all;
use hallpass_access::OrganizationPlace;
use hallpass_policy::{NamedPolicy, Policy, PolicyGroup, PolicyKind};
use hallpass_types::AccountId;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Units below the root (AWS Organizations, "Quotas").
pub(crate) const DEPTH_MAX: usize = 5;

#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) organization: Option<Organization>,
    pub(crate) units: BTreeMap<String, Unit>,
    pub(crate) policies: BTreeMap<String, ControlPolicy>,
    pub(crate) members: BTreeMap<AccountId, Membership>,
    /// What limits each member, a group for each level from the root down to the account.
    levels: HashMap<AccountId, Arc<Vec<PolicyGroup>>>,
    /// Where each member is.
    places: HashMap<AccountId, Arc<OrganizationPlace>>,
    /// Something changed since they were made.
    is_unsettled: bool,
}

impl Tree {
    pub(crate) fn touch(&mut self) {
        self.is_unsettled = true;
    }

    /// From the root down to the account itself.
    pub(crate) fn path(&self, account: AccountId) -> Vec<String> {
        let mut path = vec![account.to_string()];
        let mut at = self.members.get(&account).map(|member| member.parent.clone());
        while let Some(place) = at {
            at = self.units.get(&place).map(|unit| unit.parent.clone());
            path.push(place);
            // A circle cannot be made through the API.
            if path.len() > DEPTH_MAX + 2 {
                break;
            }
        }
        path.reverse();
        path
    }

    /// How many units lie between the root and this place, itself included.
    pub(crate) fn depth(&self, place: &str) -> usize {
        let mut depth = 0;
        let mut at = self.units.get(place);
        while let Some(unit) = at {
            depth += 1;
            if depth > DEPTH_MAX {
                break;
            }
            at = self.units.get(&unit.parent);
        }
        depth
    }

    /// Makes the levels anew after changes.
    pub(crate) fn settle(&mut self) {
        if !std::mem::take(&mut self.is_unsettled) {
            return;
        }
        let compiled: BTreeMap<&str, NamedPolicy> = self
            .policies
            .values()
            .map(|policy| {
                let name = format!("service control policy {}", policy.name);
                let parsed = match Policy::parse(&policy.content, PolicyKind::ServiceControl) {
                    Ok(parsed) => NamedPolicy::new(&name, parsed),
                    // It may have held a deny.
                    Err(_) => deny_all(&name),
                };
                (policy.id.as_str(), parsed)
            })
            .collect();
        let mut groups: HashMap<&str, PolicyGroup> = HashMap::new();
        let mut attached: HashMap<&str, Vec<NamedPolicy>> = HashMap::new();
        for policy in self.policies.values() {
            for target in &policy.targets {
                if let Some(parsed) = compiled.get(policy.id.as_str()) {
                    attached.entry(target).or_default().push(parsed.clone());
                }
            }
        }
        for (target, policies) in attached {
            groups.insert(target, policies.into_iter().collect());
        }
        let management = self.organization.as_ref().map(|one| one.management);
        let limited = self
            .members
            .keys()
            .filter(|account| Some(**account) != management);
        let levels = limited
            .map(|account| {
                let path = self.path(*account);
                let levels = path
                    .iter()
                    .map(|place| groups.get(place.as_str()).cloned().unwrap_or_default());
                (*account, Arc::new(levels.collect()))
            })
            .collect();
        self.levels = levels;
        self.places = self
            .organization
            .as_ref()
            .map_or_else(HashMap::new, |organization| {
                let place = |account: &AccountId| {
                    // Without the account itself, and with a slash at the end, as AWS has it.
                    let mut above = self.path(*account);
                    above.pop();
                    let path = format!("{}/{}/", organization.id, above.join("/"));
                    let id = organization.id.clone();
                    (*account, Arc::new(OrganizationPlace { id, path }))
                };
                self.members.keys().map(place).collect()
            });
    }

    /// Where an account is; `None`: in no organization.
    pub(crate) fn place(&self, account: AccountId) -> Option<Arc<OrganizationPlace>> {
        self.places.get(&account).cloned()
    }

    /// The service control policies above an account; `None`: nothing limits it.
    pub(crate) fn levels(&self, account: AccountId) -> Option<Arc<Vec<PolicyGroup>>> {
        self.levels.get(&account).cloned()
    }
}
