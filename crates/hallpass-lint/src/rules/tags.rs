//! Creating resources without the tags by which the rest of the policy tells them apart.
//!
//! A policy that lets its holder touch only what bears a tag is open at the other end when the holder may make
//! resources without that tag, or put it on anything.

use crate::catalogue::CREATE_WITHOUT_TAG;
use crate::document::{Document, Statement};
use crate::report::{At as _, Report};
use hallpass_policy::PolicyKind;
use hallpass_reference::{self as reference, AccessLevel};
use std::collections::HashMap;

pub(super) fn check(document: &Document<'_>, report: &mut Report) {
    if document.kind != PolicyKind::Identity {
        return;
    }
    let scoped = scoped_services(document);
    if scoped.is_empty() {
        return;
    }
    for statement in document.statements.iter().filter(|statement| statement.allows()) {
        if statement.has_key(&["aws:requesttag/", "aws:tagkeys"]) {
            continue;
        }
        let list = statement.actions.iter().filter(|list| !list.negated);
        let makes = list.flat_map(|list| &list.items).filter_map(|item| {
            let action = reference::action(item.text).filter(|action| makes_tagged(action))?;
            Some((item, *scoped.get(action.service_prefix())?))
        });
        // One finding for a statement: its remedy is one condition.
        let makes: Vec<_> = makes.collect();
        let Some((item, key)) = makes.first() else {
            continue;
        };
        let tag = key.split_once('/').map_or("team", |(_, tag)| tag);
        let others = match makes.len() - 1 {
            0 => String::new(),
            1 => " and another action".to_owned(),
            others => format!(" and {others} other actions"),
        };
        let message = format!(
            "`{}`{others} may make what lacks the tag `{tag}` that this policy goes by",
            item.text
        );
        let help = format!(
            "add the condition `\"StringEquals\": {{\"aws:RequestTag/{tag}\": \"…\"}}` to what makes them"
        );
        report.add(CREATE_WITHOUT_TAG, &item.node.span(), message, help);
    }
}

/// Services whose resources the document tells apart by a tag, each with the key that does.
fn scoped_services<'a>(document: &'a Document<'_>) -> HashMap<&'static str, &'a str> {
    let mut found = HashMap::new();
    for statement in document.statements.iter().filter(|statement| statement.allows()) {
        let Some(key) = tag_key(statement) else {
            continue;
        };
        let list = statement.actions.iter().filter(|list| !list.negated);
        for item in list.flat_map(|list| &list.items) {
            if let Some(service) = item
                .text
                .split_once(':')
                .and_then(|(prefix, _)| reference::service(prefix))
            {
                found.entry(service.prefix()).or_insert(key);
            }
        }
    }
    found
}

fn tag_key<'a>(statement: &'a Statement<'_>) -> Option<&'a str> {
    let about = |lower: &str| lower.starts_with("aws:resourcetag/") || lower.contains(":resourcetag/");
    let mut affirmative = statement
        .conditions
        .iter()
        .filter(|condition| !condition.holds_without_key());
    affirmative
        .find(|condition| about(&condition.lower))
        .map(|condition| condition.key.text.as_str())
}

fn makes_tagged(action: &reference::Action) -> bool {
    let makes = ["Create", "Run", "Allocate", "Launch", "Import", "Register"];
    action.access_level() == AccessLevel::Write
        && makes.iter().any(|verb| action.name().starts_with(verb))
        && action
            .condition_keys()
            .iter()
            .any(|key| reference::is_key(key, "aws:RequestTag/x"))
}
