//! What the principal holds now: which of it was used, and under which conditions.

use super::document::{Grant, literal};
use super::trail::Trail;
use crate::policy::account::{Account, Entity, Held};
use crate::policy::answer::statement as place;
use hallpass_policy::simulate;
use hallpass_policy::{
    Context, Outcome, PolicySet, PrincipalInfo, Request, Statement, StatementEffect, StatementRef,
};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// As many unused actions are told one by one; of more, the number.
const ACTIONS_SHOWN: usize = 20;

/// The principal's own policies.
pub(super) struct Present<'a> {
    account: &'a Account,
    held: &'a Held,
    principal: PrincipalInfo,
    context: Context,
    texts: BTreeMap<&'a str, &'a str>,
    /// The actions for which each statement was needed, by policy and number.
    used: RefCell<BTreeMap<(String, usize), BTreeSet<String>>>,
}

/// A statement of which something was never used.
#[derive(Debug)]
pub(super) struct Unused {
    statement: StatementRef,
    never_used: bool,
    actions: Vec<String>,
}

impl<'a> Present<'a> {
    /// Of this user or role.
    pub(super) fn new(account: &'a Account, entity: &'a Entity, held: &'a Held) -> Self {
        let principal = entity.principal(account.id);
        let mut context = Context::of_principal(&principal);
        for (key, value) in &entity.tags {
            context.set(format!("aws:PrincipalTag/{key}"), value);
        }
        let documents = account.documents(entity).unwrap_or_default().into_iter();
        Self {
            account,
            held,
            principal,
            context,
            texts: documents
                .map(|document| (document.name.as_str(), document.text.as_str()))
                .collect(),
            used: RefCell::default(),
        }
    }

    /// The statements that bear on an action and a resource, with why each applies or does not.
    fn considered(&self, action: &str, resource: &str) -> Vec<hallpass_policy::Considered> {
        let request = Request {
            principal: &self.principal,
            action,
            resource,
            resource_account: Some(self.account.id.as_str()),
            context: &self.context,
        };
        let set = PolicySet {
            identity: Some(&self.held.identity),
            ..PolicySet::default()
        };
        simulate(&request, &set, None).considered
    }

    /// Everything used, as it is allowed now, and what is not allowed now: by another's policy, or no longer.
    pub(super) fn justify(&self, trail: &Trail) -> (Vec<Grant>, Vec<(String, String)>) {
        let (mut grants, mut left_out) = (Vec::new(), Vec::new());
        for (action, resource) in trail.pairs() {
            let found = match resource {
                Some(resource) => self.on(action, resource),
                None => self.anywhere(action),
            };
            if found.is_empty() {
                left_out.push((action.to_owned(), resource.unwrap_or("*").to_owned()));
            }
            grants.extend(found);
        }
        (grants, left_out)
    }

    /// The grant of an action on a resource: by the statement with the fewest conditions.
    fn on(&self, action: &str, resource: &str) -> Vec<Grant> {
        let considered = self.considered(action, resource);
        let fits = considered.iter().filter(|one| {
            let matched = matches!(one.outcome, Outcome::Applied | Outcome::ConditionsFailed(_));
            one.effect == StatementEffect::Allow && matched
        });
        let rank = |one: &StatementRef| {
            one.statement()
                .map(|statement| (statement.conditions().count(), has_variables(statement)))
        };
        let best = fits.map(|one| &one.statement).min_by_key(|one| rank(one));
        let Some((best, statement)) = best.and_then(|best| Some((best, best.statement()?))) else {
            return Vec::new();
        };
        self.note(best, action);
        let grant = |resource: String| Grant {
            action: action.to_owned(),
            resource,
            condition: condition(statement),
        };
        if has_variables(statement) && !statement.is_not_resource() {
            // Without its variables it would be allowed to others who come to hold the policy.
            return statement
                .resources()
                .map(|pattern| grant(pattern.to_owned()))
                .collect();
        }
        vec![grant(literal(resource))]
    }

