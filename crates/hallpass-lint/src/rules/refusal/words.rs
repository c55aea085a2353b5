//! From the parser's refusals to rules, places and words of help.

use crate::catalogue::*;
use crate::document::string;
use crate::report::{At as _, Span};
use hallpass_policy::json::{Json, Node};
use hallpass_policy::{PolicyError, PolicyErrorCode};

/// The rule that a refusal belongs to; `element` is the one at fault, where it is known.
pub(super) fn rule(error: &PolicyError, element: &str, value: Option<&Node>) -> &'static Rule {
    let message = error.message.as_str();
    match error.code {
        PolicyErrorCode::InvalidJson => JSON_SYNTAX_ERROR,
        PolicyErrorCode::TooLarge => POLICY_SIZE_EXCEEDED,
        PolicyErrorCode::Characters => UNSUPPORTED_CHARACTER,
        PolicyErrorCode::Version => INVALID_VERSION,
        PolicyErrorCode::Sid => UNIQUE_SIDS_REQUIRED,
        PolicyErrorCode::Syntax | PolicyErrorCode::LegacyParsing => match element {
            "Effect" if value.is_none_or(|value| string(value).is_some()) => INVALID_EFFECT,
            "Resource" | "NotResource" if error.code == PolicyErrorCode::LegacyParsing => {
                INVALID_RESOURCE_FORMAT
            }
            "Principal" | "NotPrincipal" => INVALID_PRINCIPAL_FORMAT,
            "" => REFUSED,
            _ => DATA_TYPE_MISMATCH,
        },
        PolicyErrorCode::Principal if message.starts_with("Missing") => MISSING_PRINCIPAL,
        PolicyErrorCode::Principal if message.starts_with("Policy document should not") => {
            UNSUPPORTED_PRINCIPAL
        }
        PolicyErrorCode::Principal if message.starts_with("Has prohibited") => UNSUPPORTED_ELEMENT,
        PolicyErrorCode::Principal => INVALID_PRINCIPAL_FORMAT,
        PolicyErrorCode::Action if message.starts_with("Policy statement must") => MISSING_ACTION,
        PolicyErrorCode::Action if message.starts_with("AssumeRole policy") => UNSUPPORTED_ACTION_IN_POLICY,
        PolicyErrorCode::Action => INVALID_ACTION_FORMAT,
        PolicyErrorCode::Resource if message.starts_with("Policy statement must") => MISSING_RESOURCE,
        PolicyErrorCode::Resource if message.starts_with("Has prohibited") => UNSUPPORTED_ELEMENT,
        PolicyErrorCode::Resource if message.contains("region information") => ARN_REGION_NOT_ALLOWED,
        PolicyErrorCode::Resource if message.starts_with("Partition") => INVALID_PARTITION,
        PolicyErrorCode::Resource => INVALID_RESOURCE_FORMAT,
    }
}

/// What to do about it.
pub(super) fn help(rule: &Rule) -> &'static str {
    match rule.name {
        "INVALID_POLICY_ELEMENT" => {
            "remove it, or correct its spelling; names of elements are case-sensitive"
        }
        "DATA_TYPE_MISMATCH" => "write a string, or a list of strings, as this element takes it",
        "INVALID_VERSION" => "the versions are `2012-10-17` and, long superseded, `2008-10-17`",
        "MISSING_STATEMENT" => "add a `Statement` with at least one statement",
        "MISSING_EFFECT" | "INVALID_EFFECT" => "write `\"Effect\": \"Allow\"` or `\"Effect\": \"Deny\"`",
        "MISSING_ACTION" => "add an `Action`, such as `s3:GetObject`",
        "INVALID_ACTION_FORMAT" => "write the service's prefix, one colon and the action: `s3:GetObject`",
        "MISSING_RESOURCE" => "add a `Resource`: an ARN or `*`",
        "INVALID_RESOURCE_FORMAT" => "write `*` or an ARN: `arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE`",
        "ARN_REGION_NOT_ALLOWED" => "leave the region empty: `arn:aws:s3:::bucket`",
        "INVALID_PARTITION" => "the fixed start is `arn:`, then the partition, which mostly is `aws`",
        "MISSING_PRINCIPAL" => {
            "say who is meant: `\"Principal\": {\"AWS\": \"arn:aws:iam::ACCOUNT:role/NAME\"}`"
        }
        "UNSUPPORTED_PRINCIPAL" => "remove it: whom the policy is attached to is its principal",
        "INVALID_PRINCIPAL_FORMAT" => {
            "write `*`, or an object of `AWS`, `Service`, `Federated`, `CanonicalUser`; no partial wildcards"
        }
        "UNIQUE_SIDS_REQUIRED" => "give each statement a name of its own",
        "UNSUPPORTED_ELEMENT_COMBINATION" => {
            "keep one of the two, in statements of their own if both are meant"
        }
        "INVALID_CONDITION_OPERATOR" => "use an operator of the language; their names are case-sensitive",
        "INVALID_CONDITION_DATA_TYPE" => {
            "write values that the operator can read: a date, a number, a range, base64"
        }
        "UNSUPPORTED_ELEMENT" => "remove it: a policy of this kind does not take it",
        "UNSUPPORTED_ACTION_IN_POLICY" => {
            "a trust policy allows `sts:AssumeRole` and its relatives, nothing else"
        }
        "UNSUPPORTED_CHARACTER" => "replace it: IAM takes characters up to U+00FF",
        "POLICY_SIZE_EXCEEDED" => "split the document, or shorten its lists with wildcards",
        _ => "see the grammar of the policy language in the IAM User Guide",
    }
}

/// The place of the value or key that starts at this byte.
pub(super) fn node_at(root: &Node, offset: usize) -> Option<Span> {
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if node.offset == offset {
            let whole = matches!(node.value, Json::Object(_) | Json::Array(_));
            return Some(if whole { offset..offset + 1 } else { node.span() });
        }
        match &node.value {
            Json::Array(items) => open.extend(
                items
                    .iter()
                    .filter(|item| item.offset <= offset && offset < item.end),
            ),
            Json::Object(members) => {
                for (key, value) in members {
                    if key.offset == offset {
                        return Some(key.span());
                    }
                    if value.offset <= offset && offset < value.end {
                        open.push(value);
                    }
                }
            }
            _ => {}
        }
    }
    None
}
