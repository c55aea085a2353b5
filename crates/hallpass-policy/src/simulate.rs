//! What the policy simulators ask: a decision with everything that bears on it.

use crate::decision::{Considered, Decision, Effect, Outcome, StatementRef};
use crate::document::{PolicyKind, StatementEffect};
use crate::evaluate::{PolicySet, Request, evaluate_explained, evaluate_trust_explained};
use crate::group::PolicyGroup;
use std::collections::BTreeMap;

/// A decision and all that is known about it. The decision is the one enforcement would make: it comes from the same
/// code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulated {
    /// The decision.
    pub decision: Decision,
    /// Every statement of every policy, and why it applied or not.
    pub considered: Vec<Considered>,
    /// Condition keys that statements about this action read and the request does not have, as written, sorted.
    pub missing_keys: Vec<String>,
}

impl Simulated {
    /// Every statement that determines the result: all that deny if any does, else all of identity and resource
    /// policies that allow, if the result is to allow (`MatchedStatements`).
    #[must_use]
    pub fn determining(&self) -> Vec<&StatementRef> {
        let wanted = match self.decision.effect {
            Effect::ImplicitDeny => return vec![],
            Effect::ExplicitDeny => StatementEffect::Deny,
            Effect::Allow => StatementEffect::Allow,
        };
        let grants = |kind| {
            matches!(
                kind,
                PolicyKind::Identity | PolicyKind::Resource | PolicyKind::Trust
            )
        };
        self.considered
            .iter()
            .filter(|one| one.outcome == Outcome::Applied && one.effect == wanted)
            .filter(|one| wanted == StatementEffect::Deny || grants(one.statement.kind()))
            .map(|one| &one.statement)
            .collect()
    }

    /// Whether policies of one kind, taken alone, allow; `None` when there is no statement of that kind.
    #[must_use]
    pub fn allowed_by(&self, kind: PolicyKind) -> Option<bool> {
        let of_kind = self.considered.iter().filter(|one| one.statement.kind() == kind);
        let mut seen = false;
        let mut allows = false;
        for one in of_kind {
            seen = true;
            match (&one.outcome, one.effect) {
                (Outcome::Applied, StatementEffect::Deny) => return Some(false),
                (Outcome::Applied, StatementEffect::Allow) => allows = true,
                _ => {}
            }
        }
        seen.then_some(allows)
    }
}

/// Decides and tells everything. With `trust` it decides whether the role that has it may be assumed.
#[must_use]
pub fn simulate(request: &Request<'_>, policies: &PolicySet<'_>, trust: Option<&PolicyGroup>) -> Simulated {
    let (decision, considered) = match trust {
        Some(trust) => evaluate_trust_explained(request, trust, policies),
        None => evaluate_explained(request, policies),
    };
    let mut missing = BTreeMap::new();
    for one in &considered {
        if matches!(one.outcome, Outcome::ActionMismatch) {
            continue;
        }
        let keys = one.statement.statement().into_iter();
        for key in keys.flat_map(crate::Statement::context_keys) {
            if request.context.get(key).is_none() {
                missing
                    .entry(key.to_ascii_lowercase())
                    .or_insert_with(|| key.to_owned());
            }
        }
    }
    Simulated {
        decision,
        considered,
        missing_keys: missing.into_values().collect(),
    }
}