    /// The grants of an action of which the log does not tell the resource: all that there are.
    fn anywhere(&self, action: &str) -> Vec<Grant> {
        let considered = self.considered(action, "*");
        let fits = considered
            .iter()
            .filter(|one| one.effect == StatementEffect::Allow && one.outcome != Outcome::ActionMismatch);
        let mut grants = Vec::new();
        for one in fits {
            let Some(statement) = one
                .statement
                .statement()
                .filter(|statement| !statement.is_not_resource())
            else {
                continue;
            };
            self.note(&one.statement, action);
            grants.extend(statement.resources().map(|pattern| Grant {
                action: action.to_owned(),
                resource: pattern.to_owned(),
                condition: condition(statement),
            }));
        }
        grants
    }

    fn note(&self, statement: &StatementRef, action: &str) {
        let key = (statement.policy().to_owned(), statement.index());
        self.used
            .borrow_mut()
            .entry(key)
            .or_default()
            .insert(action.to_owned());
    }

    /// The denies that could bear on what was used, as they are written.
    pub(super) fn denies(&self, trail: &Trail) -> Vec<Value> {
        let mut known = BTreeSet::new();
        let mut denies = Vec::new();
        for action in trail.used.keys() {
            for one in self.considered(action, "*") {
                let bears = one.effect == StatementEffect::Deny && one.outcome != Outcome::ActionMismatch;
                let place = (one.statement.policy().to_owned(), one.statement.index());
                if bears && known.insert(place) {
                    denies.extend(self.written(&one.statement));
                }
            }
        }
        denies
    }

    fn written(&self, statement: &StatementRef) -> Option<Value> {
        let text = self.texts.get(statement.policy())?;
        let text = text.get(statement.position().offset..statement.end().offset)?;
        serde_json::from_str(text).ok()
    }

    /// What of the allowing statements was not needed.
    pub(super) fn unused(&self, trail: &Trail) -> Vec<Unused> {
        let used = self.used.borrow();
        let mut unused = Vec::new();
        let known = trail
            .used
            .keys()
            .map(|action| action.to_ascii_lowercase())
            .collect::<BTreeSet<_>>();
        for one in self.considered("none:None", "*") {
            let Some(statement) = one
                .statement
                .statement()
                .filter(|_| one.effect == StatementEffect::Allow)
            else {
                continue;
            };
            let place = (one.statement.policy().to_owned(), one.statement.index());
            let never_used = !used.contains_key(&place);
            let mut actions = Vec::new();
            for pattern in statement.actions().filter(|_| !statement.is_not_action()) {
                let exact = !pattern.contains(['*', '?']);
                if exact && !known.contains(&pattern.to_ascii_lowercase()) {
                    actions.push(pattern.to_owned());
                }
                let all = hallpass_reference::matching(pattern).filter(|_| !exact);
                let names = all.map(|action| format!("{}:{}", action.service_prefix(), action.name()));
                actions.extend(names.filter(|name| !trail.used.contains_key(name)));
            }
            if never_used || !actions.is_empty() {
                unused.push(Unused {
                    statement: one.statement.clone(),
                    never_used,
                    actions,
                });
            }
        }
        unused
    }
}

impl Unused {
    /// `unused_actions` are those known actions, and those named, that the log does not show.
    pub(super) fn json(&self) -> Value {
        json!({
            "statement": place(&self.statement),
            "never_used": self.never_used,
            "unused_actions": self.actions,
        })
    }
}

impl fmt::Display for Unused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            statement, actions, ..
        } = self;
        if self.never_used {
            return write!(f, "never used: {statement}");
        }
        if actions.len() > ACTIONS_SHOWN {
            return write!(f, "never used: {} actions of {statement}", actions.len());
        }
        write!(f, "never used: {} of {statement}", actions.join(", "))
    }
}

fn has_variables(statement: &Statement) -> bool {
    statement.resources().any(|pattern| pattern.contains("${"))
}

/// The conditions as they are written, one list of values for each key.
fn condition(statement: &Statement) -> Option<Value> {
    let mut operators: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for (operator, key, values) in statement.conditions() {
        let keys = operators.entry(operator).or_default();
        keys.insert(
            key.to_owned(),
            values.iter().map(|value| json!(&**value)).collect(),
        );
    }
    (!operators.is_empty()).then(|| json!(operators))
}
