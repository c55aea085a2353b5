//! The states a condition key can be in, and what each does to the statements in question.

use super::automaton::{Group, Symbol, Variables, Want};
use super::bits::Bits;
use super::classes::{OverBudget, best};
use super::sets::{Class, sets};
use super::typed;
use super::universe::Universe;
use super::{Budget, Entry};
use crate::condition::{Condition, Reads, Truth};
use crate::context::Context;
use crate::document::StatementEffect;
use crate::pattern::Pattern;
use std::collections::HashSet;

/// What a request has for a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    Absent,
    One(Vec<Symbol>),
    Many(Vec<Vec<Symbol>>),
    /// Some value of which only is known which conditions hold, if it exists at all.
    Supposed,
}

/// A key in one state.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) state: State,
    /// The unwanted statements of which some condition on this key does not hold.
    pub(super) failing: Bits,
}

/// Conditions on a key of several types are supposed true and false in all combinations up to this many.
const SUPPOSED_MAX: usize = 7;

/// Keys that hold several values, though operators for several may not be used on them.
const MULTIVALUED: [&str; 6] = [
    "aws:calledvia",
    "aws:principalorgpaths",
    "aws:principalservicenameslist",
    "aws:resourceorgpaths",
    "aws:sourceorgpaths",
    "aws:tagkeys",
];

/// Whether AWS documents the key as one of several values.
pub(super) fn is_multivalued(key: &str) -> bool {
    MULTIVALUED.contains(&key)
}

/// What the key can be, best choices only. All of `required` hold in each of them as far as this key goes.
pub(super) fn choices(
    key: &str,
    required: &[Entry<'_>],
    unwanted: &[Entry<'_>],
    multivalued: bool,
    variables: &mut Variables,
    budget: &mut Budget,
) -> Result<Vec<Choice>, OverBudget> {
    let question = Question::new(key, required, unwanted);
    let classes = question.classes(variables, budget)?;
    let mut best = Best {
        question: &question,
        unwanted: unwanted.len(),
        choices: Vec::new(),
    };
    let absent = Context::new();
    best.offer(State::Absent, |_, link| link.condition.evaluate(&absent), budget)?;
    for class in &classes {
        let state = State::One(class.text.clone());
        best.offer(
            state,
            |_, link| link.present(std::iter::once(class.truth(link.family))),
            budget,
        )?;
    }
    if multivalued {
        let mut empty = Context::new();
        empty.set_many(key.to_owned(), Vec::<String>::new());
        best.offer(
            State::Many(Vec::new()),
            |_, link| link.condition.evaluate(&empty),
            budget,
        )?;
        for set in sets(&classes, budget)? {
            let texts = set.members.iter().filter_map(|member| classes.get(*member));
            let state = State::Many(texts.map(|class| class.text.clone()).collect());
            let truths = |link: &Link<'_>| set.seen.get(link.family).copied().unwrap_or_default().truths();
            best.offer(state, |_, link| link.present(truths(link)), budget)?;
        }
    }
    if question.is_inexact() {
        question.suppose(multivalued, &mut best, budget)?;
    }
    Ok(best.choices)
}

/// A condition on the key, and the statement it belongs to.
struct Link<'a> {
    condition: &'a Condition,
    /// The place of its statement among the unwanted; none for a statement that has to apply.
    unwanted: Option<usize>,
    denies: bool,
    family: usize,
}

impl Link<'_> {
    /// What the condition says of a key that is there.
    fn present(&self, truths: impl IntoIterator<Item = Truth>) -> Truth {
        if self.condition.value_texts.is_empty() {
            return Truth::Unknown;
        }
        match self.condition.reads() {
            Reads::Existence => {
                let mut some = Context::new();
                some.set(self.condition.key().to_owned(), "");
                self.condition.evaluate(&some)
            }
            _ => self.condition.combine(truths),
        }
    }

    /// Whether its statement still applies, as far as this condition goes.
    fn holds(&self, truth: Truth) -> bool {
        match truth {
            Truth::True => true,
            Truth::False => false,
            Truth::Unknown => self.denies,
        }
    }
}

/// All conditions on one key.
struct Question<'a> {
    links: Vec<Link<'a>>,
    /// Of conditions that compare alike and want the same, the first.
    families: Vec<(&'a Condition, Want)>,
}

