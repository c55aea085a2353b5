//! What a decision costs at 1 to 10,000 statements, the matching one last:
//! `cargo run --release -p hallpass-policy --example speed`. Times are the best of many rounds; read the ratios.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement stops when it cannot go on, and prints"
)]

use hallpass_policy::{
    Context, NamedPolicy, Policy, PolicyGroup, PolicyKind, PolicySet, PrincipalInfo, Request, evaluate,
};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 50;
const CALLS: u32 = 500;

/// Microseconds a call, in the quickest round.
fn best(mut call: impl FnMut()) -> f64 {
    let round = |call: &mut dyn FnMut()| {
        let began = Instant::now();
        (0..CALLS).for_each(|_| call());
        began.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
    };
    (0..ROUNDS)
        .map(|_| round(&mut call))
        .fold(f64::INFINITY, f64::min)
}

fn main() {
    let account = "123456789012".parse().unwrap();
    let principal = PrincipalInfo::user(account, "arn:aws:iam::123456789012:user/ana", "AIDAEXAMPLE");
    let mut context = Context::new();
    context
        .set("aws:SourceIp", "10.0.0.1")
        .set("aws:SecureTransport", "true");
    let mut single = 0.0;
    for count in [1, 10, 100, 1_000, 10_000] {
        let statement = |number: usize| {
            format!(
                r#"{{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket-{number}/*",
                    "Condition":{{"IpAddress":{{"aws:SourceIp":"10.0.0.0/8"}},"Bool":{{"aws:SecureTransport":"true"}}}}}}"#
            )
        };
        // Several policies: one document may not hold a thousand.
        let policies: PolicyGroup = (0..count)
            .collect::<Vec<_>>()
            .chunks(100)
            .map(|numbers| {
                let statements = numbers
                    .iter()
                    .map(|number| statement(*number))
                    .collect::<Vec<_>>()
                    .join(",");
                let document = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
                NamedPolicy::new("p", Policy::parse(&document, PolicyKind::Identity).unwrap())
            })
            .collect();
        let resource = format!("arn:aws:s3:::bucket-{}/key", count - 1);
        let request = Request {
            principal: &principal,
            action: "s3:GetObject",
            resource: &resource,
            resource_account: Some(account.as_str()),
            context: &context,
        };
        let set = PolicySet {
            identity: Some(&policies),
            ..PolicySet::default()
        };
        let took = best(|| {
            assert!(black_box(evaluate(black_box(&request), &set)).is_allow());
        });
        if count == 1 {
            single = took;
        }
        println!("{count:>5} statements  {took:>8.2} us  {:.1}x", took / single);
    }
}
