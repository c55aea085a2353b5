//! Looking for one request to which some statements apply and others do not.

use super::automaton::{Group, Symbol, Variables, Want};
use super::classes::OverBudget;
use super::cover::combinations;
use super::keys::{Choice, State, choices, is_multivalued};
use super::place::Place;
use super::universe::Universe;
use super::witness::{Sketch, Witnesses};
use super::{BUDGET, Budget, Counterexample, Entry, SEARCH_BUDGET, Subject, Undecided};
use crate::condition::Condition;
use crate::document::{PolicyKind, StatementEffect};
use crate::group::PolicyGroup;
use crate::pattern::{Pattern, Token};
use std::collections::{BTreeSet, HashSet};

/// Combinations of key states that are put to the evaluator, per action and resource.
const SKETCHES_MAX: usize = 16;

pub(super) struct Explorer<'a> {
    kind: PolicyKind,
    budget: Budget,
    variables: Variables,
    witnesses: Witnesses<'a>,
    multivalued: HashSet<String>,
    /// An action that everybody may do.
    free_action: Pattern,
    doubt: Option<Undecided>,
}

/// A text, and which of the unwanted statements cover it.
type Found = (Vec<Symbol>, Vec<usize>);

/// One search: what has to apply, and for whom.
struct Goal<'g, 'a> {
    required: &'g [Entry<'a>],
    subject: &'g Subject,
}

