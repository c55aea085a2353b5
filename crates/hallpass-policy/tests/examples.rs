//! Worked examples of AWS's guide: the rows of the probe on which other engines fail, and well-known policies.

mod common;

use common::*;
use hallpass_policy::*;

#[test]
fn the_probe_on_which_other_engines_fail() {
    let none = Context::new();
    let now = context(&[("aws:CurrentTime", "2029-06-01T00:00:00Z")]);
    let epoch = context(&[("aws:EpochTime", "2029-06-01T00:00:00Z")]);
    let arn = context(&[("aws:SourceArn", "arn:aws:sns:us-east-1:123456789012:topic")]);
    let tag = context(&[("aws:PrincipalTag/t", "*"), ("k", "anything")]);
    let star = context(&[("k", "*"), ("l", "x")]);
    let literal = context(&[("k", "${aws:username}"), ("aws:username", "alice")]);
    let rows: [(&str, &str, &Context, bool); 16] = [
        (
            "2012-10-17",
            r#"{"ForAllValues:StringEquals":{"aws:TagKeys":"a"}}"#,
            &none,
            true,
        ),
        (
            "2012-10-17",
            r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":"a"}}"#,
            &none,
            false,
        ),
        (
            "2012-10-17",
            r#"{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:topic"}}"#,
            &arn,
            false,
        ),
        (
            "2012-10-17",
            r#"{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:*:topic"}}"#,
            &arn,
            true,
        ),
        (
            "2012-10-17",
            r#"{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:*:*:top*"}}"#,
            &arn,
            true,
        ),
        (
            "2012-10-17",
            r#"{"DateLessThan":{"aws:CurrentTime":"2030-01-01"}}"#,
            &now,
            true,
        ),
        (
            "2012-10-17",
            r#"{"DateGreaterThan":{"aws:CurrentTime":"2030-01-01"}}"#,
            &now,
            false,
        ),
        (
            "2012-10-17",
            r#"{"DateLessThan":{"aws:EpochTime":"1893456000"}}"#,
            &epoch,
            true,
        ),
        (
            "2012-10-17",
            r#"{"DateGreaterThan":{"aws:EpochTime":"1893456000"}}"#,
            &epoch,
            false,
        ),
        (
            "2008-10-17",
            r#"{"StringEquals":{"k":"${aws:username}"}}"#,
            &literal,
            true,
        ),
        (
            "2012-10-17",
            r#"{"StringEquals":{"k":"${aws:username}"}}"#,
            &literal,
            false,
        ),
        (
            "2012-10-17",
            r#"{"StringNotEquals":{"k":"${aws:PrincipalTag/none}"}}"#,
            &star,
            true,
        ),
        (
            "2012-10-17",
            r#"{"StringLike":{"k":"${aws:PrincipalTag/t}"}}"#,
            &tag,
            false,
        ),
        ("2012-10-17", r#"{"StringLike":{"k":"${*}"}}"#, &star, true),
        ("2012-10-17", r#"{"StringLike":{"l":"${*}"}}"#, &star, false),
        ("2012-10-17", r#"{"StringNotLike":{"l":"${*}"}}"#, &star, true),
    ];
    for (version, block, keys, expect) in rows {
        assert_eq!(
            condition_in(version, block, keys) == Effect::Allow,
            expect,
            "{version} {block}"
        );
    }
    let unresolved =
        r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::bucket/${aws:PrincipalTag/none}*"}"#;
    assert!(!identity(unresolved, "s3:GetObject", OBJECT, &none));
    let escaped = r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::bucket/${*}"}"#;
    assert!(!identity(escaped, "s3:GetObject", OBJECT, &none));
    assert!(identity(escaped, "s3:GetObject", "arn:aws:s3:::bucket/*", &none));
}

#[test]
fn a_home_folder_in_a_bucket() {
    let home = policy(
        PolicyKind::Identity,
        r#"{"Effect":"Allow","Action":["s3:ListAllMyBuckets","s3:GetBucketLocation"],"Resource":"*"},
           {"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b",
            "Condition":{"StringLike":{"s3:prefix":["","home/","home/${aws:username}/*"]}}},
           {"Effect":"Allow","Action":"s3:*",
            "Resource":["arn:aws:s3:::b/home/${aws:username}","arn:aws:s3:::b/home/${aws:username}/*"]}"#,
    );
    let user = user();
    let rows = [
        ("s3:ListAllMyBuckets", "*", None, true),
        ("s3:ListBucket", "arn:aws:s3:::b", Some(""), true),
        ("s3:ListBucket", "arn:aws:s3:::b", Some("home/alice/x"), true),
        ("s3:ListBucket", "arn:aws:s3:::b", Some("home/bob/"), false),
        ("s3:ListBucket", "arn:aws:s3:::b", None, false),
        ("s3:PutObject", "arn:aws:s3:::b/home/alice/a/b", None, true),
        ("s3:PutObject", "arn:aws:s3:::b/home/alicex/a", None, false),
        ("s3:PutObject", "arn:aws:s3:::b/home/bob/a", None, false),
    ];
    for (action, resource, prefix, expect) in rows {
        let mut keys = Context::new();
        user.fill(&mut keys);
        if let Some(prefix) = prefix {
            keys.set("s3:prefix", prefix);
        }
        let request = Request {
            principal: &user,
            action,
            resource,
            resource_account: Some(ACCOUNT),
            context: &keys,
        };
        let decision = evaluate(
            &request,
            &PolicySet {
                identity: one(&home),
                ..PolicySet::default()
            },
        );
        assert_eq!(decision.is_allow(), expect, "{action} {resource} {prefix:?}");
    }
}

#[test]
fn an_external_id_guards_a_role_across_accounts() {
    let guarded = policy(
        PolicyKind::Trust,
        r#"{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole",
            "Condition":{"StringEquals":{"sts:ExternalId":"12345"}}}"#,
    );
    let all = allow_all(PolicyKind::Identity);
    let user = user();
    for (id, expect) in [(Some("12345"), true), (Some("1234"), false), (None, false)] {
        let keys = context(
            &id.map(|id| ("sts:ExternalId", id))
                .into_iter()
                .collect::<Vec<_>>(),
        );
        let request = Request {
            resource: "arn:aws:iam::999999999999:role/x",
            ..assume(&user, &keys)
        };
        let set = PolicySet {
            identity: one(&all),
            ..PolicySet::default()
        };
        assert_eq!(
            evaluate_trust(&request, &guarded, &set).is_allow(),
            expect,
            "{id:?}"
        );
    }
}

#[test]
fn a_web_identity_needs_its_own_provider() {
    let provider = "arn:aws:iam::123456789012:oidc-provider/token.example.com";
    let statement = |principal: &str| {
        policy(
            PolicyKind::Trust,
            &format!(
                r#"{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRoleWithWebIdentity"}}"#
            ),
        )
    };
    let none = Context::new();
    let bearer = PrincipalInfo::web_identity(provider, "repo:x");
    let request = Request {
        action: "sts:AssumeRoleWithWebIdentity",
        ..assume(&bearer, &none)
    };
    let says =
        |principal: &str| evaluate_trust(&request, &statement(principal), &PolicySet::default()).is_allow();
    assert!(says(&format!(r#"{{"Federated":"{provider}"}}"#)));
    assert!(!says(r#"{"Federated":"cognito-identity.amazonaws.com"}"#));
    assert!(!says("\"*\""), "nobody who has not signed is let in by a star");
}

#[test]
fn a_public_bucket_is_open_to_anonymous_callers_and_to_nothing_more() {
    let anonymous = PrincipalInfo::anonymous();
    let none = Context::new();
    let open = bucket("\"*\"");
    let set = PolicySet {
        resource: one(&open),
        ..PolicySet::default()
    };
    assert!(evaluate(&get(&anonymous, &none), &set).is_allow());
    assert!(
        !evaluate(
            &Request {
                action: "s3:PutObject",
                ..get(&anonymous, &none)
            },
            &set
        )
        .is_allow()
    );
    assert!(!evaluate(&get(&anonymous, &none), &PolicySet::default()).is_allow());
}

#[test]
fn every_level_of_service_control_must_allow() {
    let user = user();
    let none = Context::new();
    let all = allow_all(PolicyKind::Identity);
    let wide = || allow_all(PolicyKind::ServiceControl);
    let ec2 = || {
        policy(
            PolicyKind::ServiceControl,
            r#"{"Effect":"Allow","Action":"ec2:*","Resource":"*"}"#,
        )
    };
    let says = |levels: &[PolicyGroup]| {
        let set = PolicySet {
            identity: one(&all),
            service_control: Some(levels),
            ..PolicySet::default()
        };
        evaluate(&get(&user, &none), &set).is_allow()
    };
    let both = ec2()
        .policies()
        .iter()
        .chain(wide().policies())
        .cloned()
        .collect();
    assert!(says(&[wide(), both]));
    assert!(!says(&[wide(), ec2()]));
    assert!(!says(&[PolicyGroup::default()]));
    assert!(says(&[]));
}

#[test]
fn an_explanation_names_what_kept_each_statement_from_applying() {
    let user = user();
    let keys = context(&[("aws:SourceIp", "198.51.100.1")]);
    let identity = policy(
        PolicyKind::Identity,
        r#"{"Sid":"a","Effect":"Allow","Action":"s3:PutObject","Resource":"*"},
           {"Sid":"b","Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::other/*"},
           {"Sid":"c","Effect":"Allow","Action":"s3:*","Resource":"*",
            "Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}"#,
    );
    let grant = bucket(r#"{"AWS":"999999999999"}"#);
    let set = PolicySet {
        identity: one(&identity),
        resource: one(&grant),
        ..PolicySet::default()
    };
    let (decision, considered) = evaluate_explained(&get(&user, &keys), &set);
    assert_eq!(decision, evaluate(&get(&user, &keys), &set));
    let outcomes = considered
        .into_iter()
        .map(|one| (one.statement.kind(), one.outcome))
        .collect::<Vec<_>>();
    let failed = FailedCondition {
        operator: "IpAddress".to_owned(),
        key: "aws:SourceIp".to_owned(),
        wanted: vec!["203.0.113.0/24".to_owned()],
        found: Some(vec!["198.51.100.1".to_owned()]),
    };
    assert_eq!(
        failed.to_string(),
        "IpAddress aws:SourceIp wants \"203.0.113.0/24\", the request has \"198.51.100.1\""
    );
    assert_eq!(
        outcomes,
        [
            (PolicyKind::Resource, Outcome::PrincipalMismatch),
            (PolicyKind::Identity, Outcome::ActionMismatch),
            (PolicyKind::Identity, Outcome::ResourceMismatch),
            (PolicyKind::Identity, Outcome::ConditionsFailed(vec![failed])),
        ]
    );
    let allowed = evaluate(&get(&user, &context(&[("aws:SourceIp", "203.0.113.1")])), &set);
    assert_eq!(allowed.matched.len(), 1);
    assert_eq!(
        allowed.matched.iter().next().unwrap().to_string(),
        "Identity statement 3 \"c\" (line 3, column 12)"
    );
}
