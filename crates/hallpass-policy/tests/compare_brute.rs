//! The comparison against trying every small request.

mod common;

use common::*;
use hallpass_policy::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn list(texts: &[&str]) -> String {
    let quoted = texts.iter().map(|text| format!("\"{text}\""));
    quoted.collect::<Vec<_>>().join(",")
}

fn action() -> impl Strategy<Value = Vec<&'static str>> {
    let one = prop::sample::select(vec![
        "s:a", "s:ab", "s:a*", "s:?", "s:*", "*", "t:*", "S:A*B", "*:a", "s:*b", "s:?b", "*:*",
    ]);
    prop::collection::vec(one, 1..3)
}

fn resource() -> impl Strategy<Value = Vec<&'static str>> {
    let one = prop::sample::select(vec![
        "*",
        "arn:aws:s:::a",
        "arn:aws:s:::a*",
        "arn:aws:s:*:*:a",
        "arn:aws:s:::*b",
        "arn:aws:s:*:1:a:b",
        "arn:aws:s::*:a*b",
        "arn:*:s:::?",
        "arn:aws:s:r*:1:*",
        "arn:aws:s",
    ]);
    prop::collection::vec(one, 1..3)
}

/// A condition block entry over a key whose name tells its type.
fn condition() -> impl Strategy<Value = String> {
    let value = |values: &'static [&'static str]| prop::collection::vec(prop::sample::select(values), 1..3);
    let of = |key: &'static str, operators: &'static str, values: &'static [&'static str]| {
        (operators, value(values)).prop_map(move |(operator, values)| (operator, key, values))
    };
    let text = "(ForAllValues:|ForAnyValue:)?String(Not)?(Equals|Like|EqualsIgnoreCase)(IfExists)?";
    prop_oneof![
        4 => of("k", text, &["a", "b", "a*", "A", "?", "*", "ab", ""]),
        2 => of("u", "String(Not)?(Equals|Like)(IfExists)?", &["a", "b", "a*", "ab*", "*b"]),
        1 => of("n", "Numeric((Not)?Equals|LessThan(Equals)?|GreaterThan(Equals)?)(IfExists)?", &["1", "1.0", "2", "-1", "1.5"]),
        1 => of("d", "Date((Not)?Equals|LessThan(Equals)?|GreaterThan(Equals)?)(IfExists)?", &["2030-01-01", "1893456000", "2031-01-01T00:00:00Z"]),
        1 => of("i", "(Not)?IpAddress(IfExists)?", &["10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "::/0", "10.1.2.3"]),
        1 => of("b", "Bool(IfExists)?", &["true", "false"]),
        1 => of("y", "BinaryEquals(IfExists)?", &["AA==", "AQ=="]),
        1 => of("r", "Arn(Not)?(Like|Equals)", &["arn:aws:s:::*", "arn:aws:s:*:*:a", "*"]),
        1 => ("Null", prop::sample::select(vec!["k", "n"]), value(&["true", "false"])).prop_map(|(operator, key, values)| (operator.to_owned(), key, values)),
    ]
    .prop_map(|(operator, key, values)| format!(r#""{operator}":{{"{key}":[{}]}}"#, list(&values)))
}

fn statement() -> impl Strategy<Value = String> {
    (
        prop_oneof![3 => Just("Allow"), 2 => Just("Deny")],
        prop_oneof![4 => Just("Action"), 1 => Just("NotAction")],
        action(),
        prop_oneof![4 => Just("Resource"), 1 => Just("NotResource")],
        resource(),
        prop_oneof![2 => prop::collection::vec(condition(), 0..1), 3 => prop::collection::vec(condition(), 1..3)],
    )
        .prop_map(|(effect, action, actions, resource, resources, mut conditions)| {
            conditions.sort();
            conditions.dedup_by(|left, right| left.split(':').next() == right.split(':').next() || left.split('"').nth(1) == right.split('"').nth(1));
            format!(
                r#"{{"Effect":"{effect}","{action}":[{}],"{resource}":[{}],"Condition":{{{}}}}}"#,
                list(&actions),
                list(&resources),
                conditions.join(",")
            )
        })
}

fn document() -> impl Strategy<Value = String> {
    prop::collection::vec(statement(), 1..4).prop_map(|statements| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
            statements.join(",")
        )
    })
}

fn values(key: &str) -> &'static [&'static str] {
    match key {
        "k" => &["a", "b", "A", "ab", "", "z", "zz"],
        "u" => &["a", "b", "ab", "axb", "z"],
        "n" => &["1", "2", "-1", "1.5", "0", "1.7", "3", "-2"],
        "d" => &[
            "2030-01-01",
            "1893456001",
            "1893455999",
            "2031-01-01",
            "2032-01-01",
        ],
        "i" => &[
            "10.1.2.3",
            "10.200.0.1",
            "11.0.0.1",
            "2001:db8::1",
            "::ffff:10.1.2.3",
        ],
        "b" => &["true", "false"],
        "y" => &["AA==", "AQ==", "Ag=="],
        _ => &[
            "arn:aws:s:::a",
            "arn:aws:s:x:1:a",
            "arn:aws:s:::b",
            "arn:aws:t:::a",
            "x",
        ],
    }
}

