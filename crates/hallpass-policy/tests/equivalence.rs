//! The engine against the slow reference, and the index against the scan, over generated policies and requests.
#![allow(clippy::unwrap_used, reason = "generators and helpers outside test functions")]

mod common;
mod reference;

use common::*;
use hallpass_policy::*;
use proptest::prelude::*;
use reference::{Asked, Documents};
use serde_json::{Value, json};

const ACTIONS: [&str; 7] = [
    "s3:GetObject",
    "s3:getobjectacl",
    "S3:PutObject",
    "sts:AssumeRole",
    "sts:GetCallerIdentity",
    "kms:Decrypt",
    "iam:PassRole",
];
const RESOURCES: [&str; 9] = [
    "*",
    "arn:aws:s3:::bucket",
    "arn:aws:s3:::bucket/key",
    "arn:aws:s3:::bucket/home/a/x:y",
    "arn:aws:sqs:eu-west-1:123456789012:queue",
    "arn:aws:sqs:eu-west-1:999999999999:queue",
    "arn:aws:sns:eu-west-1:123456789012:topic:sub",
    "arn:aws:kms:eu-west-1:123456789012:key/k",
    "arn:aws:iam::123456789012:role/path/app",
];

fn one_or_many(item: impl Strategy<Value = &'static str> + Clone + 'static) -> BoxedStrategy<Value> {
    prop_oneof![
        2 => item.clone().prop_map(|text| json!(text)),
        2 => prop::collection::vec(item.clone(), 1..4).prop_map(|texts| json!(texts)),
        // Long lists are looked up in another way.
        1 => prop::collection::vec(item, 9..14).prop_map(|texts| json!(texts)),
    ]
    .boxed()
}

fn actions() -> BoxedStrategy<Value> {
    one_or_many(prop::sample::select(vec![
        "*",
        "s3:*",
        "S3:Get*",
        "s3:GetObject",
        "s3:GetObject*",
        "s3:?etObject",
        "*:*Object",
        "sts:*",
        "sts:AssumeRole",
        "sts:GetCallerIdentity",
        "kms:Decrypt",
        "kms:*",
        "iam:PassRole",
        "s3:PutObject",
        "s3:getobjectacl",
        "s*:Get*",
        "ec2:RunInstances",
        "s3:GetObject,PutObject",
    ]))
}

fn resources() -> BoxedStrategy<Value> {
    one_or_many(prop::sample::select(vec![
        "*",
        "arn:aws:s3:::*",
        "arn:aws:s3:::bucket",
        "arn:aws:s3:::bucket/*",
        "arn:aws:s3:::b?cket/key",
        "arn:aws:s3:::bucket/home/${k}/*",
        "arn:aws:s3:::bucket/${k, 'key'}",
        "arn:aws:s3:::bucket/${*}",
        "arn:aws:s3:::buck${l}",
        "arn:aws:sqs:*:123456789012:queue",
        "arn:aws:sqs:*:queue",
        "arn:aws:sns:*:topic:sub",
        "arn:aws:sqs:eu-*:*:queue",
        "arn:aws:sqs:eu-west-1:*",
        "arn:aws:kms:*:*:key/*",
        "arn:aws:kms:eu-west-1:123456789012:key/k",
        "arn:*:s3:::bucket/key",
        "arn:aws:s3:::other/*",
        "arn:aws:iam::123456789012:role/*",
        "arn:aws:s3",
    ]))
}

fn principals() -> BoxedStrategy<Value> {
    let names = [
        "*",
        ACCOUNT,
        OTHER,
        "arn:aws:iam::123456789012:root",
        USER,
        USER_ID,
        ROLE,
        ROLE_ID,
        SESSION,
        "arn:aws:sts::123456789012:federated-user/fed",
    ];
    let aws = prop::collection::vec(prop::sample::select(names.to_vec()), 1..4);
    prop_oneof![
        2 => Just(json!("*")),
        6 => aws.clone().prop_map(|names| json!({ "AWS": names })),
        1 => Just(json!({ "Service": "ec2.amazonaws.com" })),
        1 => Just(json!({ "Federated": "accounts.example.com" })),
        1 => aws.prop_map(|names| json!({ "AWS": names, "Service": ["ec2.amazonaws.com"] })),
    ]
    .boxed()
}

