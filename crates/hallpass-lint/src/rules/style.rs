//! The document as a whole: its version, and names that differ only by case.

use crate::catalogue::*;
use crate::document::{Document, members, string};
use crate::fix::quoted;
use crate::report::{At as _, Report};
use hallpass_policy::json::{Json, Node};
use std::collections::HashMap;

pub(super) fn check(document: &Document<'_>, report: &mut Report) {
    version(document, report);
    same_but_case(document.root, report);
    sids(document, report);
}

fn version(document: &Document<'_>, report: &mut Report) {
    // Under the newer version `${…}` would become a variable, so that the change is not mechanical.
    let literal = document.text.contains("${");
    let root = document.root;
    match document.version.map(|node| (string(node), node)) {
        None if matches!(root.value, Json::Object(_)) => {
            let start = root.offset..root.offset + 1;
            let help = "add `\"Version\": \"2012-10-17\"`";
            report.add(MISSING_VERSION, &start, "the document has no Version", help);
            if !literal && !members(root).is_empty() {
                let at = root.offset + 1;
                report.fix(
                    "add the version",
                    vec![(at..at, "\"Version\": \"2012-10-17\", ".to_owned())],
                );
            }
        }
        Some((Some("2008-10-17"), node)) => {
            let help = "use `2012-10-17`; then `${…}` is a variable";
            report.add(
                OUTDATED_VERSION,
                node,
                "the version 2008-10-17 has no variables",
                help,
            );
            if !literal {
                report.fix(
                    "set the version to `2012-10-17`",
                    vec![(node.span(), quoted("2012-10-17"))],
                );
            }
        }
        _ => {}
    }
}

/// Keys of one object that differ by nothing but case. What the parser refuses is an error already; among condition
/// keys, which ignore case, both count.
fn same_but_case(root: &Node, report: &mut Report) {
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        match &node.value {
            Json::Array(items) => open.extend(items),
            Json::Object(members) => {
                let mut seen: HashMap<String, &str> = HashMap::new();
                for (key, value) in members {
                    if let Some(first) = seen.insert(key.text.to_ascii_lowercase(), &key.text) {
                        let message = format!("`{}` and `{first}` differ by nothing but case", key.text);
                        let help = "keep one of them, with the values of both";
                        report.add(DUPLICATE_KEYS_WITH_DIFFERENT_CASE, key, message, help);
                    }
                    open.push(value);
                }
            }
            _ => {}
        }
    }
}

fn sids(document: &Document<'_>, report: &mut Report) {
    let named = document
        .statements
        .iter()
        .filter(|statement| statement.sid.is_some())
        .count();
    for statement in &document.statements {
        if statement.sid.is_none() && named > 0 {
            let start = statement.node.offset..statement.node.offset + 1;
            let help = "give it a `Sid`, by which explanations and audits can name it";
            report.add(
                MISSING_SID,
                &start,
                "the statement has no Sid, though others have",
                help,
            );
        }
    }
}
