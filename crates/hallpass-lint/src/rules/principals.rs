//! Who a resource policy lets in.

use crate::catalogue::*;
use crate::document::{Document, Statement, members, nodes, string};
use crate::fix::item_range;
use crate::report::{At as _, Report};
use hallpass_policy::PolicyKind;
use hallpass_policy::json::Node;

/// Keys that tell who asks or where from; a condition on one of them keeps the world out.
const LIMITING: [&str; 24] = [
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principaltag/",
    "aws:principalservicename",
    "aws:principalservicenameslist",
    "aws:principalisawsservice",
    "aws:sourceip",
    "aws:sourcevpc",
    "aws:sourcevpcarn",
    "aws:sourcevpce",
    "aws:vpcsourceip",
    "aws:vpceaccount",
    "aws:vpceorgid",
    "aws:sourcearn",
    "aws:sourceaccount",
    "aws:sourceowner",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:userid",
    "aws:username",
    "kms:calleraccount",
    "s3:dataaccesspointaccount",
];

/// Keys that tell for whom a service acts.
pub(super) const SOURCE: [&str; 5] = [
    "aws:sourcearn",
    "aws:sourceaccount",
    "aws:sourceowner",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
];

/// The names that a statement's `Principal` holds, each with its kind and place.
pub(super) fn names<'a>(statement: &Statement<'a>) -> Vec<(&'a str, &'a str, &'a Node)> {
    let Some((_, node)) = statement.principal else {
        return Vec::new();
    };
    if let Some(text) = string(node) {
        return vec![("AWS", text, node)];
    }
    let kinds = members(node).iter();
    let named =
        kinds.flat_map(|(kind, names)| nodes(names).iter().map(move |node| (kind.text.as_str(), node)));
    named
        .filter_map(|(kind, node)| Some((kind, string(node)?, node)))
        .collect()
}

/// Whether a condition names, in the affirmative, one of the keys.
pub(super) fn limited(statement: &Statement<'_>, keys: &[&str]) -> bool {
    statement.conditions.iter().any(|condition| {
        let named = keys.iter().any(|key| match key.strip_suffix('/') {
            Some(_) => condition.lower.starts_with(key),
            None => condition.lower == *key,
        });
        let any = condition
            .values
            .iter()
            .all(|(value, _)| matches!(*value, "*" | "0.0.0.0/0" | "::/0"));
        named && !condition.holds_without_key() && !any
    })
}

pub(super) fn check(document: &Document<'_>, statement: &Statement<'_>, report: &mut Report) {
    let Some((key, node)) = statement.principal else {
        return;
    };
    if key.text == "NotPrincipal" {
        let help = "use `\"Principal\": \"*\"` with a condition on `aws:PrincipalArn`";
        let message = "NotPrincipal must name account, role and session, and denies whoever has a boundary";
        report.add(NOT_PRINCIPAL, key, message, help);
        return;
    }
    for (_, list) in members(node) {
        redundant(nodes(list), report);
    }
    if document.kind != PolicyKind::Resource || !statement.allows() {
        return;
    }
    for (kind, name, node) in names(statement) {
        if kind == "AWS" && name == "*" && !limited(statement, &LIMITING) {
            let help =
                "name the principals, or add a condition such as `aws:PrincipalOrgID` or `aws:SourceVpce`";
            report.add(
                PUBLIC_RESOURCE,
                node,
                "anybody in the world is allowed this",
                help,
            );
        }
        if kind == "Service" && !limited(statement, &SOURCE) && !limited(statement, &["aws:principalorgid"]) {
            let message = format!("`{name}` may act here for any account that asks it");
            let help = "add a condition on `aws:SourceArn` or `aws:SourceAccount`";
            report.add(RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL, node, message, help);
        }
    }
}

fn redundant(items: &[Node], report: &mut Report) {
    let everyone = items.iter().position(|node| string(node) == Some("*"));
    let mut seen = std::collections::HashSet::new();
    for (index, node) in items.iter().enumerate() {
        let Some(name) = string(node) else {
            continue;
        };
        let covered = everyone.is_some_and(|everyone| everyone != index);
        if !seen.insert(name) || covered {
            let message = format!("`{name}` is meant already");
            report.add(REDUNDANT_PRINCIPAL, &node.span(), message, "remove it");
            if let Some(range) = item_range(items, index) {
                report.fix(format!("remove `{name}`"), vec![(range, String::new())]);
            }
        }
    }
}
