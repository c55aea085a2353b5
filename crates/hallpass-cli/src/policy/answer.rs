//! An answer to "could it?", in words and as JSON: shared by the commands that ask about whole accounts.

use super::account::Unreadable;
use hallpass_policy::{
    Conditional, Decision, Effect, FailedCondition, PolicyKind, Possibility, StatementRef,
};
use serde_json::{Value, json};

/// How many values of a condition are shown; the rest are counted.
const VALUES_SHOWN: usize = 5;

/// Whether something can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Can {
    /// Whatever else the request carries.
    Always,
    /// If the request is right.
    Sometimes,
    /// Never.
    Never,
    /// A document that bears on it cannot be read.
    Unknown,
}

impl Can {
    /// As tables and JSON have it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Sometimes => "sometimes",
            Self::Never => "never",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether something can be done, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Whether.
    pub(super) can: Can,
    /// The statements that allow it, or the one that denies it.
    pub(super) by: Vec<StatementRef>,
    /// What must hold; see [`hallpass_policy::Dependence`].
    pub(super) needs: Vec<Conditional>,
    /// What must not hold.
    pub(super) unless: Vec<Conditional>,
    /// Why not, in one line; empty for what can be done.
    pub(super) because: String,
}

impl From<Possibility> for Answer {
    fn from(possibility: Possibility) -> Self {
        let (can, decision, dependence) = match possibility {
            Possibility::Always(decision) => (Can::Always, Some(decision), None),
            Possibility::Never(decision) => (Can::Never, Some(decision), None),
            Possibility::Sometimes(dependence) => (Can::Sometimes, None, Some(dependence)),
        };
        let dependence = dependence.unwrap_or_default();
        let because = decision.as_ref().map_or_else(String::new, refusal);
        let by = decision
            .iter()
            .flat_map(|decision| decision.matched.iter().cloned());
        Self {
            can,
            by: by.collect(),
            needs: dependence.needs,
            unless: dependence.unless,
            because,
        }
    }
}

impl From<Unreadable> for Answer {
    fn from(unreadable: Unreadable) -> Self {
        Self {
            can: Can::Unknown,
            by: Vec::new(),
            needs: Vec::new(),
            unless: Vec::new(),
            because: unreadable.to_string(),
        }
    }
}

fn refusal(decision: &Decision) -> String {
    let kind = decision
        .denied_by
        .map_or("policy", hallpass_policy::PolicyKind::name);
    match decision.effect {
        Effect::Allow => String::new(),
        Effect::ImplicitDeny => format!("no {kind} allows it"),
        Effect::ExplicitDeny => {
            let by = decision
                .matched
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>();
            format!("denied by {}", by.join(", "))
        }
    }
}

impl Answer {
    /// Leaves the statements of one policy out, which was only assumed.
    pub(super) fn without(mut self, policy: &str) -> Self {
        self.by.retain(|statement| statement.policy() != policy);
        self.needs.retain(|(statement, _)| statement.policy() != policy);
        self
    }

    /// Why, for people: a line for each reason.
    pub(super) fn lines(&self) -> Vec<String> {
        match self.can {
            Can::Never | Can::Unknown => vec![self.because.clone()],
            Can::Always => {
                let by = self.by.iter().map(ToString::to_string).collect::<Vec<_>>();
                vec![by.join(", ")]
            }
            Can::Sometimes => {
                let mut lines = Vec::new();
                let mut previous: Option<PolicyKind> = None;
                for (statement, conditions) in &self.needs {
                    // One statement of each kind of policy is enough.
                    let word = match previous {
                        None => "needs",
                        Some(kind) if kind == statement.kind() => "or",
                        Some(_) => "and",
                    };
                    previous = Some(statement.kind());
                    let what = joined(conditions, " and ", "its resource to fit");
                    lines.push(format!("{word} {what}: {statement}"));
                }
                for (statement, conditions) in &self.unless {
                    let what = joined(conditions, " and ", "its resource does not fit");
                    lines.push(format!("unless {what}: {statement}"));
                }
                lines
            }
        }
    }

    /// `{"can", "by": [statement…], "needs": [{"statement", "conditions": [{"operator", "key", "values"}…]}…],
    /// "unless": […], "because"}`; a statement is `{"policy", "statement", "sid", "line", "column"}`, its number, line
    /// and column from 1.
    pub(super) fn json(&self) -> Value {
        let conditionals = |list: &[Conditional]| {
            let one = |(place, conditions): &Conditional| {
                let conditions = conditions.iter().map(condition_json).collect::<Vec<_>>();
                json!({ "statement": statement(place), "conditions": conditions })
            };
            list.iter().map(one).collect::<Vec<_>>()
        };
        json!({
            "can": self.can.as_str(),
            "by": self.by.iter().map(statement).collect::<Vec<_>>(),
            "needs": conditionals(&self.needs),
            "unless": conditionals(&self.unless),
            "because": self.because,
        })
    }
}

/// A statement's place.
pub(super) fn statement(place: &StatementRef) -> Value {
    let position = place.position();
    json!({
        "policy": place.policy(),
        "statement": place.index() + 1,
        "sid": place.sid(),
        "line": position.line,
        "column": position.column,
    })
}

fn condition_json(condition: &FailedCondition) -> Value {
    json!({ "operator": condition.operator, "key": condition.key, "values": condition.wanted })
}

fn joined(conditions: &[FailedCondition], with: &str, none: &str) -> String {
    if conditions.is_empty() {
        return none.to_owned();
    }
    let one = |condition: &FailedCondition| {
        let mut values = condition.wanted.iter().map(|value| format!("\"{value}\""));
        let mut shown = values.by_ref().take(VALUES_SHOWN).collect::<Vec<_>>().join(", ");
        match values.count() {
            0 => {}
            rest => shown += &format!(" and {rest} more"),
        }
        format!("{} {} {shown}", condition.operator, condition.key)
    };
    conditions.iter().map(one).collect::<Vec<_>>().join(with)
}

/// Lines of cells under each other, two spaces apart; the last column is not filled up.
pub(super) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths = (0..columns).map(width).collect::<Vec<_>>();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells = cells.map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
