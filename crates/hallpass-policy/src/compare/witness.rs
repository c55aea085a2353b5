//! From a sketch of a request to one that the evaluator confirms, and that reads like a request.

use super::automaton::{Symbol, Variables};
use super::confirm::{allow_all, allowing};
use super::keys::{State, plain};
use super::universe::Universe;
use super::{Counterexample, Entry, Subject};
use crate::condition::Reads;
use crate::context::Context;
use crate::document::PolicyKind;
use crate::group::PolicyGroup;
use crate::pattern::{Pattern, Token};
use std::collections::{BTreeMap, BTreeSet};

/// A request of which the values of variables are left open.
pub(super) struct Sketch<'s, 'a> {
    pub(super) action: &'s [Symbol],
    pub(super) resource: &'s [Symbol],
    pub(super) keys: Vec<(&'s str, &'s State)>,
    /// The statements it is made for, that of the new policy first.
    pub(super) required: &'s [Entry<'a>],
    pub(super) subject: &'s Subject,
}

/// Values for a variable that no condition says anything about.
const FRESH: [&str; 4] = ["example", "q7-example", "0", "Zz_9"];
/// Values for one variable taken from texts that its templates might match.
const DERIVED_MAX: usize = 8;

pub(super) struct Witnesses<'a> {
    old: &'a PolicyGroup,
    new: &'a PolicyGroup,
    kind: PolicyKind,
    everything: PolicyGroup,
    /// Actions as they are written in either policy.
    written: BTreeMap<String, String>,
    /// All patterns that hold variables.
    templates: Vec<Pattern>,
}

