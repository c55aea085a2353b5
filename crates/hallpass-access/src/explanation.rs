//! A simulated decision as JSON: what `hallpass policy explain` prints and the running server tells.

use hallpass_policy::{
    Effect, Outcome, PolicyKind, Position, Request, Simulated, StatementEffect, StatementRef,
};
use serde_json::{Value, json};

/// Everything known about a decision: `decision` (`allow`, `explicit_deny`, `implicit_deny`), the `statements` that
/// decided, AWS's `message`, every statement `considered` with its `outcome`, and the keys in `missing_context`.
#[must_use]
pub fn explanation(request: &Request<'_>, simulated: &Simulated) -> Value {
    let considered = simulated.considered.iter().map(|one| {
        let mut json = statement(&one.statement);
        json["effect"] = json!(effect(one.effect));
        json["outcome"] = json!(outcome(&one.outcome));
        if let Outcome::ConditionsFailed(conditions) = &one.outcome {
            let conditions = conditions.iter().map(|condition| {
                json!({
                    "operator": condition.operator,
                    "key": condition.key,
                    "wanted": condition.wanted,
                    "found": condition.found,
                })
            });
            json["conditions"] = conditions.collect();
        }
        json
    });
    let deciding = simulated.decision.matched.iter().map(|matched| {
        let mut json = statement(matched);
        json["effect"] = json!(matched.statement().map(|statement| effect(statement.effect())));
        json
    });
    json!({
        "decision": decision_name(simulated.decision.effect),
        "statements": deciding.collect::<Value>(),
        "message": simulated.decision.message(request),
        "considered": considered.collect::<Value>(),
        "missing_context": simulated.missing_keys,
    })
}

/// `allow`, `explicit_deny` or `implicit_deny`.
#[must_use]
pub fn decision_name(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allow",
        Effect::ExplicitDeny => "explicit_deny",
        Effect::ImplicitDeny => "implicit_deny",
    }
}

fn statement(statement: &StatementRef) -> Value {
    let place = |position: Position| json!({ "line": position.line, "column": position.column });
    json!({
        "policy": statement.policy(),
        "type": kind(statement.kind()),
        "sid": statement.sid(),
        "index": statement.index(),
        "start": place(statement.position()),
        "end": place(statement.end()),
    })
}

fn effect(effect: StatementEffect) -> &'static str {
    match effect {
        StatementEffect::Allow => "Allow",
        StatementEffect::Deny => "Deny",
    }
}

fn kind(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::Identity => "identity",
        PolicyKind::Resource => "resource",
        PolicyKind::Trust => "trust",
        PolicyKind::Session => "session",
        PolicyKind::Boundary => "boundary",
        PolicyKind::ServiceControl => "service_control",
        PolicyKind::ResourceControl => "resource_control",
    }
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "applied",
        Outcome::ActionMismatch => "action_mismatch",
        Outcome::ResourceMismatch => "resource_mismatch",
        Outcome::PrincipalMismatch => "principal_mismatch",
        Outcome::ConditionsFailed(_) => "condition_failed",
    }
}
