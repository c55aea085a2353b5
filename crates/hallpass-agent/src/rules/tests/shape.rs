use super::facts::{ID, group, held_by};
use super::*;
use crate::SessionRequest;
use hallpass_caller::SaidFacts;

fn said() -> SaidFacts {
    SaidFacts {
        exe: Some("/usr/bin/my app".into()),
        cgroup: group("/system.slice/docker-ID.scope"),
        ..SaidFacts::default()
    }
}

fn decided(keys: &str, evidence: &Evidence) -> Option<SessionRequest> {
    let rules = Rules::parse(&format!("[[rule]]\nuid = 33\n{keys}\nroles = ['app']\n")).expect(keys);
    match rules.decide(&caller(33, Some("web"), &[]), evidence) {
        Decision::Match { shape, .. } => Some(shape.request("app", "i-1")),
        Decision::NoMatch(_) => None,
    }
}

#[test]
fn a_rule_shapes_the_session() {
    let keys = "session_name = '{user}@{instance}'\nsource_identity = '{uid}'\nduration = '1h'\n\
                tags = { team = 'x y', app = '{exe}', role = '{role}' }\n\
                policy = { Version = '2012-10-17', Statement = [{ Effect = 'Allow', Action = '*' }] }\n";
    let request = decided(keys, &held_by(vec![said()])).unwrap();
    assert_eq!(
        request,
        SessionRequest {
            role: "app".into(),
            session_name: Some("web@i-1".into()),
            source_identity: Some("33".into()),
            tags: vec![
                ("app".into(), "my app".into()),
                ("role".into(), "app".into()),
                ("team".into(), "x y".into())
            ],
            policy: Some(r#"{"Statement":[{"Action":"*","Effect":"Allow"}],"Version":"2012-10-17"}"#.into()),
            duration_seconds: Some(3600),
        }
    );
    assert_eq!(
        decided("", &Evidence::default()),
        Some(SessionRequest::of_role("app"))
    );
}

#[test]
fn names_hold_only_what_aws_takes_and_are_neither_too_short_nor_too_long() {
    let name = |text: &str| {
        let keys = format!("session_name = '{text}'");
        decided(&keys, &held_by(vec![said()]))
            .unwrap()
            .session_name
            .unwrap()
    };
    assert_eq!(name("{exe}"), "my-app");
    assert_eq!(name("{container}"), &ID[..12]);
    assert_eq!(name("{pid}"), "7-");
    assert_eq!(name("{unit}"), format!("docker-{}", &ID[..57]));
}

#[test]
fn a_fact_that_is_missing_gives_nothing() {
    let nothing = || held_by(vec![SaidFacts::default()]);
    for text in ["{unit}", "{exe}", "{container}", "{container_name}"] {
        assert_eq!(
            decided(&format!("session_name = '{text}'"), &nothing()),
            None,
            "{text}"
        );
        assert_eq!(
            decided(&format!("tags = {{ a = '{text}' }}"), &nothing()),
            None,
            "{text}"
        );
    }
    assert_eq!(decided("session_name = '{pid}'", &Evidence::default()), None);
    // Two holders are two processes: there is no one number to tell.
    assert_eq!(
        decided("session_name = '{pid}'", &held_by(vec![said(), said()])),
        None
    );
    assert!(decided("session_name = '{exe}'", &held_by(vec![said(), said()])).is_some());
}

#[test]
fn what_aws_would_refuse_is_refused_with_its_place() {
    for (keys, part) in [
        ("session_name = 'a{nobody}'", "3:18: unknown variable {nobody}"),
        (
            "session_name = 'a{user'",
            "3:16: `session_name`: a variable ends with }",
        ),
        ("session_name = 'a b'", "`session_name` takes A-Z"),
        ("session_name = 'a'", "2 to 64"),
        ("source_identity = 5", "one text in quotes"),
        ("tags = { 'aws:x' = 'a' }", "AWS's own"),
        ("tags = { a = 'x', A = 'y' }", "two tags"),
        ("tags = { a = '<' }", "letters, digits"),
        ("tags = 'a'", "takes a table"),
        ("duration = 899", "900 to 43200"),
        ("duration = '13h'", "900 to 43200"),
        ("duration = '-1h'", "900 to 43200"),
        ("duration = true", "900 to 43200"),
        ("policy = '{'", "not JSON"),
        ("policy = '[]'", "JSON object"),
        ("policy = { a = 1.5 }", "whole numbers"),
    ] {
        let found = problems(&format!("[[rule]]\nuid = 33\n{keys}\nroles = ['app']\n")).join("\n");
        assert!(found.contains(part), "{keys}: {found}");
    }
    let long = format!("policy = '{{\"a\":\"{}\"}}'", "x".repeat(2048));
    problems(&format!("[[rule]]\nuid = 33\n{long}\nroles = ['app']\n"));
}
