//! Cedar, whose language is another: only the statements of the first mix can be said in it.

use super::Engine;
use crate::scenario::{ACTION, PRINCIPAL, Scenario};
use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};
use serde_json::{Value, json};
use std::hint::black_box;

pub struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
    request: Request,
}

fn entity(kind: &str, id: &str) -> EntityUid {
    EntityUid::from_json(json!({"type": kind, "id": id})).unwrap()
}

/// One of [`crate::scenario`]'s own statements. The ARN is in the context, since names of entities know no `like`.
fn translate(statement: &Value) -> Option<String> {
    let effect = match statement["Effect"].as_str()? {
        "Allow" => "permit",
        _ => "forbid",
    };
    let action = statement["Action"].as_str()?;
    let resource = statement["Resource"].as_str()?;
    let network = statement["Condition"]["IpAddress"]["aws:SourceIp"].as_str()?;
    Some(format!(
        "{effect}(principal, action == Action::\"{action}\", resource) when {{ context.arn like \"{resource}\" \
         && context.source.isInRange(ip(\"{network}\")) && context.tls }};\n"
    ))
}

impl Engine for Cedar {
    const NAME: &'static str = "cedar-policy";

    fn load(scenario: &Scenario) -> Option<Self> {
        if scenario.mix != "worst" {
            return None;
        }
        let mut text = String::new();
        for document in &scenario.policies {
            let document: Value = serde_json::from_str(document).ok()?;
            for statement in document["Statement"].as_array()? {
                text += &translate(statement)?;
            }
        }
        let context = json!({
            "arn": scenario.resource, "tls": true,
            "source": {"__extn": {"fn": "ip", "arg": "10.0.0.1"}},
        });
        let request = Request::new(
            entity("User", PRINCIPAL),
            entity("Action", ACTION),
            entity("Object", &scenario.resource),
            Context::from_json_value(context, None).ok()?,
            None,
        );
        Some(Self {
            authorizer: Authorizer::new(),
            policies: text.parse().ok()?,
            entities: Entities::empty(),
            request: request.ok()?,
        })
    }

    #[inline]
    fn decide(&mut self) -> &'static str {
        let response =
            self.authorizer
                .is_authorized(black_box(&self.request), &self.policies, &self.entities);
        match response.decision() {
            Decision::Allow => "allow",
            // Which policies forbade is the difference between the two denials.
            Decision::Deny if response.diagnostics().reason().next().is_some() => "explicit_deny",
            Decision::Deny => "implicit_deny",
        }
    }
}
