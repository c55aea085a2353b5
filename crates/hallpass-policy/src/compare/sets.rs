//! Several values of one key, as far as conditions tell sets of them apart.

use super::Budget;
use super::automaton::Symbol;
use super::classes::OverBudget;
use crate::condition::Truth;
use std::collections::HashSet;

/// Different sets of values are counted up to this.
const SETS_MAX: usize = 4_096;
/// A value, and what each family says of it.
pub(super) struct Class {
    pub(super) text: Vec<Symbol>,
    pub(super) truths: Vec<Truth>,
}

impl Class {
    pub(super) fn truth(&self, family: usize) -> Truth {
        self.truths.get(family).copied().unwrap_or(Truth::Unknown)
    }
}

/// Which truths occur among several values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    yes: bool,
    no: bool,
    unknown: bool,
}

impl Seen {
    fn with(self, truth: Truth) -> Self {
        Self {
            yes: self.yes || truth == Truth::True,
            no: self.no || truth == Truth::False,
            unknown: self.unknown || truth == Truth::Unknown,
        }
    }

    pub(super) fn truths(self) -> impl Iterator<Item = Truth> {
        let truths = [
            (self.yes, Truth::True),
            (self.no, Truth::False),
            (self.unknown, Truth::Unknown),
        ];
        truths
            .into_iter()
            .filter_map(|(seen, truth)| seen.then_some(truth))
    }
}

pub(super) struct Set {
    pub(super) members: Vec<usize>,
    pub(super) seen: Vec<Seen>,
}

/// Sets of values that differ in which truths occur in them; quantifiers tell no others apart.
pub(super) fn sets(classes: &[Class], budget: &mut Budget) -> Result<Vec<Set>, OverBudget> {
    let families = classes.first().map_or(0, |class| class.truths.len());
    let mut sets = vec![Set {
        members: Vec::new(),
        seen: vec![Seen::default(); families],
    }];
    let mut known = HashSet::new();
    let mut next = 0;
    while next < sets.len() {
        for (index, class) in classes.iter().enumerate() {
            budget.spend(families as u64 + 1)?;
            let Some(set) = sets.get(next) else { break };
            let seen = set
                .seen
                .iter()
                .zip(&class.truths)
                .map(|(seen, truth)| seen.with(*truth));
            let seen = seen.collect::<Vec<_>>();
            if known.insert(seen.clone()) {
                let members = set.members.iter().copied().chain([index]).collect();
                sets.push(Set { members, seen });
            }
            if sets.len() > SETS_MAX {
                return Err(OverBudget);
            }
        }
        next += 1;
    }
    sets.remove(0);
    Ok(sets)
}
