//! What can be said of a principal before there is a request.

mod common;

use common::*;
use hallpass_policy::*;

fn ask(who: &PrincipalInfo, statements: &str, boundary: Option<&PolicyGroup>) -> Possibility {
    let identity = policy(PolicyKind::Identity, statements);
    let context = Context::of_principal(who);
    let set = PolicySet {
        identity: one(&identity),
        boundary,
        ..PolicySet::default()
    };
    possibility(&get(who, &context), &set, None)
}

fn name(possibility: &Possibility) -> &'static str {
    match possibility {
        Possibility::Always(_) => "always",
        Possibility::Sometimes(_) => "sometimes",
        Possibility::Never(_) => "never",
    }
}

const ALLOW: &str = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#;

#[test]
fn conditions_on_the_request_make_it_depend_and_on_the_principal_decide_it() {
    let with = |effect: &str, condition: &str| {
        format!(r#"{{"Effect":"{effect}","Action":"s3:*","Resource":"*","Condition":{condition}}}"#)
    };
    let ip = r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#;
    let alice = r#"{"StringEquals":{"aws:username":"alice"}}"#;
    let bob = r#"{"StringEquals":{"aws:username":"bob"}}"#;
    let tag = r#"{"StringEquals":{"aws:PrincipalTag/team":"x"}}"#;
    let secure = r#"{"Bool":{"aws:SecureTransport":"false"}}"#;
    for (who, statements, expected) in [
        (user(), ALLOW.to_owned(), "always"),
        (user(), with("Allow", ip), "sometimes"),
        (user(), with("Allow", alice), "always"),
        (user(), with("Allow", bob), "never"),
        // A user's tags are known; a session may bring its own.
        (user(), with("Allow", tag), "never"),
        (role(), with("Allow", tag), "sometimes"),
        (role(), with("Allow", alice), "never"),
        (user(), format!("{ALLOW},{}", with("Deny", secure)), "sometimes"),
        (user(), format!("{ALLOW},{}", with("Deny", alice)), "never"),
        (user(), format!("{ALLOW},{}", with("Deny", bob)), "always"),
        (user(), with("Deny", ip), "never"),
    ] {
        assert_eq!(name(&ask(&who, &statements, None)), expected, "{statements}");
    }
}

#[test]
fn variables_of_the_request_make_it_depend_too() {
    let resource = |variable: &str| {
        format!(r#"{{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::bucket/${{{variable}}}"}}"#)
    };
    assert_eq!(name(&ask(&user(), &resource("aws:SourceVpc"), None)), "sometimes");
    assert_eq!(name(&ask(&user(), &resource("aws:username"), None)), "never");
    assert_eq!(name(&ask(&role(), &resource("aws:username"), None)), "never");
    let value = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:username":"${aws:SourceVpc}"}}}"#;
    assert_eq!(name(&ask(&user(), value, None)), "sometimes");
}

#[test]
fn what_it_depends_on_is_named() {
    let statements = format!(
        r#"{ALLOW},{{"Sid":"Office","Effect":"Deny","Action":"*","Resource":"*","Condition":{{"NotIpAddress":{{"aws:SourceIp":"10.0.0.0/8"}}}}}}"#
    );
    let boundary = policy(
        PolicyKind::Boundary,
        r#"{"Sid":"Mfa","Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}"#,
    );
    let Possibility::Sometimes(depends) = ask(&user(), &statements, Some(&boundary)) else {
        panic!("it depends");
    };
    let shown = |list: &[Conditional]| {
        let one = |(statement, conditions): &Conditional| {
            let keys = conditions.iter().map(|condition| condition.key.as_str());
            format!(
                "{} {}",
                statement.sid().unwrap_or_default(),
                keys.collect::<String>()
            )
        };
        list.iter().map(one).collect::<Vec<_>>()
    };
    assert_eq!(shown(&depends.needs), ["Mfa aws:MultiFactorAuthPresent"]);
    assert_eq!(shown(&depends.unless), ["Office aws:SourceIp"]);
}

#[test]
fn organizations_and_strangers_are_unknown() {
    let organization = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}}"#;
    let arn = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalArn":"x"}}}"#;
    for (statements, known, unknown) in [
        (organization, "sometimes", "sometimes"),
        (arn, "never", "sometimes"),
    ] {
        assert_eq!(name(&ask(&user(), statements, None)), known, "{statements}");
        let identity = policy(PolicyKind::Identity, statements);
        let set = PolicySet {
            identity: one(&identity),
            ..PolicySet::default()
        };
        let context = Context::of_stranger();
        let stranger = user();
        assert_eq!(
            name(&possibility(&get(&stranger, &context), &set, None)),
            unknown,
            "{statements}"
        );
    }
}