fn conditions() -> BoxedStrategy<Value> {
    let quantifier = prop::sample::select(vec!["", "", "", "ForAllValues:", "ForAnyValue:"]);
    let suffix = prop::sample::select(vec!["", "", "IfExists"]);
    let family = prop_oneof![
        (
            prop::sample::select(vec![
                "StringEquals",
                "StringNotEquals",
                "StringLike",
                "StringNotLike",
                "StringEqualsIgnoreCase",
                "StringNotEqualsIgnoreCase",
            ]),
            prop::collection::vec(
                prop::sample::select(vec![
                    "a",
                    "A",
                    "a*",
                    "*",
                    "b?",
                    "${k}",
                    "${l, 'd'}",
                    "${*}",
                    "5",
                    "true",
                    ""
                ]),
                0..3
            ),
        ),
        (
            prop::sample::select(vec![
                "NumericEquals",
                "NumericNotEquals",
                "NumericLessThan",
                "NumericLessThanEquals",
                "NumericGreaterThan",
                "NumericGreaterThanEquals",
            ]),
            prop::collection::vec(prop::sample::select(vec!["5", "5.0", "-1", "100", "05.50"]), 1..3),
        ),
        (
            prop::sample::select(vec![
                "DateEquals",
                "DateNotEquals",
                "DateLessThan",
                "DateLessThanEquals",
                "DateGreaterThan",
                "DateGreaterThanEquals",
            ]),
            prop::collection::vec(
                prop::sample::select(vec!["2030-01-01", "2030-01-01T00:00:00Z", "1893456000", "5"]),
                1..3
            ),
        ),
        (
            Just("Bool"),
            prop::collection::vec(prop::sample::select(vec!["true", "False", "${k}"]), 1..3)
        ),
        (
            Just("BinaryEquals"),
            prop::collection::vec(prop::sample::select(vec!["AA==", "aa==", "AAA="]), 1..3)
        ),
        (
            prop::sample::select(vec!["IpAddress", "NotIpAddress"]),
            prop::collection::vec(
                prop::sample::select(vec![
                    "10.0.0.0/8",
                    "10.1.2.3",
                    "::/0",
                    "2001:db8::/32",
                    "::ffff:10.0.0.0/104",
                    "0.0.0.0/0"
                ]),
                1..3
            ),
        ),
        (
            prop::sample::select(vec!["ArnLike", "ArnEquals", "ArnNotLike", "ArnNotEquals"]),
            prop::collection::vec(
                prop::sample::select(vec![
                    "arn:aws:s3:::*",
                    "arn:aws:s3:*",
                    "*",
                    "arn:*:s3:::b?",
                    "arn:aws:s3:::${k}"
                ]),
                1..3
            ),
        ),
    ];
    let keys = prop::sample::select(vec!["k", "K", "l", "m"]);
    let plain = (quantifier, family, suffix, keys.clone())
        .prop_map(|(quantifier, (name, values), suffix, key)| json!({ format!("{quantifier}{name}{suffix}"): { key: values } }));
    let null = (prop::sample::select(vec!["true", "false"]), keys)
        .prop_map(|(value, key)| json!({ "Null": { key: value } }));
    prop_oneof![
        9 => plain.clone(),
        1 => null.clone(),
        3 => (plain, null).prop_map(|(mut one, other)| {
            one.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
            one
        }),
    ]
    .boxed()
}

fn statement(with_principal: bool) -> BoxedStrategy<Value> {
    (
        prop::sample::select(vec!["Allow", "Allow", "Deny"]),
        (
            prop::sample::select(vec!["Action", "Action", "Action", "NotAction"]),
            actions(),
        ),
        (
            prop::sample::select(vec!["Resource", "Resource", "Resource", "NotResource"]),
            resources(),
        ),
        (
            prop::sample::select(vec!["Principal", "Principal", "Principal", "NotPrincipal"]),
            principals(),
        ),
        prop::option::weighted(0.4, conditions()),
    )
        .prop_map(
            move |(effect, (action, actions), (resource, resources), (principal, principals), condition)| {
                let mut statement = json!({ "Effect": effect, action: actions, resource: resources });
                if with_principal {
                    // NotPrincipal with Allow is refused.
                    let element = if effect == "Allow" { "Principal" } else { principal };
                    statement[element] = principals;
                }
                if let Some(condition) = condition {
                    statement["Condition"] = condition;
                }
                statement
            },
        )
        .boxed()
}

