//! Condition operators: whether they fit their keys and their values.

use super::conditions::fits;
use crate::catalogue::*;
use crate::document::{Condition, Statement};
use crate::fix::{item_range, quoted};
use crate::report::{At as _, Report};
use hallpass_reference::{self as reference, KeyType};
use std::collections::HashSet;

pub(super) fn check(statement: &Statement<'_>, report: &mut Report) {
    let operators: HashSet<&str> = statement
        .conditions
        .iter()
        .map(|condition| condition.operator_key.text.as_str())
        .collect();
    for condition in &statement.conditions {
        let kind = reference::condition_key(&condition.key.text);
        if let Some(kind) = kind {
            mismatch(condition, kind, report);
        }
        wildcards(condition, kind, &operators, report);
        null(condition, report);
        booleans(condition, report);
        addresses(condition, report);
        twice(condition, report);
        if condition.nodes.is_empty() {
            let message = format!("`{}` is compared with nothing", condition.key.text);
            report.add(
                EMPTY_CONDITION_VALUES,
                condition.key,
                message,
                "add a value, or remove the key",
            );
        }
    }
}

fn mismatch(condition: &Condition<'_>, kind: KeyType, report: &mut Report) {
    let operator = condition.operator;
    let name = &condition.operator_key.text;
    let key = &condition.key.text;
    // Tags and the like may hold ARNs.
    let arns = condition
        .values
        .iter()
        .all(|(value, _)| value.starts_with("arn:") || *value == "*");
    let arn =
        operator.base.starts_with("Arn") && arns && matches!(kind, KeyType::String | KeyType::ArrayOfString);
    if !fits(kind, operator.base) && !arn {
        let message = format!("`{name}` does not fit `{key}`, whose type is {kind:?}");
        report.add(
            TYPE_MISMATCH,
            condition.operator_key,
            message,
            "use an operator of the key's type",
        );
    }
    let text_on_arn = kind == KeyType::Arn && matches!(operator.base, "StringLike" | "StringNotLike");
    let wild = condition.values.iter().any(|(value, _)| value.contains('*'));
    if text_on_arn && wild {
        let message = format!("in `{name}` a `*` crosses the colons of `{key}`");
        let help = "use `ArnLike`, whose `*` stays within one part of the ARN";
        report.add(
            STRING_LIKE_OPERATOR_WITH_ARN_CONDITION_KEYS,
            condition.operator_key,
            message,
            help,
        );
    }
    if operator.quantifier == Some("ForAllValues") && !kind.is_array() {
        let message = format!("`{key}` has one value; ForAllValues is true when it is absent");
        let help = "leave out `ForAllValues:`, which is for keys of several values";
        report.add(
            FORALLVALUES_WITH_SINGLE_VALUED_KEY,
            condition.operator_key,
            message,
            help,
        );
    }
}

fn wildcards(
    condition: &Condition<'_>,
    kind: Option<KeyType>,
    operators: &HashSet<&str>,
    report: &mut Report,
) {
    let like = match condition.operator.base {
        "StringEquals" => "StringLike",
        "StringNotEquals" => "StringNotLike",
        _ => return,
    };
    let Some((value, node)) = condition.values.iter().find(|(value, _)| {
        // `${*}` is a literal star, and lone stars are what some keys hold.
        let bare = value.replace("${*}", "").replace("${?}", "");
        bare.contains('*') || bare.contains('?') && kind == Some(KeyType::Arn)
    }) else {
        return;
    };
    let message = format!(
        "for `{}` the `*` in `{value}` is an ordinary character",
        condition.operator_key.text
    );
    report.add(
        WILDCARD_WITHOUT_LIKE_OPERATOR,
        *node,
        message,
        format!("use `{like}`"),
    );
    let renamed = condition.operator_key.text.replace(condition.operator.base, like);
    // The block's other keys may mean their values literally; and no object may name a key twice.
    if condition.siblings == 1 && !operators.contains(renamed.as_str()) {
        let title = format!("replace `{}` by `{renamed}`", condition.operator_key.text);
        report.fix(title, vec![(condition.operator_key.span(), quoted(&renamed))]);
    }
}

fn null(condition: &Condition<'_>, report: &mut Report) {
    if condition.operator.base != "Null" {
        return;
    }
    if condition.operator.if_exists {
        let message = "Null asks whether the key exists; IfExists adds nothing";
        report.add(
            NULL_WITH_IF_EXISTS,
            condition.operator_key,
            message,
            "write `Null`",
        );
    }
    if let Some((value, node)) = condition
        .values
        .iter()
        .find(|(value, _)| !value.eq_ignore_ascii_case("true") && !value.eq_ignore_ascii_case("false"))
    {
        let message = format!("Null is asked with `{value}`");
        report.add(
            NULL_WITH_INVALID_VALUE,
            *node,
            message,
            "write `true` (absent) or `false` (present)",
        );
    }
}

fn booleans(condition: &Condition<'_>, report: &mut Report) {
    if !matches!(condition.operator.base, "Bool" | "Null") || condition.operator.quantifier.is_some() {
        return;
    }
    let has = |wanted: &str| {
        condition
            .values
            .iter()
            .any(|(value, _)| value.eq_ignore_ascii_case(wanted))
    };
    if has("true") && has("false") {
        let message = format!("`{}` is compared with both true and false", condition.key.text);
        report.add(
            INVALID_CONDITION_MULTIPLE_BOOLEAN,
            condition.node,
            message,
            "keep one of the two",
        );
    }
}

fn addresses(condition: &Condition<'_>, report: &mut Report) {
    if !matches!(condition.operator.base, "IpAddress" | "NotIpAddress") {
        return;
    }
    for (value, node) in &condition.values {
        let (address, prefix) = value.split_once('/').unwrap_or((value, "32"));
        let (Ok(address), Ok(prefix)) = (address.parse::<std::net::Ipv4Addr>(), prefix.parse::<u32>()) else {
            continue;
        };
        if prefix > 32 {
            continue;
        }
        let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
        let network = std::net::Ipv4Addr::from(u32::from(address) & mask);
        if network != address {
            let right = format!("{network}/{prefix}");
            let message = format!("`{value}` is the range `{right}`");
            report.add(
                IMPROVE_IP_RANGE,
                *node,
                message,
                "write the range's first address",
            );
            report.fix(
                format!("replace `{value}` by `{right}`"),
                vec![(node.span(), quoted(&right))],
            );
        }
        if condition.lower == "aws:sourceip" && prefix >= 8 && (address.is_private() || address.is_loopback())
        {
            let message = format!("no request comes from `{value}`: the key holds public addresses");
            let help = "use `aws:VpcSourceIp`, which holds the address within a VPC";
            report.add(PRIVATE_IP_ADDRESS, *node, message, help);
        }
    }
}

fn twice(condition: &Condition<'_>, report: &mut Report) {
    let mut seen = HashSet::new();
    // Without the nodes that are no scalars the indices would not fit, and the parser has refused those.
    if condition.values.len() != condition.nodes.len() {
        return;
    }
    for (index, (value, node)) in condition.values.iter().enumerate() {
        if !seen.insert(*value) {
            report.add(
                REDUNDANT_CONDITION_VALUE,
                *node,
                format!("`{value}` stands twice"),
                "remove one of them",
            );
            if let Some(range) = item_range(condition.nodes, index) {
                report.fix(format!("remove `{value}`"), vec![(range, String::new())]);
            }
        }
    }
}
