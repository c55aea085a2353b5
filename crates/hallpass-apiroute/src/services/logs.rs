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

/// The log group, or the stream where the action is on one.
pub(super) fn resources(asked: &Asked<'_>, action: &Action) -> Found {
    let kinds = action.resources();
    if !kinds
        .iter()
        .any(|kind| matches!(kind.name, "log-group" | "log-stream"))
    {
        return Found::Generic;
    }
    let mut found = vec![];
    for member in [
        "logGroupName",
        "logGroupIdentifier",
        "logGroupNamePrefix",
        "resourceArn",
        "resourceIdentifier",
    ] {
        if let Some(value) = asked.body(member) {
            found.push(value.text().and_then(|text| group(asked, text)));
        }
    }
    for member in ["logGroupNames", "logGroupIdentifiers"] {
        if asked.body(member).is_some() {
            let items = asked.items(member).into_iter();
            found.extend(items.map(|item| item.text().and_then(|text| group(asked, text))));
        }
    }
    if let ([Some(group)], Some(stream)) = (found.as_slice(), asked.body("logStreamName"))
        && kinds.iter().any(|kind| kind.name == "log-stream")
    {
        let stream = stream.text().filter(|stream| !stream.contains(['*', '?', ':']));
        return Found::one(stream.map(|stream| format!("{group}:log-stream:{stream}")));
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