fn document(with_principal: bool) -> BoxedStrategy<Value> {
    let version = prop::sample::select(vec!["2012-10-17", "2012-10-17", "2012-10-17", "2008-10-17"]);
    (version, prop::collection::vec(statement(with_principal), 1..6))
        .prop_map(|(version, statements)| json!({ "Version": version, "Statement": statements }))
        .boxed()
}

fn allow_everything() -> Value {
    json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } })
}

/// Limits mostly allow everything, or nothing would ever be allowed.
fn limit() -> BoxedStrategy<Value> {
    prop_oneof![2 => Just(allow_everything()), 1 => document(false)].boxed()
}

fn trust() -> BoxedStrategy<Value> {
    let statement = (
        prop::sample::select(vec!["Allow", "Allow", "Deny"]),
        prop::sample::select(vec!["sts:AssumeRole", "sts:*"]),
        principals(),
        prop::option::weighted(0.3, conditions()),
    );
    let statement = statement.prop_map(|(effect, action, principals, condition)| {
        let mut statement = json!({ "Effect": effect, "Action": action, "Principal": principals });
        if let Some(condition) = condition {
            statement["Condition"] = condition;
        }
        statement
    });
    prop::collection::vec(statement, 1..4)
        .prop_map(|statements| json!({ "Version": "2012-10-17", "Statement": statements }))
        .boxed()
}

fn documents() -> BoxedStrategy<Documents> {
    (
        prop::collection::vec(document(false), 0..4),
        prop::collection::vec(document(true), 0..3),
        prop::option::weighted(0.2, trust()),
        prop::option::weighted(0.3, prop::collection::vec(limit(), 0..3)),
        prop::option::weighted(0.3, limit()),
        prop::option::weighted(
            0.3,
            prop::collection::vec(prop::collection::vec(limit(), 0..3), 0..3),
        ),
        prop::collection::vec(document(true), 0..2),
    )
        .prop_map(
            |(identity, resource, trust, session, boundary, service_control, resource_control)| Documents {
                identity,
                resource,
                trust,
                session,
                boundary,
                service_control,
                // Control policies of resources only ever deny.
                resource_control,
            },
        )
        .boxed()
}

fn keys() -> BoxedStrategy<Vec<(&'static str, Vec<&'static str>)>> {
    let values = vec![
        "a",
        "A",
        "ab",
        "b1",
        "5",
        "5.00",
        "true",
        "FALSE",
        "AA==",
        "10.1.2.3",
        "::ffff:10.1.2.3",
        "2001:db8::1",
        "2030-01-01T00:00:00Z",
        "1893456000",
        "arn:aws:s3:::b",
        "arn:aws:s3:x:y:b1",
        "*",
        "",
        "x/y",
    ];
    prop::collection::vec(
        (
            prop::sample::select(vec!["k", "l", "m"]),
            prop::collection::vec(prop::sample::select(values), 0..3),
        ),
        0..4,
    )
    .boxed()
}

fn principal(number: usize) -> PrincipalInfo {
    let account = ACCOUNT.parse().unwrap();
    match number {
        0 => user(),
        1 => role(),
        2 => PrincipalInfo::federated_user(account, "arn:aws:sts::123456789012:federated-user/fed"),
        3 => PrincipalInfo::root(account),
        4 => PrincipalInfo::anonymous(),
        5 => PrincipalInfo::service("ec2.amazonaws.com"),
        _ => PrincipalInfo::web_identity("accounts.example.com", "subject"),
    }
}

