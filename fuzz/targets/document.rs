//! Any text is parsed or refused with a place in it; what is parsed can be asked, explained and compared with itself.
#![no_main]

use hallpass_fuzz::{ROLE, SESSION, USER};
use hallpass_policy::*;
use libfuzzer_sys::fuzz_target;

const KINDS: [PolicyKind; 7] = [
    PolicyKind::Identity,
    PolicyKind::Resource,
    PolicyKind::Trust,
    PolicyKind::Session,
    PolicyKind::Boundary,
    PolicyKind::ServiceControl,
    PolicyKind::ResourceControl,
];

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let account = || "123456789012".parse().expect("a constant");
    let user = PrincipalInfo::user(account(), USER, "AIDAEXAMPLEEXAMPLE01");
    let role = PrincipalInfo::role_session(account(), SESSION, ROLE, "AROAEXAMPLEEXAMPLE01");
    let mut context = Context::new();
    user.fill(&mut context);
    context
        .set("aws:SourceIp", "10.0.0.1")
        .set("aws:CurrentTime", "2030-01-01T00:00:00Z")
        .set_many("aws:TagKeys", ["a", "b"]);
    for kind in KINDS {
        let policy = match Policy::parse(text, kind) {
            Ok(policy) => policy,
            Err(error) => {
                assert!(error.position.offset <= text.len() && !error.message.is_empty());
                continue;
            }
        };
        let _ = Policy::parse_managed(text);
        for statement in policy.statements() {
            assert_eq!(text.as_bytes().get(statement.position().offset), Some(&b'{'));
            assert_eq!(text.as_bytes().get(statement.end().offset - 1), Some(&b'}'));
            statement
                .context_keys()
                .for_each(|key| assert!(!key.is_empty() || text.contains("\"\"")));
        }
        let group: PolicyGroup = NamedPolicy::new("p", policy).into();
        for who in [&user, &role] {
            for (action, resource) in [
                ("s3:GetObject", "arn:aws:s3:::bucket/key"),
                ("sts:AssumeRole", ROLE),
            ] {
                let request = Request {
                    principal: who,
                    action,
                    resource,
                    resource_account: None,
                    context: &context,
                };
                let set = PolicySet {
                    identity: Some(&group),
                    resource: Some(&group),
                    ..PolicySet::default()
                };
                let decision = evaluate(&request, &set);
                assert_eq!(decision, evaluate_explained(&request, &set).0);
                assert!(!decision.message(&request).is_empty());
                let _ = evaluate_trust(&request, &group, &PolicySet::default());
                let open = Context::of_principal(who);
                let before = Request {
                    context: &open,
                    ..request
                };
                let _ = possibility(&before, &set, None);
            }
        }
    }
});
