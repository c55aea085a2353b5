//! An action whose resource cannot be told from the request: only `*` allows, any denial denies.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{named, user};
use hallpass_policy::*;

fn decide(statements: &str) -> Effect {
    let identity = named(
        PolicyKind::Identity,
        &format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#),
    );
    let (principal, context) = (user(), Context::new());
    let request = Request {
        principal: &principal,
        action: "ecs:StopTask",
        resource: "*",
        resource_account: None,
        context: &context,
    };
    let set = PolicySet {
        identity: Some(&identity),
        ..PolicySet::default()
    };
    let decision = evaluate_on_unknown_resource(&request, &set);
    assert_eq!(
        decision.effect,
        evaluate_on_unknown_resource_explained(&request, &set).0.effect
    );
    decision.effect
}

#[test]
fn only_the_plain_star_allows() {
    let allow = |resource: &str| format!(r#"{{"Effect":"Allow","Action":"ecs:*",{resource}}}"#);
    assert_eq!(decide(&allow(r#""Resource":"*""#)), Effect::Allow);
    for narrower in [
        r#""Resource":"arn:aws:ecs:*:*:*""#,
        r#""Resource":"arn:*:ecs:*:*:*""#,
        r#""NotResource":"arn:aws:ecs:us-east-1:123456789012:task/a""#,
        r#""NotResource":"arn:aws:s3:::b""#,
    ] {
        assert_eq!(decide(&allow(narrower)), Effect::ImplicitDeny, "{narrower}");
    }
}

#[test]
fn every_denial_of_the_action_denies_whatever_it_is_about() {
    let allow = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    for denied in [
        r#""Resource":"arn:aws:ecs:us-east-1:123456789012:task/production""#,
        r#""NotResource":"arn:aws:ecs:us-east-1:123456789012:task/test""#,
        r#""Resource":"*""#,
    ] {
        let deny = format!(r#"{{"Effect":"Deny","Action":"ecs:StopTask",{denied}}}"#);
        assert_eq!(
            decide(&format!("{allow},{deny}")),
            Effect::ExplicitDeny,
            "{denied}"
        );
    }
    let other = r#"{"Effect":"Deny","Action":"ecs:RunTask","Resource":"*"}"#;
    assert_eq!(decide(&format!("{allow},{other}")), Effect::Allow);
}

#[test]
fn an_index_of_many_statements_hides_no_denial() {
    let mut statements = vec![r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#.to_owned()];
    statements.extend((0..50).map(|n| {
        format!(r#"{{"Effect":"Deny","Action":"ecs:StopTask","Resource":"arn:aws:ecs:us-east-1:123456789012:task/{n}"}}"#)
    }));
    assert_eq!(decide(&statements.join(",")), Effect::ExplicitDeny);
}
