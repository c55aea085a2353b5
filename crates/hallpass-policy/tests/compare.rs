//! Pairs of policies of which it is known whether the second allows more than the first.

mod common;

use common::*;
use hallpass_policy::*;
use std::path::Path;

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Says {
    NoMore,
    More,
    Undecided,
}
use Says::*;

fn says(kind: PolicyKind, old: &PolicyGroup, new: &PolicyGroup) -> Says {
    match compare(old, new, kind) {
        Comparison::NoMore => NoMore,
        Comparison::More(_) => More,
        Comparison::Undecided(_) => Undecided,
    }
}

fn identity_policies(old: &str, new: &str) -> Says {
    says(
        PolicyKind::Identity,
        &policy(PolicyKind::Identity, old),
        &policy(PolicyKind::Identity, new),
    )
}

fn allow(rest: &str) -> String {
    format!(r#"{{"Effect":"Allow",{rest}}}"#)
}

/// Both ways: does the right allow more than the left, and the left more than the right?
fn both(left: &str, right: &str) -> (Says, Says) {
    (identity_policies(left, right), identity_policies(right, left))
}

fn actions(left: &str, right: &str) -> (Says, Says) {
    let statement = |actions: &str| allow(&format!(r#"{actions},"Resource":"*""#));
    both(&statement(left), &statement(right))
}

fn resources(left: &str, right: &str) -> (Says, Says) {
    let statement = |resources: &str| allow(&format!(r#""Action":"s3:GetObject",{resources}"#));
    both(&statement(left), &statement(right))
}

fn conditions(left: &str, right: &str) -> (Says, Says) {
    let statement = |block: &str| {
        allow(&format!(
            r#""Action":"s3:GetObject","Resource":"*","Condition":{{{block}}}"#
        ))
    };
    both(&statement(left), &statement(right))
}

const EQUAL: (Says, Says) = (NoMore, NoMore);
const WIDER: (Says, Says) = (More, NoMore);
const NARROWER: (Says, Says) = (NoMore, More);
const OTHER: (Says, Says) = (More, More);

#[test]
fn actions_are_compared() {
    for (left, right, expected) in [
        (r#""Action":"s3:GetObject""#, r#""Action":"S3:getobject""#, EQUAL),
        (r#""Action":"s3:a*""#, r#""Action":["s3:a","s3:a?*"]"#, EQUAL),
        (r#""Action":"*""#, r#""Action":"*:*""#, EQUAL),
        (r#""Action":"s3:Get*""#, r#""Action":"s3:*""#, WIDER),
        (r#""Action":"s3:Get*""#, r#""Action":"s3:G*t*""#, WIDER),
        (r#""Action":"s3:Get*""#, r#""Action":"s3:Put*""#, OTHER),
        (r#""NotAction":"iam:*""#, r#""Action":"s3:*""#, NARROWER),
        (
            r#""NotAction":"iam:*""#,
            r#""NotAction":["iam:*","s3:*"]"#,
            NARROWER,
        ),
        (r#""NotAction":"iam:*""#, r#""NotAction":"iam:Get*""#, WIDER),
    ] {
        assert_eq!(actions(left, right), expected, "{left} {right}");
    }
}

#[test]
fn the_action_that_nobody_can_be_denied_is_no_difference() {
    assert_eq!(
        actions(
            r#""Action":"s3:*""#,
            r#""Action":["s3:*","sts:GetCallerIdentity"]"#
        ),
        EQUAL
    );
}

#[test]
fn resources_are_compared() {
    for (left, right, expected) in [
        (
            r#""Resource":"arn:aws:s3:::b/*""#,
            r#""Resource":["arn:aws:s3:::b/","arn:aws:s3:::b/?*"]"#,
            EQUAL,
        ),
        (
            r#""Resource":"arn:aws:s3""#,
            r#""Resource":"arn:aws:s3:*:*:*""#,
            EQUAL,
        ),
        (r#""Resource":"arn:aws:s3:*:*:*""#, r#""Resource":"*""#, WIDER),
        // A star that ends the region runs over colons; one within it does not.
        (
            r#""Resource":"arn:aws:ec2:*:1:a""#,
            r#""Resource":"arn:aws:ec2:x:y:z:1:a""#,
            NARROWER,
        ),
        (
            r#""Resource":"arn:aws:ec2:*e:1:a""#,
            r#""Resource":"arn:aws:ec2:x:e:1:a""#,
            OTHER,
        ),
        (
            r#""Resource":"arn:aws:s3:::b/${*}""#,
            r#""Resource":"arn:aws:s3:::b/*""#,
            WIDER,
        ),
        (
            r#""NotResource":"arn:aws:s3:::b/*""#,
            r#""Resource":"arn:aws:s3:::c/*""#,
            NARROWER,
        ),
        (
            r#""NotResource":"arn:aws:s3:::b/*""#,
            r#""NotResource":"arn:aws:s3:::b/c""#,
            WIDER,
        ),
        (
            r#""Resource":"arn:aws:s3:::b/${aws:username}/*""#,
            r#""Resource":"arn:aws:s3:::b/${aws:username}/public/*""#,
            NARROWER,
        ),
        (
            r#""Resource":"arn:aws:s3:::b/${aws:username}/*""#,
            r#""Resource":"arn:aws:s3:::b/*""#,
            WIDER,
        ),
        (
            r#""Resource":"arn:aws:s3:::b/${aws:username}/*""#,
            r#""Resource":"arn:aws:s3:::b/${aws:userid}/*""#,
            OTHER,
        ),
        (
            r#""Resource":"arn:aws:s3:::b/${aws:username}""#,
            r#""Resource":"arn:aws:s3:::b/${aws:username, 'x'}""#,
            // That the default changes nothing while the key is there is not proven.
            (More, Undecided),
        ),
        (
            r#""NotResource":"arn:aws:s3:::b/${aws:username}""#,
            r#""NotResource":"arn:aws:s3:::b/*""#,
            // Without a name the left one is void.
            OTHER,
        ),
    ] {
        assert_eq!(resources(left, right), expected, "{left} {right}");
    }
}

#[test]
fn conditions_are_compared() {
    let cases = [
        (
            r#""StringEquals":{"k":"a"}"#,
            r#""StringEquals":{"K":["a","b"]}"#,
            WIDER,
        ),
        (r#""StringEquals":{"k":"a"}"#, r#""StringLike":{"k":"a"}"#, EQUAL),
        (r#""StringEquals":{"k":"*"}"#, r#""StringLike":{"k":"*"}"#, WIDER),
        (
            r#""StringLike":{"k":"${*}"}"#,
            r#""StringEquals":{"k":"*"}"#,
            EQUAL,
        ),
        (
            r#""StringEquals":{"k":"a"}"#,
            r#""StringEqualsIgnoreCase":{"k":"A"}"#,
            WIDER,
        ),
        // A negated operator holds of an absent key.
        (
            r#""StringNotEquals":{"k":"a"}"#,
            r#""StringEquals":{"k":"b"}"#,
            NARROWER,
        ),
        (
            r#""StringNotEquals":{"k":"a"}"#,
            r#""StringNotEqualsIfExists":{"k":"a"}"#,
            EQUAL,
        ),
        (
            r#""StringEquals":{"k":"a"}"#,
            r#""StringEqualsIfExists":{"k":"a"}"#,
            WIDER,
        ),
        (
            r#""StringNotEquals":{"k":"a"},"Null":{"k":"false"}"#,
            r#""StringNotEquals":{"k":"a"}"#,
            WIDER,
        ),
        // ForAllValues holds of an absent key, ForAnyValue does not.
        (
            r#""ForAllValues:StringEquals":{"k":"a"}"#,
            r#""ForAnyValue:StringEquals":{"k":"a"}"#,
            OTHER,
        ),
        (
            r#""ForAllValues:StringEquals":{"k":["a","b"]},"Null":{"k":"false"}"#,
            r#""ForAllValues:StringEquals":{"k":["a","b"]}"#,
            WIDER,
        ),
        (
            r#""ForAllValues:StringEquals":{"k":["a","b"]},"Null":{"k":"false"}"#,
            r#""ForAllValues:StringLike":{"k":"a"},"ForAnyValue:StringEquals":{"k":"a"}"#,
            NARROWER,
        ),
        (
            r#""NumericEquals":{"k":"1"}"#,
            r#""NumericEquals":{"k":1.0}"#,
            EQUAL,
        ),
        (
            r#""NumericLessThan":{"k":"5"}"#,
            r#""NumericLessThanEquals":{"k":"5"}"#,
            WIDER,
        ),
        (
            r#""NumericLessThan":{"k":"-5"}"#,
            r#""NumericLessThan":{"k":"-4.9"}"#,
            WIDER,
        ),
        (
            r#""DateLessThan":{"k":"2030-01-01"}"#,
            r#""DateLessThan":{"k":"1893456000"}"#,
            EQUAL,
        ),
        (
            r#""DateLessThan":{"k":"2030-01-01T00:00:00.000000001Z"}"#,
            r#""DateLessThanEquals":{"k":"2030-01-01"}"#,
            EQUAL,
        ),
        (
            r#""DateGreaterThan":{"k":"2030-01-01"},"DateLessThan":{"k":"2031-01-01"}"#,
            r#""DateGreaterThan":{"k":"2030-01-01"}"#,
            WIDER,
        ),
        (
            r#""IpAddress":{"k":"10.0.0.0/8"}"#,
            r#""IpAddress":{"k":["10.0.0.0/9","10.128.0.0/9"]}"#,
            EQUAL,
        ),
        (
            r#""IpAddress":{"k":"10.0.0.0/8"}"#,
            r#""IpAddress":{"k":["10.0.0.0/9","10.128.0.0/10"]}"#,
            NARROWER,
        ),
        (
            r#""IpAddress":{"k":"10.0.0.0/8"}"#,
            r#""IpAddress":{"k":"::ffff:10.0.0.0/104"}"#,
            EQUAL,
        ),
        (
            r#""IpAddress":{"k":"::/0"}"#,
            r#""IpAddress":{"k":["::/1","8000::/1"]}"#,
            EQUAL,
        ),
        (
            r#""IpAddress":{"k":["0.0.0.0/0","8000::/1"]}"#,
            r#""IpAddress":{"k":"::/0"}"#,
            WIDER,
        ),
        (
            r#""NotIpAddress":{"k":"10.0.0.0/8"}"#,
            r#""NotIpAddress":{"k":"10.0.0.0/9"}"#,
            WIDER,
        ),
        (
            r#""Bool":{"k":"true"}"#,
            r#""Bool":{"k":["true","false"]}"#,
            WIDER,
        ),
        (
            r#""BinaryEquals":{"k":"AA=="}"#,
            r#""BinaryEquals":{"k":["AA==","AQ=="]}"#,
            WIDER,
        ),
        (
            r#""ArnLike":{"k":"arn:aws:s3:::*"}"#,
            r#""ArnEquals":{"k":"arn:aws:s3:::*"}"#,
            EQUAL,
        ),
        (
            r#""ArnLike":{"k":"arn:aws:s3:*:*:a"}"#,
            r#""StringLike":{"k":"arn:aws:s3:*:*:a"}"#,
            WIDER,
        ),
        (
            r#""Null":{"k":"true"}"#,
            r#""Null":{"k":["true","false"]}"#,
            WIDER,
        ),
        (
            r#""StringEquals":{"k":"${u}"}"#,
            r#""StringLike":{"k":"${u}*"}"#,
            WIDER,
        ),
        (
            r#""StringNotEquals":{"k":"${u}"}"#,
            r#""StringNotEquals":{"k":["${u}","a"]}"#,
            NARROWER,
        ),
        (
            r#""StringEquals":{"k":"a"}"#,
            r#""StringEquals":{"k":"a","l":"b"}"#,
            NARROWER,
        ),
        (r#""StringEquals":{"k":"a"}"#, "", WIDER),
        // Several types on one key: what holds by the conditions alone is still proven.
        (
            r#""StringLike":{"k":"1*"},"NumericLessThan":{"k":"5"}"#,
            r#""StringLike":{"k":"1*"}"#,
            WIDER,
        ),
    ];
    for (left, right, expected) in cases {
        assert_eq!(conditions(left, right), expected, "{left} {right}");
    }
}

#[test]
fn denials_count() {
    let all = allow(r#""Action":"*","Resource":"*""#);
    let denied = |rest: &str| format!(r#"{all},{{"Effect":"Deny",{rest}}}"#);
    let mfa = denied(
        r#""Action":"*","Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}"#,
    );
    let weak = mfa.replace("BoolIfExists", "Bool");
    assert_eq!(both(&mfa, &weak), WIDER);
    assert_eq!(both(&all, &mfa), NARROWER);
    let owner = denied(
        r#""Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:ResourceTag/o":"${aws:username}"}}"#,
    );
    assert_eq!(both(&owner, &owner), EQUAL);
    assert_eq!(both(&all, &owner), NARROWER);
    let home = denied(r#""Action":"*","NotResource":"arn:aws:s3:::b/${aws:username}/*""#);
    assert_eq!(both(&home, &home), EQUAL);
    assert_eq!(both(&all, &home), NARROWER);
}

#[test]
fn in_the_older_version_a_variable_is_text() {
    let text = |version: &str| {
        let statement = allow(r#""Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}""#);
        named(
            PolicyKind::Identity,
            &format!(r#"{{"Version":"{version}","Statement":[{statement}]}}"#),
        )
    };
    let (old, new) = (text("2008-10-17"), text("2012-10-17"));
    assert_eq!(says(PolicyKind::Identity, &old, &new), More);
    assert_eq!(says(PolicyKind::Identity, &new, &new), NoMore);
}

#[test]
fn several_policies_count_together() {
    let kind = PolicyKind::Identity;
    let get = policy(kind, &allow(r#""Action":"s3:Get*","Resource":"*""#));
    let put = policy(kind, &allow(r#""Action":"s3:Put*","Resource":"*""#));
    let both = policy(kind, &allow(r#""Action":["s3:Get*","s3:Put*"],"Resource":"*""#));
    assert_eq!(
        compare(
            &get.policies().iter().chain(put.policies()).cloned().collect(),
            &both,
            kind
        ),
        Comparison::NoMore
    );
    assert!(matches!(compare(&get, &both, kind), Comparison::More(_)));
    assert_eq!(
        compare(&PolicyGroup::default(), &PolicyGroup::default(), kind),
        Comparison::NoMore
    );
}

#[test]
fn the_request_shown_is_complete_and_legible() {
    let kind = PolicyKind::Identity;
    let old = policy(
        kind,
        &allow(r#""Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#),
    );
    let new = policy(
        kind,
        r#"{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::b/*","Condition":{"StringEquals":{"k":"v"}}}"#,
    );
    let Comparison::More(found) = compare(&old, &new, kind) else {
        panic!()
    };
    assert_eq!(
        (found.action.as_str(), found.resource.as_str()),
        ("s3:PutObject", "arn:aws:s3:::b/example")
    );
    assert_eq!(found.context, context(&[("k", "v")]));
    assert_eq!(found.allowed_by[0].index(), 0);
}

fn bucket_says(old: &str, new: &str) -> Says {
    says(PolicyKind::Resource, &bucket(old), &bucket(new))
}

#[test]
fn principals_are_compared_and_so_is_how_far_a_grant_reaches() {
    let (everyone, account) = (r#""*""#.to_owned(), format!(r#"{{"AWS":"{ACCOUNT}"}}"#));
    let (user, role) = (format!(r#"{{"AWS":"{USER}"}}"#), format!(r#"{{"AWS":"{ROLE}"}}"#));
    let session = format!(r#"{{"AWS":"{SESSION}"}}"#);
    for policy in [&everyone, &account, &user, &role, &session] {
        assert_eq!(bucket_says(policy, policy), NoMore);
        assert_eq!(bucket_says(&everyone, policy), NoMore, "{policy}");
        if *policy != everyone {
            assert_eq!(bucket_says(policy, &everyone), More, "{policy}");
        }
    }
    // The account must still allow its user; a user named needs nothing more.
    assert_eq!(bucket_says(&account, &user), More);
    assert_eq!(bucket_says(&account, &role), More);
    assert_eq!(bucket_says(&role, &session), More);
    assert_eq!(bucket_says(&user, r#"{"Service":"ec2.amazonaws.com"}"#), More);
}

#[test]
fn not_principal_and_trust_and_organization_policies_are_compared() {
    let kind = PolicyKind::Resource;
    let statement = |principal: &str| {
        policy(
            kind,
            &format!(
                r#"{{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}},{{"Effect":"Deny",{principal},"Action":"s3:*","Resource":"*"}}"#
            ),
        )
    };
    let but_user = statement(&format!(r#""NotPrincipal":{{"AWS":["{USER}","{ACCOUNT}"]}}"#));
    let but_root = statement(&format!(r#""NotPrincipal":{{"AWS":"{ACCOUNT}"}}"#));
    assert_eq!(
        (says(kind, &but_root, &but_user), says(kind, &but_user, &but_root)),
        WIDER
    );

    let kind = PolicyKind::Trust;
    let (to_user, to_all) = (trust(&format!(r#"{{"AWS":"{USER}"}}"#)), trust(r#"{"AWS":"*"}"#));
    assert_eq!(
        (says(kind, &to_user, &to_all), says(kind, &to_all, &to_user)),
        WIDER
    );
    let github =
        r#"{"Federated":"arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"}"#;
    assert_eq!(says(kind, &trust(github), &trust(github)), NoMore);
    assert_eq!(says(kind, &to_all, &trust(github)), More);

    let kind = PolicyKind::ResourceControl;
    let deny = |action: &str| {
        policy(
            kind,
            &format!(r#"{{"Effect":"Deny","Principal":"*","Action":"{action}","Resource":"*"}}"#),
        )
    };
    let (narrow, wide) = (deny("s3:Put*"), deny("s3:*"));
    assert_eq!((says(kind, &wide, &narrow), says(kind, &narrow, &wide)), WIDER);
}

#[test]
fn what_would_take_too_long_is_undecided_and_says_why() {
    let pattern = |letters: &str| {
        let parts = letters
            .chars()
            .map(|letter| format!("*{letter}"))
            .collect::<String>();
        format!(r#""arn:aws:s3:::{parts}*""#)
    };
    let old = [
        "abcdefghijklm",
        "nopqrstuvwxyz",
        "acegikmoqsuwy",
        "bdfhjlnprtvxz",
        "zyxwvutsrqpon",
        "mlkjihgfedcba",
    ];
    // Only what every one of these patterns matches is not allowed yet: a search in as many dimensions.
    let statement = |text| allow(&format!(r#""Action":"s3:*","NotResource":{}"#, pattern(text)));
    let kind = PolicyKind::Identity;
    let old = policy(kind, &old.map(statement).join(","));
    let new = policy(kind, &allow(r#""Action":"s3:*","Resource":"*""#));
    let Comparison::Undecided(why) = compare(&old, &new, kind) else {
        panic!()
    };
    assert!(why.construct.starts_with("arn:aws:s3:::*"), "{why}");
    assert!(
        why.because.contains("too long") && why.statement.is_some(),
        "{why}"
    );
}

#[test]
fn every_valid_document_allows_no_more_than_itself() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/policy/moto-valid.json");
    let cases: Vec<String> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for case in cases {
        let policy = named(PolicyKind::Identity, &case);
        let verdict = compare(&policy, &policy, PolicyKind::Identity);
        assert_eq!(verdict, Comparison::NoMore, "{case}");
    }
}

/// A variable before the fifth colon never has a value, and voids an `Allow` on all but it. Found by fuzzing.
#[test]
fn an_allow_on_all_but_the_impossible_allows_nothing() {
    let void = r#"{"Effect":"Allow","Action":"*","NotResource":"arn:aws:sqs:*:${?}${k}"}"#;
    let all = r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::a"}"#;
    let kind = PolicyKind::Identity;
    let old = policy(kind, void);
    let new = policy(kind, &format!("{void},{all}"));
    assert!(matches!(compare(&old, &new, kind), Comparison::More(_)));
    assert_eq!(compare(&policy(kind, all), &new, kind), Comparison::NoMore);
}