fn group(kind: PolicyKind, documents: &[Value]) -> Result<PolicyGroup, TestCaseError> {
    let parse = |document: &Value| {
        Policy::parse(&document.to_string(), kind).map(|policy| NamedPolicy::new("p", policy))
    };
    // What the parser refuses nobody has to evaluate.
    let parsed = documents.iter().map(parse).collect::<Result<PolicyGroup, _>>();
    parsed.map_err(|error| TestCaseError::reject(error.to_string()))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("HALLPASS_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1_000),
        max_global_rejects: 1_000_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_engine_decides_as_the_reference_and_the_index_as_the_scan(
        documents in documents(),
        who in 0usize..7,
        keys in keys(),
        stated in prop::option::weighted(0.5, prop::sample::select(vec![ACCOUNT, OTHER])),
    ) {
        let who = principal(who);
        let mut context = Context::new();
        who.fill(&mut context);
        for (key, values) in &keys {
            match values.as_slice() {
                [one] => context.set((*key).to_owned(), *one),
                many => context.set_many((*key).to_owned(), many.iter().copied()),
            };
        }
        let identity = group(PolicyKind::Identity, &documents.identity)?;
        let resource = group(PolicyKind::Resource, &documents.resource)?;
        let session = documents.session.as_ref().map(|session| group(PolicyKind::Session, session)).transpose()?;
        let boundary = documents.boundary.as_ref().map(|boundary| group(PolicyKind::Boundary, std::slice::from_ref(boundary))).transpose()?;
        let levels = documents.service_control.as_ref().map(|levels| {
            levels.iter().map(|level| group(PolicyKind::ServiceControl, level)).collect::<Result<Vec<_>, _>>()
        }).transpose()?;
        let control = group(PolicyKind::ResourceControl, &documents.resource_control)?;
        let trust = documents.trust.as_ref().map(|trust| group(PolicyKind::Trust, std::slice::from_ref(trust))).transpose()?;
        let set = PolicySet {
            identity: Some(&identity),
            resource: Some(&resource).filter(|group| !group.is_empty()),
            session: session.as_ref(),
            boundary: boundary.as_ref(),
            service_control: levels.as_deref(),
            resource_control: Some(&control),
        };
        for action in ACTIONS {
            for resource in RESOURCES {
                let request = Request { principal: &who, action, resource, resource_account: stated, context: &context };
                let asked = Asked { principal: &who, action, resource, resource_account: stated, context: &context };
                let (fast, (explained, considered)) = match &trust {
                    Some(trust) => (evaluate_trust(&request, trust, &set), evaluate_trust_explained(&request, trust, &set)),
                    None => (evaluate(&request, &set), evaluate_explained(&request, &set)),
                };
                let expected = reference::decide(&documents, &asked);
                prop_assert_eq!(fast.effect, expected, "{} on {} by {:?}", action, resource, who.kind);
                prop_assert_eq!(&fast, &explained);
                for matched in fast.matched.iter() {
                    let applied = considered.iter().find(|one| one.statement == *matched && one.outcome == Outcome::Applied);
                    prop_assert!(applied.is_some());
                }
            }
        }
    }
}

/// One document of many statements, so that the index works on every level.
#[test]
fn a_large_group_decides_as_its_statements_one_by_one() {
    let user = user();
    let context = Context::new();
    let mut documents = Vec::new();
    for number in 0..300 {
        let action = ["s3:GetObject", "s3:Get*", "s3:*", "sqs:SendMessage"][number % 4];
        let resource = match number % 5 {
            0 => format!("arn:aws:s3:::bucket-{number}/*"),
            1 => format!("arn:aws:s3:::bucket-{number}/key"),
            2 => format!("arn:aws:s3:::*-{number}/key"),
            3 => format!("arn:aws:sqs:*:*:queue-{number}"),
            _ => format!("arn:aws:s3:::bucket-{}*", number / 10),
        };
        let effect = if number % 7 == 0 { "Deny" } else { "Allow" };
        documents.push(json!({ "Version": "2012-10-17", "Statement": { "Effect": effect, "Action": action, "Resource": resource } }));
    }
    let group = group(PolicyKind::Identity, &documents).unwrap();
    let set = PolicySet {
        identity: Some(&group),
        ..PolicySet::default()
    };
    let reference = Documents {
        identity: documents,
        ..Documents::default()
    };
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..320 {
        for resource in [
            format!("arn:aws:s3:::bucket-{number}/key"),
            format!("arn:aws:s3:::bucket-{number}/other"),
            format!("arn:aws:s3:::my-{number}/key"),
            format!("arn:aws:sqs:eu-west-1:123456789012:queue-{number}"),
        ] {
            for action in [
                "s3:GetObject",
                "S3:getobjecttagging",
                "s3:PutObject",
                "sqs:SendMessage",
            ] {
                let request = Request {
                    principal: &user,
                    action,
                    resource: &resource,
                    resource_account: Some(ACCOUNT),
                    context: &context,
                };
                let asked = Asked {
                    principal: &user,
                    action,
                    resource: &resource,
                    resource_account: Some(ACCOUNT),
                    context: &context,
                };
                let decision = evaluate(&request, &set);
                assert_eq!(
                    decision.effect,
                    reference::decide(&reference, &asked),
                    "{action} {resource}"
                );
                assert_eq!(decision, evaluate_explained(&request, &set).0);
                seen.insert(format!("{:?}", decision.effect));
            }
        }
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}