impl<'a> Witnesses<'a> {
    pub(super) fn new(
        old: &'a PolicyGroup,
        new: &'a PolicyGroup,
        kind: PolicyKind,
        all: &[Entry<'a>],
    ) -> Self {
        let mut templates = Vec::new();
        let mut written = BTreeMap::new();
        for entry in all {
            let statement = entry.statement;
            for pattern in &statement.actions.patterns {
                let text = pattern.source();
                if !text.contains(['*', '?']) {
                    written
                        .entry(text.to_ascii_lowercase())
                        .or_insert_with(|| text.to_owned());
                }
            }
            let resources = statement.resources.iter().flat_map(|clause| &clause.patterns);
            let values = statement
                .conditions
                .iter()
                .flat_map(|condition| match condition.reads() {
                    Reads::Text { patterns, .. } => patterns,
                    _ => &[],
                });
            templates.extend(
                resources
                    .chain(values)
                    .filter(|pattern| pattern.is_template())
                    .cloned(),
            );
        }
        Self {
            old,
            new,
            kind,
            everything: allow_all(),
            written,
            templates,
        }
    }

    /// The request, if some values of its variables make it one that only the new policy allows.
    pub(super) fn confirm(&self, sketch: &Sketch<'_, '_>, variables: &Variables) -> Option<Counterexample> {
        for values in self.assignments(sketch, variables) {
            let Some((resource, context)) = fill(sketch, variables, &values) else {
                continue;
            };
            let action = plain(sketch.action)?;
            if let Some(found) = self.check(sketch, &action, &resource, &context) {
                return Some(self.polish(sketch, variables, found));
            }
        }
        None
    }

    fn check(
        &self,
        sketch: &Sketch<'_, '_>,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Option<Counterexample> {
        let subject = sketch.subject;
        let says = |policies| {
            allowing(
                policies,
                self.kind,
                subject,
                action,
                resource,
                context,
                &self.everything,
            )
        };
        let allowed_by = says(self.new)?;
        says(self.old).is_none().then(|| Counterexample {
            principal: subject.principal.clone(),
            action: action.to_owned(),
            resource: resource.to_owned(),
            resource_account: subject
                .principal
                .account
                .map(|account| account.as_str().to_owned()),
            context: context.clone(),
            allowed_by,
        })
    }

    /// Values of variables to try, by key.
    fn assignments(&self, sketch: &Sketch<'_, '_>, variables: &Variables) -> Vec<BTreeMap<String, String>> {
        let fixed = sketch.keys.iter().map(|(key, _)| *key).collect::<BTreeSet<_>>();
        let open = |keys: BTreeSet<&str>| -> BTreeSet<String> {
            keys.into_iter()
                .filter(|key| !fixed.contains(key))
                .map(str::to_owned)
                .collect()
        };
        let mut used = BTreeSet::new();
        for symbol in sketch
            .resource
            .iter()
            .chain(sketch.keys.iter().flat_map(|(_, state)| symbols(state)))
        {
            if let Symbol::Variable(index) = symbol {
                used.extend(variables.get(*index).and_then(|variable| variable.key()));
            }
        }
        let used = open(used);
        let all = open(variables.iter().filter_map(|variable| variable.key()).collect());
        // Defaults stand for what has no value.
        let mut assignments = vec![BTreeMap::new()];
        for keys in [&used, &all] {
            for value in FRESH {
                assignments.push(
                    keys.iter()
                        .map(|key| (key.clone(), value.to_owned()))
                        .collect::<BTreeMap<_, _>>(),
                );
                if keys.is_empty() {
                    break;
                }
            }
        }
        let base = assignments.get(1).cloned().unwrap_or_default();
        let everything = assignments.last().cloned().unwrap_or_default();
        for (key, value) in self.derived(sketch) {
            if all.contains(&key) {
                for known in [&base, &everything] {
                    let mut values = known.clone();
                    values.insert(key.clone(), value.clone());
                    assignments.push(values);
                }
            }
        }
        assignments
    }

    /// Values with which some template would match a text of the sketch.
    fn derived(&self, sketch: &Sketch<'_, '_>) -> Vec<(String, String)> {
        let mut texts = vec![plain(sketch.resource)];
        texts.extend(sketch.keys.iter().map(|(_, state)| match state {
            State::One(text) => plain(text),
            _ => None,
        }));
        let mut derived = Vec::new();
        for pattern in &self.templates {
            let tokens = pattern.tokens().unwrap_or_default();
            let Some(at) = tokens
                .iter()
                .position(|token| matches!(token, Token::Variable(_)))
            else {
                continue;
            };
            let (Some(Token::Variable(variable)), None | Some(Token::Text(_))) = (
                tokens.get(at),
                at.checked_sub(1).and_then(|before| tokens.get(before)),
            ) else {
                continue;
            };
            let before = match at.checked_sub(1).and_then(|before| tokens.get(before)) {
                Some(Token::Text(text)) => text,
                _ => "",
            };
            for text in texts.iter().flatten() {
                let Some(from) = text.find(before) else { continue };
                let rest = text.get(from + before.len()..).unwrap_or_default();
                let value = match tokens.get(at + 1) {
                    Some(Token::Text(after)) => rest.find(&**after).and_then(|end| rest.get(..end)),
                    _ => Some(rest),
                };
                if let (Some(key), Some(value)) = (variable.key(), value) {
                    derived.push((key.to_owned(), value.to_owned()));
                }
            }
        }
        derived.truncate(DERIVED_MAX);
        derived
    }

    /// The same difference shown by a request that is easier to read, if there is one.
    fn polish(
        &self,
        sketch: &Sketch<'_, '_>,
        variables: &Variables,
        found: Counterexample,
    ) -> Counterexample {
        let mut found = found;
        let seed = sketch.required.first().map(|entry| entry.statement);
        let mut actions = Vec::new();
        if let Some(seed) = seed.filter(|seed| !seed.is_not_action()) {
            actions.extend(
                seed.actions()
                    .map(|text| text.replace('*', "Example").replace('?', "X")),
            );
        }
        actions.extend(self.written.get(&found.action).cloned());
        // One that is written out says more than any that is made up.
        let named = self.written.values().cloned();
        for action in named.chain(actions) {
            if is_whole(Universe::Action, &action.to_ascii_lowercase())
                && let Some(better) = self.check(sketch, &action, &found.resource, &found.context)
            {
                found = better;
                break;
            }
        }
        let service = found
            .action
            .split(':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let patterns = seed
            .and_then(|seed| seed.resources.as_ref())
            .filter(|clause| !clause.negated);
        let natural = patterns
            .iter()
            .flat_map(|clause| &clause.patterns)
            .filter_map(|pattern| match pattern.source() {
                "*" if service == "s3" => Some("arn:aws:s3:::example-bucket/example".to_owned()),
                "*" => Some(format!("arn:aws:{service}:us-east-1:111122223333:example")),
                _ => write(&natural(pattern, variables), variables, &found.context),
            });
        for resource in natural.collect::<Vec<_>>() {
            if is_whole(Universe::Resource, &resource)
                && let Some(better) = self.check(sketch, &found.action, &resource, &found.context)
            {
                found = better;
                break;
            }
        }
        found
    }
}

fn symbols(state: &State) -> Vec<&Symbol> {
    match state {
        State::One(text) => text.iter().collect(),
        State::Many(texts) => texts.iter().flatten().collect(),
        State::Absent | State::Supposed => Vec::new(),
    }
}

/// Whether a request can hold the text.
fn is_whole(universe: Universe, text: &str) -> bool {
    let state = text.chars().try_fold(0, |state, char| universe.step(state, char));
    state.is_some_and(|state| universe.accepts(state))
}

/// A text the pattern matches, with words in the place of wildcards.
fn natural(pattern: &Pattern, variables: &Variables) -> Vec<Symbol> {
    let mut text = Vec::new();
    for token in pattern.tokens().unwrap_or_default() {
        let colons = text.iter().filter(|symbol| **symbol == Symbol::Char(':')).count();
        let words = match token {
            Token::Text(words) => words.to_string(),
            Token::Any | Token::AnyInSegment => match colons {
                1 => "aws",
                3 => "us-east-1",
                4 => "111122223333",
                _ => "example",
            }
            .to_owned(),
            Token::One | Token::OneInSegment => "x".to_owned(),
            Token::Variable(variable) => {
                let index = variables.iter().position(|known| *known == variable);
                text.extend(index.map(Symbol::Variable));
                continue;
            }
        };
        text.extend(words.chars().map(Symbol::Char));
    }
    text
}

/// The resource and the context, with values for the variables; `None` when one that is needed has none.
fn fill(
    sketch: &Sketch<'_, '_>,
    variables: &Variables,
    values: &BTreeMap<String, String>,
) -> Option<(String, Context)> {
    let mut context = Context::new();
    for (key, value) in values {
        context.set(key.clone(), value);
    }
    let mut waiting = sketch.keys.clone();
    // A key's value may hold another key's. What waits for itself never comes.
    while !waiting.is_empty() {
        let names = waiting.iter().map(|(key, _)| *key).collect::<Vec<_>>();
        waiting.retain(|(key, state)| {
            let pending = symbols(state).into_iter().any(|symbol| match symbol {
                Symbol::Variable(index) => {
                    let needed = variables.get(*index).and_then(|variable| variable.key());
                    needed.is_some_and(|needed| names.contains(&needed))
                }
                Symbol::Char(_) => false,
            });
            if pending {
                return true;
            }
            match state {
                State::Absent | State::Supposed => {}
                State::One(text) => {
                    if let Some(text) = write(text, variables, &context) {
                        context.set((*key).to_owned(), text);
                    }
                }
                State::Many(texts) => {
                    let texts = texts.iter().filter_map(|text| write(text, variables, &context));
                    let texts = texts.collect::<Vec<_>>();
                    context.set_many((*key).to_owned(), texts);
                }
            }
            false
        });
        if waiting.len() == names.len() {
            return None;
        }
    }
    Some((write(sketch.resource, variables, &context)?, context))
}

fn write(text: &[Symbol], variables: &Variables, context: &Context) -> Option<String> {
    let mut written = String::new();
    for symbol in text {
        match symbol {
            Symbol::Char(char) => written.push(*char),
            Symbol::Variable(index) => written.push_str(variables.get(*index)?.resolve(context)?),
        }
    }
    Some(written)
}
