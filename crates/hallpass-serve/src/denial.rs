//! Why EC2 refuses somebody, as the document that `DecodeAuthorizationMessage` shows ("DecodeAuthorizationMessage", STS
//! API reference).

use hallpass_access::{Caller, Denied};
use hallpass_policy::{Context, Effect, StatementEffect, StatementRef};
use serde_json::{Value, json};

/// The decision about one action: who, what, on what, under which conditions, and the statements that deny it.
pub(crate) fn document(caller: &Caller, denied: &Denied, context: &Context) -> Value {
    let conditions = context.iter().map(|(key, values)| {
        json!({ "key": key, "values": items(values.values().iter().map(|value| json!({ "value": value }))) })
    });
    let own = denied.action.context.iter().map(|(key, values)| {
        json!({ "key": key, "values": items(values.iter().map(|value| json!({ "value": value }))) })
    });
    let name = caller.principal.arn.rsplit('/').next().unwrap_or_default();
    json!({
        "allowed": false,
        "explicitDeny": denied.decision.effect == Effect::ExplicitDeny,
        "matchedStatements": items(denied.decision.matched.iter().map(statement)),
        "failures": items(std::iter::empty()),
        "context": {
            "principal": { "id": caller.user_id, "name": name, "arn": caller.principal.arn },
            "action": denied.action.action,
            "resource": denied.action.resource,
            "conditions": items(own.chain(conditions)),
        },
    })
}

fn items(values: impl Iterator<Item = Value>) -> Value {
    json!({ "items": values.collect::<Vec<_>>() })
}

fn statement(matched: &StatementRef) -> Value {
    let texts = |texts: &mut dyn Iterator<Item = &str>| items(texts.map(|text| json!({ "value": text })));
    let Some(statement) = matched.statement() else {
        return json!({ "statementId": matched.sid().unwrap_or_default(), "sourcePolicy": matched.policy() });
    };
    let conditions = statement.conditions().map(|(operator, key, values)| {
        json!({
            "operator": operator,
            "key": key,
            "values": items(values.iter().map(|value| json!({ "value": value }))),
        })
    });
    json!({
        "statementId": statement.sid().unwrap_or_default(),
        "effect": if statement.effect() == StatementEffect::Deny { "DENY" } else { "ALLOW" },
        "sourcePolicy": matched.policy(),
        "actions": texts(&mut statement.actions()),
        "resources": texts(&mut statement.resources()),
        "conditions": items(conditions),
    })
}
