//! Denials to whoever has no second factor, which long-term keys get past.
//!
//! Only requests with temporary credentials say whether there was a second factor: with an access key of a user
//! `aws:MultiFactorAuthPresent` is not false but absent, and `Bool` with `"false"` does not hold.
//!
//! Source: IAM User Guide, "AWS global condition context keys", `aws:MultiFactorAuthPresent`.

use super::redundancy::list_covers;
use super::statements::member_range;
use crate::catalogue::MFA_DENY_WITHOUT_IF_EXISTS;
use crate::document::{Condition, Document, Effect, List, Statement, members};
use crate::fix::quoted;
use crate::report::{At as _, Report, Span};

const PRESENT: &str = "aws:multifactorauthpresent";

pub(super) fn check(document: &Document<'_>, report: &mut Report) {
    for statement in &document.statements {
        if statement.effect != Some(Effect::Deny) || meant(statement) {
            continue;
        }
        let mut spared = statement
            .conditions
            .iter()
            .filter(|condition| absent_passes(condition))
            .peekable();
        if spared.peek().is_none() || completed(document, statement) {
            continue;
        }
        for condition in spared {
            let key = &condition.key.text;
            let renamed = format!("{}IfExists", condition.operator_key.text);
            let message = format!("requests with a user's access key lack `{key}`: they are not denied");
            let help = format!("use `{renamed}`, which holds where it is absent too");
            report.add(MFA_DENY_WITHOUT_IF_EXISTS, condition.operator_key, message, help);
            if condition.operator.quantifier.is_none() {
                let title = format!("compare `{key}` by `{renamed}`");
                report.fix(
                    title,
                    edits(document, statement, condition, &renamed).unwrap_or_default(),
                );
            }
        }
    }
}

/// Whether the condition holds where the key says `false`, and not where there is no key.
fn absent_passes(condition: &Condition<'_>) -> bool {
    let base = condition.operator.base;
    condition.lower == PRESENT
        && (base == "Bool" || base.starts_with("String"))
        && !condition.holds_without_key()
        && !condition.values.is_empty()
        && condition
            .values
            .iter()
            .all(|(value, _)| value.eq_ignore_ascii_case("false"))
}

/// Whether the statement asks in so many words whether the key is there.
fn meant(statement: &Statement<'_>) -> bool {
    let mut conditions = statement.conditions.iter();
    conditions.any(|condition| condition.lower == PRESENT && condition.operator.base == "Null")
}

/// Whether another statement denies the same to requests without the key, or the document is too large to tell.
fn completed(document: &Document<'_>, statement: &Statement<'_>) -> bool {
    let size = |list: &Option<List<'_>>| list.as_ref().map_or(1, |list| list.items.len());
    let length = |statement: &Statement<'_>| size(&statement.actions) + size(&statement.resources);
    document.statements.iter().any(|other| {
        let mut conditions = other.conditions.iter();
        other.effect == Some(Effect::Deny)
            && conditions.any(|condition| condition.lower == PRESENT && condition.holds_without_key())
            && (!document.spend(length(other) * length(statement)) || covers(other, statement))
    })
}

fn covers(wide: &Statement<'_>, narrow: &Statement<'_>) -> bool {
    let actions = (wide.actions.as_ref(), narrow.actions.as_ref());
    let resources = (wide.resources.as_ref(), narrow.resources.as_ref());
    list_covers(actions.0, actions.1, 0, |item| &item.lower)
        && list_covers(resources.0, resources.1, 5, |item| item.text)
}

/// The operator renamed; where other keys share its block, the key moved to a block of its own, or those would hold
/// without their keys too. `None` where the document has such a block already.
fn edits(
    document: &Document<'_>,
    statement: &Statement<'_>,
    condition: &Condition<'_>,
    renamed: &str,
) -> Option<Vec<(Span, String)>> {
    let (_, blocks) = statement.condition?;
    let blocks = members(blocks);
    if blocks.iter().any(|(operator, _)| operator.text == renamed) {
        return None;
    }
    let operator = condition.operator_key.span();
    if condition.siblings == 1 {
        return Some(vec![(operator, quoted(renamed))]);
    }
    let (_, block) = blocks.iter().find(|(key, _)| key.offset == operator.start)?;
    let member = document.text.get(condition.key.offset..condition.node.end)?;
    let moved = format!("{}: {{{member}}}, ", quoted(renamed));
    Some(vec![
        (operator.start..operator.start, moved),
        (member_range(block, &condition.key.text)?, String::new()),
    ])
}
