//! Action or resource: the texts to look at, and the statements that cover each.

use super::Budget;
use super::automaton::{Group, Variables, Want};
use super::classes::{Class, OverBudget, best};
use super::universe::Universe;
use crate::document::Clause;
use crate::pattern::Pattern;
use std::collections::HashMap;

/// How the texts of one place of a request are looked for.
pub(super) struct Place<'a> {
    pub(super) universe: Universe,
    pub(super) fold: bool,
    /// Templates known to match nothing.
    pub(super) pinned: Vec<&'a Pattern>,
}

impl Place<'_> {
    /// Texts that every one of `musts` covers, each with the indices of `clauses` that cover it too. A clause that is
    /// absent covers everything.
    pub(super) fn classes<'c>(
        &self,
        musts: &[Option<&'c Clause>],
        clauses: &[Option<&'c Clause>],
        extra: Vec<Group<'c>>,
        variables: &mut Variables,
        budget: &mut Budget,
    ) -> Result<Vec<(Class, Vec<usize>)>, OverBudget> {
        let mut groups = extra;
        // The last, as a denial is likelier to stand in both policies than the grant it limits.
        let templates = |clause: &Clause| !clause.negated && clause.patterns.iter().any(Pattern::is_template);
        let present = musts.iter().flatten().collect::<Vec<_>>();
        let writer = present.iter().rposition(|clause| templates(clause));
        for (index, clause) in present.into_iter().enumerate() {
            // An empty list names nothing and excludes nothing.
            if clause.patterns.is_empty() {
                return Ok(Vec::new());
            }
            groups.push(Group {
                patterns: clause.patterns.iter().collect(),
                want: if clause.negated { Want::MustNot } else { Want::Must },
                fold: self.fold,
                writes: writer == Some(index),
            });
        }
        let mut same = HashMap::new();
        let mut group_of = Vec::with_capacity(clauses.len());
        for clause in clauses {
            let Some(clause) = clause else {
                group_of.push(None);
                continue;
            };
            let names = clause
                .patterns
                .iter()
                .map(|pattern| (pattern.source(), pattern.is_template()));
            let group = *same
                .entry((clause.negated, names.collect::<Vec<_>>()))
                .or_insert_with(|| {
                    let free = |pattern: &&Pattern| !clause.negated || !self.pinned.contains(pattern);
                    groups.push(Group {
                        patterns: clause.patterns.iter().filter(free).collect(),
                        want: if clause.negated {
                            Want::Rather
                        } else {
                            Want::RatherNot
                        },
                        fold: self.fold,
                        writes: false,
                    });
                    groups.len() - 1
                });
            group_of.push(Some(group));
        }
        let classes = best(self.universe, &groups, variables, budget)?;
        let covers = |class: &Class, index: usize| match (group_of.get(index), clauses.get(index)) {
            (Some(Some(group)), Some(Some(clause))) => {
                let matched = class.matched.get(*group).copied().unwrap_or(false);
                !clause.patterns.is_empty() && matched != clause.negated
            }
            _ => true,
        };
        let covered = |class: &Class| {
            (0..clauses.len())
                .filter(|index| covers(class, *index))
                .collect::<Vec<_>>()
        };
        Ok(classes
            .into_iter()
            .map(|class| (class.clone(), covered(&class)))
            .collect())
    }
}
