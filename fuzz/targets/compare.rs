//! What compare proves, no request contradicts; what it shows, the evaluator confirms.
#![no_main]

use arbitrary::Unstructured;
use hallpass_fuzz::{ACCOUNT, USER, action, document, group, resource, typed_context};
use hallpass_policy::*;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = run(&mut Unstructured::new(bytes));
});

fn run(bytes: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let (old, new) = (document(bytes, false, false)?, document(bytes, false, false)?);
    // Half of the time the new one is the old one with one statement more or less.
    let new = match bytes.int_in_range(0..=3)? {
        0 => {
            let mut less = old.clone();
            if let Some(statements) = less["Statement"].as_array_mut().filter(|list| list.len() > 1) {
                statements.pop();
            }
            less
        }
        1 => {
            let mut more = old.clone();
            let statement = new["Statement"][0].clone();
            if let Some(statements) = more["Statement"].as_array_mut() {
                statements.push(statement);
            }
            more
        }
        _ => new,
    };
    let texts = (old.to_string(), new.to_string());
    let kind = PolicyKind::Identity;
    let documents = [&old, &new];
    let (Some(old), Some(new)) = (group(kind, &[old.clone()]), group(kind, &[new.clone()])) else {
        return Ok(());
    };
    let user = PrincipalInfo::user(ACCOUNT.parse().expect("a constant"), USER, "AIDAEXAMPLEEXAMPLE01");
    let allows = |group: &PolicyGroup, request: &Request<'_>| {
        let set = PolicySet {
            identity: Some(group),
            ..PolicySet::default()
        };
        evaluate(request, &set).is_allow()
    };
    match compare(&old, &new, kind) {
        Comparison::More(found) => {
            let request = Request {
                principal: &found.principal,
                action: &found.action,
                resource: &found.resource,
                resource_account: found.principal.account.as_ref().map(|account| account.as_str()),
                context: &found.context,
            };
            assert!(
                allows(&new, &request) && !allows(&old, &request),
                "{found:?} {texts:?}"
            );
        }
        Comparison::NoMore => {
            for _ in 0..32 {
                let (action, resource) = (action(bytes)?, resource(bytes)?);
                let context = typed_context(bytes, &user, &documents)?;
                let request = Request {
                    principal: &user,
                    action: &action,
                    resource: &resource,
                    resource_account: Some(ACCOUNT),
                    context: &context,
                };
                assert!(
                    !allows(&new, &request) || allows(&old, &request),
                    "{action} {resource} {context:?} {texts:?}"
                );
            }
        }
        Comparison::Undecided(_) => {}
    }
    Ok(())
}