impl<'a> Question<'a> {
    fn new(key: &str, required: &[Entry<'a>], unwanted: &[Entry<'a>]) -> Self {
        let mut question = Self {
            links: Vec::new(),
            families: Vec::new(),
        };
        let required = required.iter().map(|entry| (entry, None));
        let unwanted = unwanted
            .iter()
            .enumerate()
            .map(|(index, entry)| (entry, Some(index)));
        for (entry, unwanted) in required.chain(unwanted) {
            for condition in entry
                .statement
                .conditions
                .iter()
                .filter(|condition| condition.key() == key)
            {
                let want = match unwanted.is_none() != condition.is_negated() {
                    true => Want::Rather,
                    false => Want::RatherNot,
                };
                // Only what has to apply writes variables, and it comes first.
                let writes = unwanted.is_none();
                let known = question
                    .families
                    .iter()
                    .enumerate()
                    .position(|(family, (known, wanted))| {
                        let written = question.is_required(family);
                        *wanted == want && written == writes && known.compares_as(condition)
                    });
                let family = known.unwrap_or_else(|| {
                    question.families.push((condition, want));
                    question.families.len() - 1
                });
                question.links.push(Link {
                    condition,
                    unwanted,
                    denies: entry.statement.effect == StatementEffect::Deny,
                    family,
                });
            }
        }
        question
    }

    /// Whether the values below may not be all there are.
    fn is_inexact(&self) -> bool {
        let mut types = HashSet::new();
        for (condition, _) in &self.families {
            match condition.reads() {
                Reads::Existence => continue,
                Reads::Bool { variables: true } => return true,
                Reads::Text {
                    patterns,
                    ignore_case: true,
                } if patterns.iter().any(|pattern| !pattern.source().is_ascii()) => {
                    return true;
                }
                Reads::Date(instants) if instants.iter().any(|(at, _)| !typed::WRITTEN.contains(at)) => {
                    return true;
                }
                other => types.insert(std::mem::discriminant(&other)),
            };
        }
        types.len() > 1
    }

    fn classes(&self, variables: &mut Variables, budget: &mut Budget) -> Result<Vec<Class>, OverBudget> {
        let mut classes = Vec::new();
        let reads = self
            .families
            .iter()
            .map(|(condition, _)| condition.reads())
            .collect::<Vec<_>>();
        if reads.iter().any(|reads| matches!(reads, Reads::Text { .. })) {
            let pinned = self.unmatched_templates();
            let writer = self.writer();
            let groups = self.families.iter().enumerate().zip(&reads);
            let groups = groups.map(|((family, (_, want)), reads)| {
                let writes = writer == Some(family);
                let (patterns, fold) = match reads {
                    Reads::Text {
                        patterns,
                        ignore_case,
                    } => (*patterns, *ignore_case),
                    _ => (&[] as &[Pattern], false),
                };
                let free = |pattern: &&Pattern| {
                    self.is_required(family) || !want.is_match() || !pinned.contains(pattern)
                };
                Group {
                    patterns: patterns.iter().filter(free).collect(),
                    want: *want,
                    fold,
                    writes,
                }
            });
            for class in best(Universe::Value, &groups.collect::<Vec<_>>(), variables, budget)? {
                let truths = class.matched.iter().zip(&self.families).zip(&reads);
                let truths =
                    truths.map(
                        |((matched, (condition, _)), reads)| match (reads, plain(&class.text)) {
                            (Reads::Text { .. }, _) => Truth::from(*matched),
                            (_, Some(text)) => condition.matches_value(&text),
                            (_, None) => Truth::Unknown,
                        },
                    );
                classes.push(Class {
                    truths: truths.collect(),
                    text: class.text,
                });
            }
        }
        let conditions = self
            .families
            .iter()
            .map(|(condition, _)| *condition)
            .collect::<Vec<_>>();
        let inexact = self.is_inexact();
        let mut seen = HashSet::new();
        let mut values = typed::values(&conditions);
        if inexact {
            // Longer texts of the same beginnings, which another type may read otherwise or not at all.
            let texts = classes
                .iter()
                .filter_map(|class| plain(&class.text))
                .collect::<Vec<_>>();
            values.extend(
                texts
                    .iter()
                    .flat_map(|text| [format!("{text}example"), format!("{text}00000")]),
            );
        }
        for value in values {
            budget.spend(conditions.len() as u64)?;
            let truths = conditions
                .iter()
                .map(|condition| condition.matches_value(&value))
                .collect::<Vec<_>>();
            // Values are taken to be of the type that is read; `Null` reads none.
            let strange = conditions
                .iter()
                .zip(&truths)
                .zip(&reads)
                .any(|((condition, truth), reads)| {
                    *truth == Truth::Unknown
                        && !matches!(reads, Reads::Existence)
                        && !condition.value_texts.is_empty()
                });
            if (inexact || !strange) && seen.insert(truths.clone()) {
                let text = value.chars().map(Symbol::Char).collect();
                classes.push(Class { text, truths });
            }
        }
        if classes.is_empty() {
            // Only `Null` asks; any value does.
            classes.push(Class {
                text: "example".chars().map(Symbol::Char).collect(),
                truths: vec![Truth::Unknown; self.families.len()],
            });
        }
        Ok(classes)
    }

