//! What must hold for every document and every request.

mod common;

use common::*;
use hallpass_policy::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

const KINDS: [PolicyKind; 7] = [
    PolicyKind::Identity,
    PolicyKind::Resource,
    PolicyKind::Trust,
    PolicyKind::Session,
    PolicyKind::Boundary,
    PolicyKind::ServiceControl,
    PolicyKind::ResourceControl,
];

fn action() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => "(s3|S3):(Get|get)?(Object|\\*|O?bject)",
        4 => "(s3|sts|iam):(Get|Assume)?(Role|\\*)",
        4 => Just("*".to_owned()),
        1 => "[a-z*:]{0,6}"
    ]
}

fn resource() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => Just("*".to_owned()),
        12 => "arn:aws:s3:::(bucket|\\*|b\\?cket)(/(key|\\*|\\$\\{k\\}|\\$\\{k, 'd'\\}|\\$\\{\\*\\}))?",
        1 => "[a-z:*$\\{\\}/]{0,12}",
    ]
}

fn principal() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("\"*\"".to_owned()),
        Just(format!(r#"{{"AWS":"{USER}"}}"#)),
        Just(format!(r#"{{"AWS":["{ROLE}","{ACCOUNT}"]}}"#)),
        Just(r#"{"Service":"ec2.amazonaws.com"}"#.to_owned()),
        Just("{}".to_owned()),
    ]
}

fn operator() -> impl Strategy<Value = String> {
    ("(ForAllValues:|ForAnyValue:)?", "(String(Not)?(Equals|Like|EqualsIgnoreCase)|Numeric(Not)?Equals|NumericLessThan|Date(Not)?Equals|DateGreaterThan|Bool|BinaryEquals|(Not)?IpAddress|Arn(Not)?(Equals|Like)|Null|Unknown)", "(IfExists)?")
        .prop_map(|(quantifier, test, suffix)| format!("{quantifier}{test}{suffix}"))
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "\"(a|b\\*|\\$\\{k\\}|\\$\\{k|true|5|AA==|10\\.0\\.0\\.0/8|::1|2030-01-01|arn:aws:s3:::b)\"",
        "true|false|-?[0-9]{1,4}(\\.5)?",
        "\\[\\]|\\[\"a\",\"5\"\\]|\\{\\}|null",
    ]
}

fn statement() -> impl Strategy<Value = String> {
    let block = (operator(), "[kKl]", value());
    (
        prop_oneof![20 => "Allow|Deny", 1 => "deny"],
        prop_oneof![3 => "Action", 1 => "NotAction"],
        prop_oneof![20 => prop::collection::vec(action(), 1..3), 1 => Just(Vec::new())],
        prop::option::weighted(0.8, ("(Not)?Resource", prop::collection::vec(resource(), 1..3))),
        prop::option::weighted(
            0.5,
            (prop_oneof![3 => "Principal", 1 => "NotPrincipal"], principal()),
        ),
        prop_oneof![1 => Just(Vec::new()), 1 => prop::collection::vec(block, 1..2)],
    )
        .prop_map(|(effect, action, actions, resource, principal, blocks)| {
            let list = |texts: &[String]| {
                let quoted = texts.iter().map(|text| format!("\"{text}\""));
                quoted.collect::<Vec<_>>().join(",")
            };
            let mut text = format!(r#"{{"Effect":"{effect}","{action}":[{}]"#, list(&actions));
            if let Some((key, resources)) = resource {
                text += &format!(r#","{key}":[{}]"#, list(&resources));
            }
            if let Some((key, principal)) = principal {
                text += &format!(r#","{key}":{principal}"#);
            }
            if !blocks.is_empty() {
                let blocks = blocks
                    .iter()
                    .map(|(operator, key, value)| format!(r#""{operator}":{{"{key}":{value}}}"#));
                text += &format!(r#","Condition":{{{}}}"#, blocks.collect::<Vec<_>>().join(","));
            }
            text + "}"
        })
}

fn document() -> impl Strategy<Value = String> {
    ("2012-10-17|2008-10-17", prop::collection::vec(statement(), 1..3)).prop_map(|(version, statements)| {
        format!(
            r#"{{"Version":"{version}","Statement":[{}]}}"#,
            statements.join(",")
        )
    })
}

/// A text with a piece knocked out or knocked in.
fn broken_document() -> impl Strategy<Value = String> {
    (
        document(),
        any::<prop::sample::Index>(),
        "[\\[\\]{}\",:*$a\\\\]{0,3}",
    )
        .prop_map(|(text, at, with)| {
            let mut chars = text.chars().collect::<Vec<_>>();
            let at = at.index(chars.len());
            chars.splice(at..=at, with.chars());
            chars.into_iter().collect()
        })
}

fn keys() -> impl Strategy<Value = Context> {
    let value = "a|b|5|true|AA==|10\\.1\\.2\\.3|2030-01-01T00:00:00Z|arn:aws:s3:::b|\\*|";
    prop::collection::vec(("[kl]", prop::collection::vec(value, 0..3)), 0..3).prop_map(|keys| {
        let mut context = Context::new();
        for (key, values) in keys {
            match values.as_slice() {
                [one] => context.set(key, one),
                many => context.set_many(key, many),
            };
        }
        context
    })
}

fn decide(kind: PolicyKind, policies: &PolicyGroup, request: &Request<'_>) -> Decision {
    let all = allow_all(PolicyKind::Identity);
    let levels = [policies.clone()];
    let set = PolicySet {
        identity: one(&all),
        ..PolicySet::default()
    };
    match kind {
        PolicyKind::Identity => evaluate(
            request,
            &PolicySet {
                identity: one(policies),
                ..set
            },
        ),
        PolicyKind::Resource => evaluate(
            request,
            &PolicySet {
                identity: None,
                resource: one(policies),
                ..set
            },
        ),
        PolicyKind::Trust => evaluate_trust(request, policies, &set),
        PolicyKind::Session => evaluate(
            request,
            &PolicySet {
                session: one(policies),
                ..set
            },
        ),
        PolicyKind::Boundary => evaluate(
            request,
            &PolicySet {
                boundary: one(policies),
                ..set
            },
        ),
        PolicyKind::ServiceControl => evaluate(
            request,
            &PolicySet {
                service_control: Some(&levels),
                ..set
            },
        ),
        PolicyKind::ResourceControl => evaluate(
            request,
            &PolicySet {
                resource_control: one(policies),
                ..set
            },
        ),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn nothing_panics_and_denial_only_grows(
        text in prop_oneof![4 => document(), 1 => broken_document(), 1 => "\\PC{0,40}"],
        extra in statement(),
        context in keys(),
    ) {
        let (user, role) = (user(), role());
        for kind in KINDS {
            let Ok(parsed) = Policy::parse(&text, kind) else { continue };
            let policies = PolicyGroup::from(NamedPolicy::new("p", parsed));
            for principal in [&user, &role] {
                let request = get(principal, &context);
                let decision = decide(kind, &policies, &request);
                prop_assert!(!decision.message(&request).is_empty());
                prop_assert_eq!(decision.is_allow(), decision.denied_by.is_none());
                // A Deny beside it never turns a denial into an allow. (One boundary, one trust policy: not there.)
                let deny = extra.replacen("Allow", "Deny", 1).replacen("\"deny\"", "\"Deny\"", 1);
                let one = format!(r#"{{"Version":"2012-10-17","Statement":[{deny}]}}"#);
                if let Ok(deny) = Policy::parse(&one, kind) {
                    let both = policies.replacing(NamedPolicy::new("d", deny));
                    prop_assert!(decision.is_allow() || !decide(kind, &both, &request).is_allow());
                }
            }
        }
    }

    #[test]
    fn an_explained_decision_is_the_decision(text in document(), context in keys()) {
        let user = user();
        for kind in [PolicyKind::Identity, PolicyKind::Resource] {
            let Ok(parsed) = Policy::parse(&text, kind) else { continue };
            let policies = PolicyGroup::from(NamedPolicy::new("p", parsed));
            let set = match kind {
                PolicyKind::Identity => PolicySet { identity: one(&policies), ..PolicySet::default() },
                _ => PolicySet { resource: one(&policies), ..PolicySet::default() },
            };
            let (decision, considered) = evaluate_explained(&get(&user, &context), &set);
            prop_assert_eq!(&decision, &evaluate(&get(&user, &context), &set));
            let applied = considered.iter().filter(|one| one.outcome == Outcome::Applied).count();
            prop_assert!(applied >= decision.matched.len());
        }
    }

    #[test]
    fn an_unknown_word_is_never_accepted(word in "[A-Z][a-z]{3,9}", context in keys()) {
        let known = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition", "Bool", "Null"];
        prop_assume!(!known.contains(&word.as_str()));
        let element = format!(r#"{{"Statement":{{"Effect":"Allow","Action":"*","Resource":"*","{word}":"x"}}}}"#);
        let operator = format!(
            r#"{{"Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"{word}":{{"k":"a"}}}}}}}}"#
        );
        for text in [element, operator] {
            prop_assert!(Policy::parse(&text, PolicyKind::Identity).is_err());
        }
        // Stored over an empty block, it may stand, as at AWS, since it says nothing.
        let empty = format!(
            r#"{{"Statement":{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"{word}":{{}}}}}}}}"#
        );
        let user = user();
        let deny = named(PolicyKind::Identity, &empty);
        let set = PolicySet { identity: one(&deny), ..PolicySet::default() };
        prop_assert_eq!(evaluate(&get(&user, &context), &set).effect, Effect::ExplicitDeny);
    }
}

#[test]
fn the_generator_makes_documents_that_parse_and_decide_both_ways() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let none = Context::new();
    let user = user();
    let (mut allowed, mut denied) = (0, 0);
    for _ in 0..3000 {
        let text = document().new_tree(&mut runner).unwrap().current();
        for kind in [PolicyKind::Identity, PolicyKind::Resource] {
            let Ok(parsed) = Policy::parse(&text, kind) else {
                continue;
            };
            match decide(kind, &NamedPolicy::new("p", parsed).into(), &get(&user, &none)).effect {
                Effect::Allow => allowed += 1,
                Effect::ExplicitDeny => denied += 1,
                Effect::ImplicitDeny => {}
            }
        }
    }
    assert!(allowed > 20 && denied > 20, "{allowed} allowed, {denied} denied");
}
