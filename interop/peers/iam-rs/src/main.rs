//! `iam-rs` as a peer: cases as JSON lines on standard input, its decisions on standard output. It knows one list of
//! policies, so only a case's identity policies are asked about.

use iam_rs::{Arn, Context, ContextValue, Decision, IAMPolicy, IAMRequest, PolicyEvaluator, Principal, PrincipalId};
use serde_json::Value;

fn main() {
    for line in std::io::stdin().lines() {
        let case: Value = serde_json::from_str(&line.expect("standard input")).expect("a case");
        match decide(&case) {
            Ok(decision) => println!("{decision}"),
            Err(why) => println!("error: {}", why.replace('\n', " ")),
        }
    }
}

/// Its values have types; ours are text, as AWS's are.
fn typed(value: &Value) -> ContextValue {
    match value {
        Value::Array(values) => {
            let texts = values.iter().filter_map(Value::as_str).map(str::to_owned);
            ContextValue::StringList(texts.collect())
        }
        value => match value.as_str().unwrap_or_default() {
            "true" => ContextValue::Boolean(true),
            "false" => ContextValue::Boolean(false),
            text => ContextValue::String(text.to_owned()),
        },
    }
}

fn decide(case: &Value) -> Result<&'static str, String> {
    let text = |name: &str| case[name].as_str().unwrap_or_default();
    let mut context = Context::new();
    for (key, value) in case["context"].as_object().into_iter().flatten() {
        context.insert(key.clone(), typed(value));
    }
    let mut evaluator = PolicyEvaluator::new();
    for document in case["identity"].as_array().into_iter().flatten() {
        evaluator.add_policy(IAMPolicy::from_json(&document.to_string()).map_err(|error| error.to_string())?);
    }
    let principal = Principal::Aws(PrincipalId::String(text("principal").to_owned()));
    let resource = Arn::parse(text("resource")).map_err(|error| error.to_string())?;
    let request = IAMRequest::new_with_context(principal, text("action"), resource, context);
    let result = evaluator.evaluate(&request).map_err(|error| error.to_string())?;
    Ok(match result.decision {
        Decision::Allow => "allow",
        Decision::Deny => "explicit_deny",
        Decision::NotApplicable => "implicit_deny",
    })
}
