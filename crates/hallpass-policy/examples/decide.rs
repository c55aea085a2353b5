//! Decides many requests: one as JSON on each line of standard input, one decision on each line of standard output.
//!
//! ```text
//! {"principal": ARN, "action": "s3:GetObject", "resource": ARN, "context": {KEY: TEXT or [TEXT, …]},
//!  "identity": [DOCUMENT, …], "session": […], "boundary": […], "service_control": [[DOCUMENT, …] for each level],
//!  "resource_control": […], "resource_policies": […], "trust": […], "resource_account": "123456789012"}
//! ```
//! Everything after `resource` may be missing. The answer is `allow`, `explicit_deny`, `implicit_deny`, or `refused`
//! and why.

#![expect(clippy::print_stdout, reason = "the answers are the output of this program")]

use hallpass_policy::{
    Context, Effect, NamedPolicy, Policy, PolicyGroup, PolicyKind, PolicySet, PrincipalInfo, Request,
    evaluate, evaluate_trust,
};
use serde_json::Value;
use std::io::BufRead as _;

fn main() -> std::io::Result<()> {
    for line in std::io::stdin().lock().lines() {
        match decide(&line?) {
            Ok(decision) => println!("{decision}"),
            Err(why) => println!("refused: {why}"),
        }
    }
    Ok(())
}

fn decide(line: &str) -> Result<&'static str, String> {
    let case: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let text = |name: &str| {
        let value = case.get(name).and_then(Value::as_str);
        value.ok_or_else(|| format!("`{name}` is missing"))
    };
    let principal =
        PrincipalInfo::from_name(text("principal")?).ok_or_else(|| "not a principal".to_owned())?;
    let mut context = Context::new();
    principal.fill(&mut context);
    for (key, value) in case
        .get("context")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        match value {
            Value::Array(values) => context.set_many(key.clone(), values.iter().filter_map(Value::as_str)),
            value => context.set(key.clone(), value.as_str().unwrap_or_default()),
        };
    }
    let groups = |name: &str, kind| case.get(name).map(|list| group(list, kind)).transpose();
    let identity = groups("identity", PolicyKind::Identity)?;
    let resource = groups("resource_policies", PolicyKind::Resource)?;
    let session = groups("session", PolicyKind::Session)?;
    let boundary = groups("boundary", PolicyKind::Boundary)?;
    let resource_control = groups("resource_control", PolicyKind::ResourceControl)?;
    let trust = groups("trust", PolicyKind::Trust)?;
    let levels = case
        .get("service_control")
        .and_then(Value::as_array)
        .map(|levels| {
            let levels = levels
                .iter()
                .map(|level| group(level, PolicyKind::ServiceControl));
            levels.collect::<Result<Vec<_>, _>>()
        });
    let levels = levels.transpose()?;
    let request = Request {
        principal: &principal,
        action: text("action")?,
        resource: text("resource")?,
        resource_account: case.get("resource_account").and_then(Value::as_str),
        context: &context,
    };
    let policies = PolicySet {
        identity: identity.as_ref(),
        resource: resource.as_ref(),
        session: session.as_ref(),
        boundary: boundary.as_ref(),
        service_control: levels.as_deref(),
        resource_control: resource_control.as_ref(),
    };
    let decision = match &trust {
        Some(trust) => evaluate_trust(&request, trust, &policies),
        None => evaluate(&request, &policies),
    };
    Ok(match decision.effect {
        Effect::Allow => "allow",
        Effect::ExplicitDeny => "explicit_deny",
        Effect::ImplicitDeny => "implicit_deny",
    })
}

fn group(list: &Value, kind: PolicyKind) -> Result<PolicyGroup, String> {
    let documents = list.as_array().into_iter().flatten();
    let policies = documents.map(|document| {
        let policy = Policy::parse(&document.to_string(), kind).map_err(|error| error.to_string())?;
        Ok(NamedPolicy::new("a policy", policy))
    });
    policies.collect()
}
