//! Elements that are there and say nothing.

use crate::catalogue::*;
use crate::document::{Statement, members};
use crate::report::{At as _, Report, Span};
use hallpass_policy::json::{Json, Node};

pub(super) fn check(statement: &Statement<'_>, report: &mut Report) {
    if let Some((sid, node)) = statement.sid {
        if sid.is_empty() {
            report.add(
                EMPTY_SID_VALUE,
                node,
                "the Sid is empty",
                "write a name, or leave it out",
            );
            fix_removal(statement.node, "Sid", report);
        } else if !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let help = "IAM takes letters and digits; other services take more";
            report.add(
                UNSUPPORTED_SID,
                node,
                format!("the Sid `{sid}` holds other characters"),
                help,
            );
        }
    }
    if let Some((key, node)) = statement.condition {
        let blocks = members(node);
        if matches!(&node.value, Json::Object(blocks) if blocks.is_empty()) {
            report.add(
                EMPTY_OBJECT_CONDITION,
                key,
                "the Condition is empty",
                "remove it, or say what it is to ask",
            );
            fix_removal(statement.node, "Condition", report);
        }
        for (operator, block) in blocks {
            if matches!(&block.value, Json::Object(keys) if keys.is_empty()) {
                let message = format!("`{}` has no keys", operator.text);
                report.add(
                    EMPTY_OBJECT_CONDITION,
                    operator,
                    message,
                    "remove it, or say what it is to ask",
                );
                fix_removal(node, &operator.text, report);
            }
        }
    }
}

/// Gives the latest finding a fix that removes the member `name` of an object.
fn fix_removal(object: &Node, name: &str, report: &mut Report) {
    if let Some(range) = member_range(object, name) {
        report.fix(format!("remove `{name}`"), vec![(range, String::new())]);
    }
}

/// The bytes to remove so that an object loses its member `name`, comma included.
pub(super) fn member_range(object: &Node, name: &str) -> Option<Span> {
    let members = members(object);
    let index = members.iter().position(|(key, _)| key.text == name)?;
    let (key, value) = members.get(index)?;
    if let Some((next, _)) = members.get(index + 1) {
        return Some(key.offset..next.offset);
    }
    match index.checked_sub(1).and_then(|before| members.get(before)) {
        Some((_, before)) => Some(before.end..value.end),
        None => Some(key.span().start..value.end),
    }
}
