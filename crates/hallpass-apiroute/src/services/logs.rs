//! CloudWatch's alarms, CloudWatch Logs.

use crate::asked::{Asked, Found, is_resource_name, whole_arn};
use hallpass_reference::Action;

/// The alarms that the request names.
pub(super) fn alarms(asked: &Asked<'_>) -> Found {
    let arn = |name: &str| {
        // A name may have colons; the ARN ends in it.
        let is_plain = !name.contains(['*', '?']) && is_resource_name(&name.replace(':', ""));
        is_plain.then(|| asked.arn("cloudwatch", &format!("alarm:{name}")))
    };
    if let Some(name) = asked.body("AlarmName") {
        return Found::one(name.text().and_then(arn));
    }
    if asked.body("AlarmNames").is_some() {
        let names = asked.items("AlarmNames").into_iter();
        return Found::all(names.map(|name| name.text().and_then(arn)).collect());
    }
    Found::Generic
}

/// The log group with its stream. Without a stream the ARN ends in `log-stream:`, so that policies written
/// `log-group:NAME:*` hold for both; tags are on the ARN as given.
///
/// Source: CloudWatch Logs User Guide, "Overview of managing access permissions", log group ARNs.
pub(super) fn resources(asked: &Asked<'_>, action: &Action) -> Found {
    let kinds = action.resources();
    if !kinds
        .iter()
        .any(|kind| matches!(kind.name, "log-group" | "log-stream"))
    {
        return Found::Generic;
    }
    let mut found = vec![];
    for member in ["resourceArn", "resourceIdentifier"] {
        if let Some(value) = asked.body(member) {
            found.push(value.text().and_then(|text| group(asked, text)));
        }
    }
    let stream = match asked.body("logStreamName") {
        Some(stream) => stream.text().filter(|stream| !stream.contains(['*', '?', ':'])),
        None => Some(""),
    };
    let mut add = |name: Option<&str>| {
        let whole = name.and_then(|name| group(asked, name)).zip(stream);
        found.push(whole.map(|(group, stream)| format!("{group}:log-stream:{stream}")));
    };
    for member in ["logGroupName", "logGroupIdentifier"] {
        if let Some(value) = asked.body(member) {
            add(value.text());
        }
    }
    for member in ["logGroupNames", "logGroupIdentifiers"] {
        if asked.body(member).is_some() {
            asked.items(member).into_iter().for_each(|item| add(item.text()));
        }
    }
    Found::all(found)
}

fn group(asked: &Asked<'_>, text: &str) -> Option<String> {
    if text.starts_with("arn:") {
        // The API takes the form that ends in `:*` as well.
        return whole_arn(text.strip_suffix(":*").unwrap_or(text), "logs");
    }
    is_resource_name(text).then(|| asked.arn("logs", &format!("log-group:{text}")))
}
