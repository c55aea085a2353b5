use super::*;
use crate::policy::account::parse;
use crate::policy::asking::Given;

const BUCKET: &str = "arn:aws:s3:::b";

fn statement(effect: &str, action: &str, resource: &str, more: &str) -> String {
    format!(r#"{{"Effect":"{effect}","Action":"{action}","Resource":"{resource}"{more}}}"#)
}

/// The rows as `resource can actions`, exceptions after `-`.
fn rows(statements: &[String], boundary: Option<&str>) -> Vec<String> {
    let document = |statements: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    let edge = boundary.map(|boundary| {
        format!(
            r#","Policies":[{{"PolicyName":"Edge","Arn":"arn:edge","PolicyVersionList":[{{"IsDefaultVersion":true,"Document":{}}}]}}]"#,
            document(boundary)
        )
    });
    let bounded = boundary.map(|_| r#","PermissionsBoundary":{"PermissionsBoundaryArn":"arn:edge"}"#);
    let text = format!(
        r#"{{"UserDetailList":[{{"UserName":"ana","Arn":"arn:aws:iam::123456789012:user/ana","UserPolicyList":[{{"PolicyName":"p","PolicyDocument":{}}}]{}}}]{}}}"#,
        document(&statements.join(",")),
        bounded.unwrap_or_default(),
        edge.unwrap_or_default()
    );
    let account = parse(&text).expect("an account");
    let entity = account.entity("user/ana").expect("ana");
    let principal = entity.principal(account.id);
    let held = account.held(entity).expect("policies");
    let survey = Survey {
        account: &account,
        context: Given::default().context(&principal, &[]),
        principal: &principal,
        held: &held,
        policies: &[],
        service: None,
    };
    let (rows, complete) = survey.rows();
    assert!(complete);
    let shown = rows.iter().map(|row| {
        let actions = super::super::compress::patterns(&row.actions).join(",");
        let except = row
            .except
            .iter()
            .map(|(resource, answer)| format!(" -{resource} {}", answer.can.as_str()));
        format!(
            "{} {} {actions}{}",
            row.resource,
            row.answer.can.as_str(),
            except.collect::<String>()
        )
    });
    shown.collect()
}

fn allow(action: &str, resource: &str) -> String {
    statement("Allow", action, resource, "")
}

fn deny(action: &str, resource: &str) -> String {
    statement("Deny", action, resource, "")
}

#[test]
fn what_is_allowed_stands_with_its_exceptions() {
    let objects = format!("{BUCKET}/*");
    let secret = format!("{BUCKET}/secret/*");
    let own = format!("{BUCKET}/${{aws:username}}/*");
    let secure = r#","Condition":{"Bool":{"aws:SecureTransport":"true"}}"#;
    for (statements, boundary, expected) in [
        (
            vec![allow("s3:GetObject", &objects)],
            None,
            vec![format!("{objects} always s3:GetObject")],
        ),
        (
            vec![allow("s3:GetObject", &objects), deny("s3:*", &secret)],
            None,
            vec![format!("{objects} always s3:GetObject -{secret} never")],
        ),
        // Neither contains the other.
        (
            vec![
                allow("s3:GetObject", &format!("{BUCKET}/a*")),
                deny("s3:*", &format!("{BUCKET}/*z")),
            ],
            None,
            vec![format!(
                "{BUCKET}/a* always s3:GetObject -{BUCKET}/a* and {BUCKET}/*z never"
            )],
        ),
        (
            vec![allow("s3:GetObject", &objects), deny("*", "*")],
            None,
            vec![],
        ),
        (
            vec![statement("Allow", "s3:GetObject", &objects, secure)],
            None,
            vec![format!("{objects} sometimes s3:GetObject")],
        ),
        (
            vec![allow("s3:GetObject", &own)],
            None,
            vec![format!("{own} always s3:GetObject")],
        ),
        // A boundary leaves a part.
        (vec![allow("s3:*", "*")], Some(allow("iam:*", "*")), vec![]),
        (
            vec![allow("s3:GetObject", &objects)],
            Some(allow("s3:*", &secret)),
            vec![format!("{secret} always s3:GetObject")],
        ),
        (
            vec![allow("none:None", "*")],
            None,
            vec!["* always none:None".to_owned()],
        ),
        (vec![allow("*", "*")], None, vec!["* always *".to_owned()]),
        // Another account's queue is not for this one to give.
        (
            vec![allow("sqs:SendMessage", "arn:aws:sqs:eu-west-1:999999999999:q")],
            None,
            vec![],
        ),
    ] {
        let mut found = rows(&statements, boundary.as_deref());
        // Of everything only roles are told apart, and there are none here.
        if statements == [allow("*", "*")] {
            assert_eq!(found.len(), 1);
            found = vec!["* always *".to_owned()];
        }
        assert_eq!(found, expected, "{statements:?} {boundary:?}");
    }
}

#[test]
fn actions_are_told_where_they_act() {
    let found = rows(&[allow("*", BUCKET), deny("s3:DeleteBucket", "*")], None);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("s3:ListBucket") && !found[0].contains("s3:DeleteBucket,"),
        "{found:?}"
    );
    assert!(
        !found[0].contains("s3:GetObject,") && !found[0].contains("iam:"),
        "{found:?}"
    );
    let not = r#"{"Effect":"Allow","Action":"s3:GetObject","NotResource":"arn:aws:s3:::b/secret/*"}"#;
    let found = rows(&[not.to_owned()], None);
    assert_eq!(found, ["* always s3:GetObject -arn:aws:s3:::b/secret/* never"]);
}
