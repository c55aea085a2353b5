//! Lambda: functions by name, partial or whole ARN, with or without a qualifier.

use crate::asked::{Asked, Found, whole_arn};
use crate::resource::is_plain_name;
use hallpass_reference::Action;
use hallpass_types::AccountId;

/// The function; layers and the rest by the rule for all services.
pub(super) fn resources(asked: &Asked<'_>, action: &Action) -> Found {
    if !action.resources().iter().any(|kind| kind.name == "function") {
        return Found::Generic;
    }
    let named = asked.label("FunctionName").or_else(|| asked.text("FunctionName"));
    match named {
        Some(name) => Found::one(function(asked, name)),
        None => Found::Generic,
    }
}

fn function(asked: &Asked<'_>, text: &str) -> Option<String> {
    let arn = if text.starts_with("arn:") {
        whole_arn(text, "lambda").filter(|arn| {
            arn.splitn(6, ':')
                .nth(5)
                .is_some_and(|rest| rest.starts_with("function:"))
        })?
    } else if let Some((account, rest)) = text.split_once(":function:") {
        account.parse::<AccountId>().ok()?;
        asked.arn_in(
            "lambda",
            asked.region,
            account,
            &format!("function:{}", colons(rest)?),
        )
    } else {
        let name = text.strip_prefix("function:").unwrap_or(text);
        asked.arn("lambda", &format!("function:{}", colons(name)?))
    };
    let qualifiers = asked.query("Qualifier");
    let is_qualified = arn.split(':').count() > 7;
    match qualifiers.as_slice() {
        [] => Some(arn),
        // Given in both places, they must be one.
        [one] if is_qualified => arn.ends_with(&format!(":{one}")).then_some(arn),
        [one] => is_plain_name(one).then(|| format!("{arn}:{one}")),
        _ => None,
    }
}

/// `NAME` or `NAME:QUALIFIER`.
fn colons(text: &str) -> Option<&str> {
    let mut parts = text.split(':');
    let is_plain = parts.clone().all(is_plain_name) && parts.by_ref().count() <= 2;
    is_plain.then_some(text)
}

/// `lambda:FunctionArn` of an event source mapping, and the like.
pub(super) fn keys(asked: &Asked<'_>) -> Vec<(String, Vec<String>)> {
    let mut keys = super::from_members(
        asked,
        &[
            ("Principal", "lambda:Principal"),
            ("CodeSigningConfigArn", "lambda:CodeSigningConfigArn"),
        ],
    );
    if let Some(arn) = asked.text("FunctionName").and_then(|name| function(asked, name)) {
        keys.push(("lambda:FunctionArn".to_owned(), vec![arn]));
    }
    keys
}