    fn is_required(&self, family: usize) -> bool {
        let mut links = self.links.iter();
        links.any(|link| link.family == family && link.unwanted.is_none())
    }

    /// The family whose templates write the key's value: the last that has to match it.
    fn writer(&self) -> Option<usize> {
        let writes = |family: usize| {
            let Some((condition, want)) = self.families.get(family) else {
                return false;
            };
            let Reads::Text { patterns, .. } = condition.reads() else {
                return false;
            };
            want.is_match() && self.is_required(family) && patterns.iter().any(Pattern::is_template)
        };
        (0..self.families.len()).rev().find(|family| writes(*family))
    }

    /// Templates that, where all that has to apply does, match none of the key's values.
    fn unmatched_templates(&self) -> Vec<&'a Pattern> {
        let negated = self.links.iter().filter(|link| {
            link.unwanted.is_none() && link.condition.is_negated() && !link.condition.is_for_any_value()
        });
        let mut templates = Vec::new();
        for link in negated {
            if let Reads::Text { patterns, .. } = link.condition.reads() {
                templates.extend(patterns.iter().filter(|pattern| pattern.is_template()));
            }
        }
        templates
    }

    /// Supposes every combination of truths, so that nothing possible is missed.
    fn suppose(
        &self,
        multivalued: bool,
        best: &mut Best<'_, '_>,
        budget: &mut Budget,
    ) -> Result<(), OverBudget> {
        let mut atoms: Vec<&Condition> = Vec::new();
        let mut of = Vec::new();
        for link in &self.links {
            let alike = |known: &&Condition| {
                known.compares_as(link.condition)
                    && (!multivalued || known.operator_text == link.condition.operator_text)
            };
            of.push(atoms.iter().position(alike).unwrap_or_else(|| {
                atoms.push(link.condition);
                atoms.len() - 1
            }));
        }
        if atoms.len() > SUPPOSED_MAX {
            return Err(OverBudget);
        }
        for combination in 0..3_usize.pow(atoms.len() as u32) {
            let truth = |index: usize| {
                let atom = of.get(index).copied().unwrap_or(0);
                match combination / 3_usize.pow(atom as u32) % 3 {
                    0 => Truth::True,
                    1 => Truth::False,
                    _ => Truth::Unknown,
                }
            };
            let says = |index: usize, link: &Link<'_>| match (multivalued, link.condition.reads()) {
                (true, Reads::Existence) | (false, _) => link.present(std::iter::once(truth(index))),
                (true, _) => truth(index),
            };
            best.offer(State::Supposed, says, budget)?;
        }
        Ok(())
    }
}

/// The choices that no other makes needless.
struct Best<'q, 'a> {
    question: &'q Question<'a>,
    unwanted: usize,
    choices: Vec<Choice>,
}

impl Best<'_, '_> {
    fn offer(
        &mut self,
        state: State,
        says: impl Fn(usize, &Link<'_>) -> Truth,
        budget: &mut Budget,
    ) -> Result<(), OverBudget> {
        budget.spend((self.question.links.len() + self.choices.len()) as u64)?;
        let mut failing = Bits::empty(self.unwanted);
        for (index, link) in self.question.links.iter().enumerate() {
            let holds = link.holds(says(index, link));
            match link.unwanted {
                None if !holds => return Ok(()),
                Some(statement) if !holds => failing.insert(statement),
                _ => {}
            }
        }
        if self.choices.iter().any(|known| failing.is_subset(&known.failing)) {
            return Ok(());
        }
        // What is only supposed never displaces what is real.
        if state != State::Supposed {
            self.choices.retain(|known| !known.failing.is_subset(&failing));
        }
        self.choices.push(Choice { state, failing });
        Ok(())
    }
}

/// The text, if it holds no variables.
pub(super) fn plain(text: &[Symbol]) -> Option<String> {
    let char = |symbol: &Symbol| match symbol {
        Symbol::Char(char) => Some(*char),
        Symbol::Variable(_) => None,
    };
    text.iter().map(char).collect()
}