impl<'a> Explorer<'a> {
    pub(super) fn new(
        old: &'a PolicyGroup,
        new: &'a PolicyGroup,
        kind: PolicyKind,
        all: &[Entry<'a>],
    ) -> Self {
        let conditions = || all.iter().flat_map(|entry| &entry.statement.conditions);
        let keys = conditions().map(Condition::key).collect::<BTreeSet<_>>();
        let quantified = conditions()
            .filter(|condition| condition.is_quantified())
            .map(Condition::key);
        let quantified = quantified.collect::<HashSet<_>>();
        let several = keys
            .into_iter()
            .filter(|key| quantified.contains(key) || is_multivalued(key));
        Self {
            kind,
            budget: Budget { left: BUDGET },
            variables: Variables::default(),
            witnesses: Witnesses::new(old, new, kind, all),
            multivalued: several.map(str::to_owned).collect(),
            free_action: Pattern::action("sts:GetCallerIdentity"),
            doubt: None,
        }
    }

    /// What kept the search from being a proof.
    pub(super) fn into_doubt(self) -> Option<Undecided> {
        self.doubt
    }

    /// A confirmed request to which all of `required` and none of `unwanted` apply. `None` when there is none, or when
    /// that is in doubt.
    pub(super) fn explore(
        &mut self,
        required: &[Entry<'a>],
        unwanted: &[Entry<'a>],
        subject: &Subject,
    ) -> Option<Counterexample> {
        // The same statement cannot apply and not apply. Most of most policies does not change, so this saves most of
        // the work, and it needs no insight into variables.
        let same = |must: &Entry<'_>| unwanted.iter().any(|entry| says_the_same(must, entry));
        if self.budget.left == 0 || required.iter().any(same) {
            return None;
        }
        let goal = Goal { required, subject };
        let limit = self.budget.left.min(SEARCH_BUDGET);
        let kept = self.budget.left - limit;
        self.budget.left = limit;
        let found = self.search(&goal, unwanted);
        let over = found.is_err();
        self.budget.left += kept;
        if over {
            if kept == 0 {
                self.budget.left = 0;
            }
            let doubt = self.costly(required, unwanted);
            self.doubt.get_or_insert(doubt);
        }
        found.ok().flatten()
    }

    fn search(
        &mut self,
        goal: &Goal<'_, 'a>,
        unwanted: &[Entry<'a>],
    ) -> Result<Option<Counterexample>, OverBudget> {
        let mut seen = HashSet::new();
        for action in self.actions(goal.required, unwanted)? {
            let alive = pick(unwanted, &action.1);
            for resource in self.resources(goal.required, &alive)? {
                let alive = pick(&alive, &resource.1);
                let ids = alive
                    .iter()
                    .map(|entry| std::ptr::from_ref(entry.statement) as usize);
                if !seen.insert(ids.collect::<Vec<_>>()) {
                    continue;
                }
                if let Some(found) = self.keys(goal, &alive, &action.0, &resource.0)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Actions to look at, each with the unwanted statements that name it, by index.
    fn actions(&mut self, required: &[Entry<'a>], unwanted: &[Entry<'a>]) -> Result<Vec<Found>, OverBudget> {
        let clauses = unwanted
            .iter()
            .map(|entry| Some(&entry.statement.actions))
            .collect::<Vec<_>>();
        let musts = required
            .iter()
            .map(|entry| Some(&entry.statement.actions))
            .collect::<Vec<_>>();
        let free = self.free_action.clone();
        let extra = Group {
            patterns: vec![&free],
            want: Want::MustNot,
            fold: true,
            writes: false,
        };
        let place = Place {
            universe: Universe::Action,
            fold: true,
            pinned: Vec::new(),
        };
        let found = place.classes(
            &musts,
            &clauses,
            vec![extra],
            &mut self.variables,
            &mut self.budget,
        )?;
        Ok(found
            .into_iter()
            .map(|(class, alive)| (class.text, alive))
            .collect())
    }

    /// Resources to look at, each with the unwanted statements that cover it, by index.
    fn resources(
        &mut self,
        required: &[Entry<'a>],
        unwanted: &[Entry<'a>],
    ) -> Result<Vec<Found>, OverBudget> {
        let clauses = unwanted
            .iter()
            .map(|entry| entry.statement.resources.as_ref())
            .collect::<Vec<_>>();
        let musts = required
            .iter()
            .map(|entry| entry.statement.resources.as_ref())
            .collect::<Vec<_>>();
        let negated = required.iter().filter(|entry| entry.statement.is_not_resource());
        let spared = |allows: bool| {
            let entries = negated
                .clone()
                .filter(move |entry| !allows || entry.statement.effect == StatementEffect::Allow);
            let patterns = entries
                .filter_map(|entry| entry.statement.resources.as_ref())
                .flat_map(|clause| &clause.patterns);
            patterns
                .filter(|pattern| pattern.is_template())
                .collect::<Vec<_>>()
        };
        let place = Place {
            universe: Universe::Resource,
            fold: false,
            pinned: spared(false),
        };
        // An Allow with NotResource is void while one of its variables has no value, so all of these have one.
        let mut resolved = HashSet::new();
        for pattern in spared(true) {
            resolved.extend(
                variables_of(pattern)
                    .into_iter()
                    .map(|variable| self.variables.index(&variable)),
            );
        }
        let found = place.classes(
            &musts,
            &clauses,
            Vec::new(),
            &mut self.variables,
            &mut self.budget,
        )?;
        let mut resources = Vec::new();
        for (class, mut alive) in found {
            let written = class.text.iter().filter_map(|symbol| match symbol {
                Symbol::Variable(variable) => Some(*variable),
                Symbol::Char(_) => None,
            });
            let known = written.chain(resolved.iter().copied()).collect::<HashSet<_>>();
            let variables = &mut self.variables;
            alive.retain(|index| {
                let Some(entry) = unwanted.get(*index) else {
                    return false;
                };
                let voidable =
                    entry.statement.effect == StatementEffect::Allow && entry.statement.is_not_resource();
                let patterns = entry
                    .statement
                    .resources
                    .iter()
                    .flat_map(|clause| &clause.patterns);
                !voidable
                    || patterns
                        .flat_map(variables_of)
                        .all(|variable| known.contains(&variables.index(&variable)))
            });
            resources.push((class.text, alive));
        }
        Ok(resources)
    }

    /// The condition keys: the last place, and the request is complete.
    fn keys(
        &mut self,
        goal: &Goal<'_, 'a>,
        alive: &[Entry<'a>],
        action: &[Symbol],
        resource: &[Symbol],
    ) -> Result<Option<Counterexample>, OverBudget> {
        if alive.iter().any(|entry| entry.statement.conditions.is_empty()) {
            return Ok(None);
        }
        let entries = goal.required.iter().chain(alive);
        let names = entries
            .flat_map(|entry| &entry.statement.conditions)
            .map(Condition::key);
        let names = names.collect::<BTreeSet<_>>();
        let mut keys = Vec::new();
        for name in &names {
            let several = self.multivalued.contains(*name);
            let found = choices(
                name,
                goal.required,
                alive,
                several,
                &mut self.variables,
                &mut self.budget,
            )?;
            if found.is_empty() {
                return Ok(None);
            }
            keys.push(found);
        }
        let mut found = None;
        let mut doubt = None;
        let mut tries = 0;
        let (witnesses, variables) = (&self.witnesses, &self.variables);
        combinations(&keys, alive.len(), &mut self.budget, |taken| {
            tries += 1;
            let supposed = taken.iter().position(|choice| choice.state == State::Supposed);
            if let Some(key) = supposed.and_then(|index| names.iter().nth(index)) {
                doubt.get_or_insert(Some((*key).to_owned()));
                return tries >= SKETCHES_MAX;
            }
            let states = names
                .iter()
                .zip(taken)
                .map(|(name, choice): (_, &&Choice)| (*name, &choice.state));
            let sketch = Sketch {
                action,
                resource,
                keys: states.collect(),
                required: goal.required,
                subject: goal.subject,
            };
            found = witnesses.confirm(&sketch, variables);
            if found.is_none() {
                doubt.get_or_insert(None);
            }
            found.is_some() || tries >= SKETCHES_MAX
        })?;
        if found.is_none()
            && let Some(key) = doubt
        {
            let doubt = self.unclear(key.as_deref(), goal.required, alive);
            self.doubt.get_or_insert(doubt);
        }
        Ok(found)
    }

    /// The doubt about a key of which values can only be supposed, or about variables.
    fn unclear(&self, key: Option<&str>, required: &[Entry<'a>], alive: &[Entry<'a>]) -> Undecided {
        let entries = || required.iter().chain(alive);
        if let Some(key) = key {
            let mut on_key = entries().flat_map(|entry| {
                let conditions = entry
                    .statement
                    .conditions
                    .iter()
                    .filter(|condition| condition.key() == key);
                conditions.map(move |condition| (entry, condition))
            });
            if let Some((entry, condition)) = on_key.next() {
                return Undecided {
                    construct: format!("{} {}", condition.operator_text, condition.key_text),
                    because: "is compared as values of several types, or in a way whose values cannot be listed",
                    statement: Some(entry.reference(self.kind)),
                };
            }
        }
        for entry in entries() {
            let statement = entry.statement;
            let resources = statement
                .resources
                .iter()
                .flat_map(|clause| &clause.patterns)
                .map(Pattern::source);
            let values = statement
                .conditions
                .iter()
                .flat_map(|condition| &condition.value_texts)
                .map(|text| &**text);
            if let Some(text) = resources.chain(values).find(|text| text.contains("${")) {
                return Undecided {
                    construct: text.to_owned(),
                    because: "has a variable whose values could not all be considered",
                    statement: Some(entry.reference(self.kind)),
                };
            }
        }
        Undecided {
            construct: "Condition".to_owned(),
            because: "led to a request that the evaluator did not confirm",
            statement: required.first().map(|entry| entry.reference(self.kind)),
        }
    }

    /// The doubt about a search that was given up: the pattern with the most wildcards is the likeliest cause.
    fn costly(&self, required: &[Entry<'a>], unwanted: &[Entry<'a>]) -> Undecided {
        let mut worst: Option<(usize, &str, &Entry<'a>)> = None;
        for entry in required.iter().chain(unwanted) {
            let statement = entry.statement;
            let resources = statement.resources.iter().flat_map(|clause| &clause.patterns);
            let patterns = statement
                .actions
                .patterns
                .iter()
                .chain(resources)
                .map(Pattern::source);
            let values = statement
                .conditions
                .iter()
                .flat_map(|condition| &condition.value_texts)
                .map(|text| &**text);
            for text in patterns.chain(values) {
                let wildcards = text.matches(['*', '?']).count();
                if worst.is_none_or(|(most, _, _)| wildcards > most) {
                    worst = Some((wildcards, text, entry));
                }
            }
        }
        Undecided {
            construct: worst.map_or("Statement", |(_, text, _)| text).to_owned(),
            because: "and what it overlaps with would take too long to compare",
            statement: worst.map(|(_, _, entry)| entry.reference(self.kind)),
        }
    }
}

/// Whether two statements apply to the same requests of a caller whom both reach.
fn says_the_same(left: &Entry<'_>, right: &Entry<'_>) -> bool {
    let (left, right) = (left.statement, right.statement);
    left.effect == right.effect
        && left.actions == right.actions
        && left.resources == right.resources
        && left.conditions == right.conditions
}

fn pick<'a>(entries: &[Entry<'a>], indices: &[usize]) -> Vec<Entry<'a>> {
    indices
        .iter()
        .filter_map(|index| entries.get(*index))
        .copied()
        .collect()
}

/// The variables in a pattern.
fn variables_of(pattern: &Pattern) -> Vec<crate::variable::Variable> {
    let tokens = pattern.tokens().unwrap_or_default();
    let variable = |token| match token {
        Token::Variable(variable) => Some(variable),
        _ => None,
    };
    tokens.into_iter().filter_map(variable).collect()
}