fn contexts(policies: &[&PolicyGroup]) -> Vec<Context> {
    let mut keys = BTreeSet::new();
    let mut several = false;
    for policy in policies {
        for statement in policy
            .policies()
            .iter()
            .flat_map(|policy| policy.policy.statements())
        {
            for (operator, key, _) in statement.conditions() {
                keys.insert(key.to_owned());
                several |= operator.starts_with("For");
            }
        }
    }
    let mut contexts = vec![Context::new()];
    for key in keys {
        let mut next = Vec::new();
        for context in &contexts {
            next.push(context.clone());
            let mut with = |change: &dyn Fn(&mut Context)| {
                let mut changed = context.clone();
                change(&mut changed);
                next.push(changed);
            };
            for value in values(&key) {
                with(&|context| _ = context.set(key.clone(), *value));
            }
            if several && key == "k" {
                with(&|context| _ = context.set_many(key.clone(), Vec::<String>::new()));
                for pair in [
                    ["a", "b"],
                    ["a", "z"],
                    ["A", "ab"],
                    ["b", "z"],
                    ["", "a"],
                    ["zz", "z"],
                    ["ab", "zz"],
                ] {
                    with(&|context| _ = context.set_many(key.clone(), pair));
                }
            }
        }
        contexts = next;
    }
    contexts.truncate(200);
    contexts
}

/// The first small request that tells the two apart.
fn difference(old: &PolicyGroup, new: &PolicyGroup) -> Option<String> {
    let somebody = user();
    let actions = ["s:a", "s:b", "s:ab", "s:aab", "s:xx", "t:a", "t:b", "u:q", "u:a"];
    let resources = [
        "*",
        "arn:aws:s:::a",
        "arn:aws:s:::b",
        "arn:aws:s:::ab",
        "arn:aws:s:x:1:a",
        "arn:aws:s:r:1:a:b",
        "arn:aws:t:::a",
        "arn:q:s:::x",
        "arn:q:s:::xx",
        "arn:aws:s::1:axb",
        "arn:aws:s:r::b",
        "arn:aws:s:y:1:z:1:a",
    ];
    for context in contexts(&[old, new]) {
        for action in actions {
            for resource in resources {
                let request = Request {
                    principal: &somebody,
                    action,
                    resource,
                    resource_account: Some(ACCOUNT),
                    context: &context,
                };
                if allows(new, &request) && !allows(old, &request) {
                    return Some(format!("{action} {resource} {context:?}"));
                }
            }
        }
    }
    None
}

fn allows(policy: &PolicyGroup, request: &Request<'_>) -> bool {
    let set = PolicySet {
        identity: one(policy),
        ..PolicySet::default()
    };
    evaluate(request, &set).is_allow()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn the_verdict_agrees_with_every_small_request(old in document(), new in document(), same in 0..4) {
        let parse = |text: &str| Policy::parse(text, PolicyKind::Identity);
        let (Ok(one), Ok(two)) = (parse(&old), parse(&new)) else { return Err(TestCaseError::reject("repeated key")) };
        let old_policy = PolicyGroup::from(NamedPolicy::new("old", one));
        // Unrelated policies always differ; related ones are where the proof is put to work.
        let new_text = match same {
            0 => new.clone(),
            1 => old.replacen("\"s:a\"", "\"s:a*\"", 1),
            2 => old.replacen("[\"a\"", "[\"ab\"", 1),
            _ => old.replacen("Statement\":[{", "Statement\":[{\"Effect\":\"Deny\",\"Action\":\"s:a*\",\"Resource\":\"arn:aws:s:::a*\"},{", 1),
        };
        let new_policy = match parse(&new_text) {
            Ok(policy) if same > 0 => PolicyGroup::from(NamedPolicy::new("new", policy)),
            _ => PolicyGroup::from(NamedPolicy::new("new", two)),
        };
        let tried = difference(&old_policy, &new_policy);
        match compare(&old_policy, &new_policy, PolicyKind::Identity) {
            Comparison::NoMore => prop_assert!(tried.is_none(), "{tried:?}"),
            Comparison::More(found) => {
                let request = Request {
                    principal: &found.principal,
                    action: &found.action,
                    resource: &found.resource,
                    resource_account: found.resource_account.as_deref(),
                    context: &found.context,
                };
                prop_assert!(allows(&new_policy, &request) && !allows(&old_policy, &request));
                prop_assert!(!found.allowed_by.is_empty());
            }
            Comparison::Undecided(why) => prop_assert!(false, "{why}"),
        }
        for policy in [&old_policy, &new_policy] {
            let verdict = compare(policy, policy, PolicyKind::Identity);
            prop_assert_eq!(verdict, Comparison::NoMore);
        }
    }
}
