//! Condition keys: whether they exist, whether the statement's actions carry them, what they can be compared with.

use crate::catalogue::*;
use crate::document::{Condition, Document, Statement};
use crate::glob;
use crate::report::Report;
use hallpass_policy::PolicyKind;
use hallpass_reference::{self as reference, KeyType};
use std::collections::HashSet;

pub(super) fn check(document: &Document<'_>, statement: &Statement<'_>, report: &mut Report) {
    let mut carried: HashSet<&str> = HashSet::new();
    for condition in &statement.conditions {
        let key = condition.key.text.as_str();
        if tag_without_name(condition, report) || !exists(condition, report) {
            continue;
        }
        deprecated(condition, report);
        if carried.insert(&condition.lower) && !supported(document, statement, condition) {
            let message = format!("no action of the statement carries `{key}`");
            let help = if condition.holds_without_key() {
                "the condition is always met; remove it, or name actions that carry the key"
            } else {
                "the condition is never met; name actions that carry the key"
            };
            report.add(UNSUPPORTED_CONDITION_KEY, condition.key, message, help);
        }
    }
    contradictions(statement, report);
}

fn tag_without_name(condition: &Condition<'_>, report: &mut Report) -> bool {
    let bare = condition.lower.strip_suffix('/').unwrap_or(&condition.lower);
    let tag = ["aws:requesttag", "aws:resourcetag", "aws:principaltag"].contains(&bare);
    if tag {
        let message = format!("`{}` names no tag", condition.key.text);
        report.add(
            MISSING_TAG_KEY_IN_CONDITION,
            condition.key,
            message,
            "add the tag's name: `aws:RequestTag/team`",
        );
    }
    tag
}

fn exists(condition: &Condition<'_>, report: &mut Report) -> bool {
    let key = condition.key.text.as_str();
    if reference::condition_key(key).is_some() {
        return true;
    }
    let Some((prefix, _)) = condition.lower.split_once(':') else {
        let message = format!("there is no condition key `{key}`");
        report.add(
            INVALID_SERVICE_CONDITION_KEY,
            condition.key,
            message,
            "write the prefix and the key: `aws:SourceIp`",
        );
        return false;
    };
    // Identity providers' keys begin with their host names, and a service outside the reference may have any.
    if prefix == "aws" {
        let message = format!("there is no global condition key `{key}`");
        let help = "AWS's page of global condition keys lists them; case does not matter";
        report.add(INVALID_GLOBAL_CONDITION_KEY, condition.key, message, help);
    } else if reference::service(prefix).is_some_and(|service| !service.condition_keys().is_empty())
        && !matches!(prefix, "sts" | "sns" | "cognito-identity" | "kms")
    {
        let message = format!("the service `{prefix}` has no condition key `{key}`");
        let help = "the service's page in the Service Authorization Reference lists its keys";
        report.add(INVALID_SERVICE_CONDITION_KEY, condition.key, message, help);
    }
    false
}

fn deprecated(condition: &Condition<'_>, report: &mut Report) {
    if condition.lower == "aws:sourceowner" {
        let message = "`aws:SourceOwner` is deprecated";
        report.add(
            DEPRECATED_GLOBAL_CONDITION_KEY,
            condition.key,
            message,
            "use `aws:SourceAccount`",
        );
    }
}

/// Whether some action of the statement carries the key, or that cannot be said.
fn supported(document: &Document<'_>, statement: &Statement<'_>, condition: &Condition<'_>) -> bool {
    let key = condition.lower.as_str();
    let tags = ["aws:requesttag/", "aws:tagkeys", "aws:resourcetag/"];
    let Some((prefix, _)) = key.split_once(':') else {
        return true;
    };
    // Global keys ride on every request, but for those about tags, which some services do not know.
    let global = prefix == "aws" && !tags.iter().any(|tag| key.starts_with(tag));
    let foreign = prefix != "aws" && reference::service(prefix).is_none();
    let limit = !matches!(
        document.kind,
        PolicyKind::Identity | PolicyKind::Session | PolicyKind::Boundary
    );
    let Some(actions) = statement.actions.as_ref().filter(|list| !list.negated) else {
        return true;
    };
    if global || foreign || limit || actions.items.is_empty() {
        return true;
    }
    actions.items.iter().any(|item| {
        let Some((service, name)) = item.lower.split_once(':') else {
            return true;
        };
        let Some(service) = reference::service(service) else {
            return true;
        };
        if name.contains(['*', '?']) {
            // The keys of the service's page are asked, not of each action: wide patterns are meant widely.
            return name == "*" && listed(service, key) || any_action(document, service, name, key);
        }
        match service.action(name) {
            Some(action) => carries(document, service, action, key),
            None => true,
        }
    })
}

