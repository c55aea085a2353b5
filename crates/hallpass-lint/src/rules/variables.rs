//! Policy variables: `${aws:username}`.

use crate::catalogue::*;
use crate::document::{Document, Statement, members, nodes, string};
use crate::report::Report;
use hallpass_policy::json::Node;

pub(super) fn check(document: &Document<'_>, statement: &Statement<'_>, report: &mut Report) {
    if let Some(list) = &statement.resources {
        for item in &list.items {
            variables(document, item.text, item.node, report);
        }
    }
    for condition in &statement.conditions {
        let base = condition.operator.base;
        let takes = base.starts_with("String") || base.starts_with("Arn") || base == "Bool";
        for (value, node) in &condition.values {
            if takes {
                variables(document, value, node, report);
            } else if value.contains("${") {
                let message = format!("`{base}` takes no variables");
                let help = "write the value itself, or use an operator for strings or ARNs";
                report.add(INVALID_VARIABLE_FOR_OPERATOR, *node, message, help);
            }
        }
    }
    if let Some(list) = &statement.actions {
        for item in list.items.iter().filter(|item| item.text.contains("${")) {
            report.add(
                VARIABLE_UNSUPPORTED_IN_ELEMENT,
                item.node,
                "actions take no variables",
                "write the action itself",
            );
        }
    }
    if let Some((_, principal)) = statement.principal {
        let names = members(principal).iter().flat_map(|(_, names)| nodes(names));
        for node in names.filter(|node| string(node).is_some_and(|text| text.contains("${"))) {
            let help = "compare `aws:PrincipalArn` in a condition";
            report.add(
                VARIABLE_UNSUPPORTED_IN_ELEMENT,
                node,
                "principals take no variables",
                help,
            );
        }
    }
}

fn variables(document: &Document<'_>, text: &str, node: &Node, report: &mut Report) {
    let Some(first) = text.find("${") else {
        return;
    };
    if !document.current {
        let message = "without `\"Version\": \"2012-10-17\"` a variable is ordinary text";
        report.add(
            VARIABLE_UNSUPPORTED_IN_VERSION,
            node,
            message,
            "set the document's version",
        );
        return;
    }
    let mut rest = text.get(first..).unwrap_or_default();
    while let Some(start) = rest.find("${") {
        let inner = rest.get(start + 2..).unwrap_or_default();
        let Some(end) = inner.find('}') else {
            report.add(
                MISSING_BRACE_IN_VARIABLE,
                node,
                "the variable is not closed",
                "add the `}`",
            );
            return;
        };
        let variable = inner.get(..end).unwrap_or_default();
        let name = variable.split(',').next().unwrap_or_default();
        if variable.trim().is_empty() {
            report.add(
                EMPTY_VARIABLE,
                node,
                "the variable has no name",
                "write a condition key, or `${*}`, `${?}`, `${$}`",
            );
        } else if name.trim_end() != name && !variable.contains(',') || name.trim_start() != name {
            let message = format!("the name in `${{{variable}}}` holds a space");
            report.add(UNSUPPORTED_SPACE_IN_VARIABLE, node, message, "remove the space");
        }
        rest = inner.get(end + 1..).unwrap_or_default();
    }
}
