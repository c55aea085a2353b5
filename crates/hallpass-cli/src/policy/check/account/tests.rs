use super::*;
use crate::policy::account::parse;

fn account(user: &str, more: &str) -> Account {
    let text = format!(
        r#"{{"UserDetailList":[{{"UserName":"ana","Arn":"arn:aws:iam::123456789012:user/ana",{user}}}]{more}}}"#
    );
    parse(&text).expect("an account")
}

fn inline(name: &str, action: &str) -> String {
    format!(
        r#"{{"PolicyName":"{name}","PolicyDocument":{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{action}","Resource":"*"}}}}}}"#
    )
}

fn escalations(account: &Account) -> Vec<String> {
    let checked = documents(account);
    let found = checked
        .iter()
        .filter(|one| one.findings.iter().any(|finding| finding.rule.name == ESCALATION));
    found.map(|one| one.name.clone()).collect()
}

fn edge(action: &str) -> String {
    format!(
        r#","Policies":[{{"PolicyName":"Edge","Arn":"arn:edge","PolicyVersionList":[{{"IsDefaultVersion":true,"Document":
        {{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{action}","Resource":"*"}}}}}}]}}]"#
    )
}

const BOUNDARY: &str = r#","PermissionsBoundary":{"PermissionsBoundaryArn":"arn:edge"}"#;

#[test]
fn a_way_through_two_policies_is_found_unless_the_boundary_closes_it() {
    let two = format!(
        r#""UserPolicyList":[{},{}]"#,
        inline("pass", "iam:PassRole"),
        inline("run", "ec2:RunInstances")
    );
    let together = "user/ana all policies together";
    assert_eq!(escalations(&account(&two, "")), [together]);
    let bounded = format!("{two}{BOUNDARY}");
    assert_eq!(escalations(&account(&bounded, &edge("s3:*"))), [""; 0]);
    assert_eq!(escalations(&account(&bounded, &edge("*"))), [together]);
}

#[test]
fn a_way_in_one_policy_is_found_once() {
    let one = format!(
        r#""UserPolicyList":[{},{}]"#,
        inline("own", "iam:PutUserPolicy"),
        inline("run", "ec2:RunInstances")
    );
    assert_eq!(escalations(&account(&one, "")), ["user/ana inline own"]);
    let bounded = format!("{one}{BOUNDARY}");
    assert_eq!(escalations(&account(&bounded, &edge("s3:*"))), [""; 0]);
}

#[test]
fn the_age_of_a_key_counts_while_it_can_sign() {
    let now = UnixSeconds(1_800_000_000);
    let key = |is_active, days: i64| Key {
        user: "ana".to_owned(),
        id: "AKIA".to_owned(),
        is_active,
        created: Some(now.plus(-days * 86_400)),
    };
    let found = keys(&[key(true, 90), key(true, 400), key(false, 400)], now);
    let messages = found
        .iter()
        .flat_map(|one| &one.findings)
        .map(|finding| finding.message.as_str());
    assert_eq!(
        messages.collect::<Vec<_>>(),
        ["access key AKIA of user ana is 400 days old"]
    );
}