fn listed(service: &reference::Service, key: &str) -> bool {
    service
        .condition_keys()
        .iter()
        .any(|(listed, _)| reference::is_key(listed, key))
}

fn any_action(document: &Document<'_>, service: &reference::Service, name: &str, key: &str) -> bool {
    service.actions().iter().any(|action| {
        !document.spend(10)
            || glob::matches(name, &action.name().to_ascii_lowercase())
                && carries(document, service, action, key)
    })
}

fn carries(
    document: &Document<'_>,
    service: &reference::Service,
    action: &reference::Action,
    key: &str,
) -> bool {
    let of_types = action
        .resources()
        .iter()
        .filter_map(|resource| service.resource_type(resource.name));
    let mut keys = of_types
        .flat_map(reference::ResourceType::condition_keys)
        .chain(action.condition_keys());
    keys.any(|listed| !document.spend(1) || reference::is_key(listed, key))
}

/// Conditions that exclude each other.
fn contradictions(statement: &Statement<'_>, report: &mut Report) {
    let plain =
        |condition: &&Condition<'_>| condition.operator.quantifier.is_none() && !condition.operator.if_exists;
    let mut absent: HashSet<&str> = HashSet::new();
    for condition in &statement.conditions {
        let null =
            condition.operator.base == "Null" && condition.values.iter().all(|(value, _)| *value == "true");
        if null && !condition.values.is_empty() {
            absent.insert(&condition.lower);
        }
    }
    let mut equal: Vec<(&str, HashSet<&str>)> = Vec::new();
    for condition in statement.conditions.iter().filter(plain) {
        let base = condition.operator.base;
        let key = condition.lower.as_str();
        let values: HashSet<&str> = condition.values.iter().map(|(value, _)| *value).collect();
        if base != "Null" && !condition.operator.is_negated() && absent.contains(key) {
            let message = format!(
                "`{}` is to be absent, by Null, and to have a value",
                condition.key.text
            );
            report.add(
                CONTRADICTORY_CONDITION,
                condition.key,
                message,
                "remove one of the two",
            );
        } else if base == "StringEquals" {
            equal.push((key, values));
        }
    }
    for condition in statement.conditions.iter().filter(plain) {
        let excluded: HashSet<&str> = condition.values.iter().map(|(value, _)| *value).collect();
        let mut same = equal.iter().filter(|(key, _)| *key == condition.lower);
        let base = condition.operator.base;
        if base == "StringNotEquals"
            && same
                .any(|(_, values)| !values.is_empty() && values.iter().all(|value| excluded.contains(value)))
        {
            let message = format!(
                "`{}` is to be, and not to be, one of these values",
                condition.key.text
            );
            report.add(
                CONTRADICTORY_CONDITION,
                condition.key,
                message,
                "remove one of the two",
            );
        }
    }
}

/// The families of operators that a key of this type can be asked with.
pub(super) fn fits(kind: KeyType, base: &str) -> bool {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| base.starts_with(prefix));
    match kind {
        _ if base == "Null" => true,
        KeyType::String | KeyType::ArrayOfString => starts(&["String"]),
        // AWS compares ARNs as text too, and warns of it elsewhere.
        KeyType::Arn | KeyType::ArrayOfArn => starts(&["Arn", "String"]),
        // Text compares truth values and numbers literally, which works.
        KeyType::Bool | KeyType::ArrayOfBool => starts(&["Bool", "String"]),
        KeyType::Numeric => starts(&["Numeric", "String"]),
        KeyType::Date => starts(&["Date", "Numeric"]),
        KeyType::Ip => starts(&["IpAddress", "NotIpAddress"]),
        KeyType::Binary => starts(&["Binary"]),
    }
}
