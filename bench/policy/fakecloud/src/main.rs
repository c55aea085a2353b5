//! Measures fakecloud-iam over the scenarios of the other program, and prints the same lines.

use fakecloud_core::auth::{ConditionContext, Principal, PrincipalType};
use fakecloud_iam::evaluator::{Decision, EvalRequest, PolicyDocument, evaluate};
use serde_json::Value;
use std::hint::black_box;

// The same way of taking time as the other engines'.
#[path = "../../src/clock.rs"]
mod clock;

fn main() {
    let file = std::env::args()
        .nth(1)
        .expect("usage: hallpass-bench-fakecloud FILE");
    let text = std::fs::read_to_string(file).expect("cannot read the scenarios");
    let principal = Principal {
        arn: "arn:aws:iam::123456789012:user/ana".to_owned(),
        user_id: "AIDAEXAMPLE".to_owned(),
        account_id: "123456789012".to_owned(),
        principal_type: PrincipalType::User,
        source_identity: None,
        tags: None,
    };
    for line in text.lines() {
        let scenario: Value = serde_json::from_str(line).expect("not a scenario");
        let text = |name: &str| scenario[name].as_str().expect("not a scenario").to_owned();
        let policies = scenario["policies"].as_array().expect("not a scenario").iter();
        let policies = policies
            .map(|policy| PolicyDocument::parse(policy.as_str().expect("not a scenario")))
            .collect::<Vec<_>>();
        let request = EvalRequest {
            principal: &principal,
            action: text("action"),
            resource: text("resource"),
            context: ConditionContext {
                aws_source_ip: "10.0.0.1".parse().ok(),
                aws_secure_transport: Some(true),
                ..ConditionContext::default()
            },
        };
        let name = format!("{}\t{}\t{}", text("mix"), scenario["statements"], text("outcome"));
        let answer = match evaluate(&policies, &request) {
            Decision::Allow => "allow",
            Decision::ExplicitDeny => "explicit_deny",
            Decision::ImplicitDeny => "implicit_deny",
        };
        if answer != text("outcome") {
            println!("fakecloud-iam\t{name}\tsays {answer}\t-");
            continue;
        }
        let timing = clock::time(|| {
            black_box(evaluate(&policies, black_box(&request)));
        });
        println!("fakecloud-iam\t{name}\t{:.1}\t{:.1}", timing.median, timing.best);
    }
}
