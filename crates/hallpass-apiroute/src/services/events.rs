//! EventBridge, Step Functions.

use super::text_of;
use crate::asked::{Asked, Found, is_resource_name, whole_arn};

/// The event buses of the entries; rules on their bus.
pub(super) fn resources(asked: &Asked<'_>) -> Found {
    if asked.operation.name == "PutEvents" {
        if asked.body("EndpointId").is_some() {
            return Found::Unknown;
        }
        let entries = asked.items("Entries").into_iter();
        let buses = entries.map(|entry| match entry.get("EventBusName") {
            Some(_) => {
                text_of(entry, "EventBusName").and_then(|name| asked.arn_or(name, "events", "event-bus/"))
            }
            None => Some(asked.arn("events", "event-bus/default")),
        });
        return Found::all(buses.collect());
    }
    let Some(rule) = asked.body("Rule").or_else(|| asked.body("Name")) else {
        return Found::Generic;
    };
    if !asked.operation.name.contains("Rule") && !asked.operation.name.contains("Targets") {
        return Found::Generic;
    }
    let Some(rule) = rule.text().filter(|rule| is_resource_name(rule)) else {
        return Found::Unknown;
    };
    let bus = match asked.body("EventBusName") {
        Some(bus) => bus.text(),
        None => Some("default"),
    };
    Found::one(bus.and_then(|bus| match bus {
        "default" => Some(asked.arn("events", &format!("rule/{rule}"))),
        _ => {
            let bus = asked.arn_or(bus, "events", "event-bus/")?;
            Some(format!("{}/{rule}", bus.replacen(":event-bus/", ":rule/", 1)))
        }
    }))
}

/// The state machine, the execution or the activity.
pub(super) fn state_machine(asked: &Asked<'_>) -> Found {
    let members = [
        "stateMachineArn",
        "executionArn",
        "activityArn",
        "mapRunArn",
        "stateMachineVersionArn",
        "stateMachineAliasArn",
    ];
    let given: Vec<_> = members.into_iter().filter_map(|name| asked.body(name)).collect();
    if given.is_empty() {
        return Found::Generic;
    }
    let arns = given.into_iter();
    Found::all(
        arns.map(|arn| arn.text().and_then(|text| whole_arn(text, "states")))
            .collect(),
    )
}
