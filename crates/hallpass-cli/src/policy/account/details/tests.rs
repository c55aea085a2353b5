use super::*;

const USER: &str = "arn:aws:iam::123456789012:user/p/ana";

fn one(fields: &str) -> Result<Account, DetailsError> {
    parse([format!(r#"{{"UserDetailList":[{{"UserName":"ana","Arn":"{USER}"{fields}}}]}}"#).as_str()])
}

#[test]
fn documents_are_objects_or_text_encoded_or_not() {
    let plain = r#"{"Statement": []}"#;
    for (written, read) in [
        (plain.to_owned(), Some(plain)),
        (r#""{\"Statement\": []}""#.to_owned(), Some(plain)),
        (r#""%7B%22Statement%22%3A%20%5B%5D%7D""#.to_owned(), Some(plain)),
        (r#""%7""#.to_owned(), None),
        ("[]".to_owned(), None),
        ("7".to_owned(), None),
        ("null".to_owned(), None),
    ] {
        let list = format!(r#","UserPolicyList":[{{"PolicyName":"p","PolicyDocument":{written}}}]"#);
        let account = one(&list);
        let text = account
            .as_ref()
            .ok()
            .map(|account| account.entities[0].inline[0].text.as_str());
        assert_eq!(text, read, "{written}");
        if let Err(error) = account {
            assert!(error.to_string().contains("user/ana inline p"), "{error}");
        }
    }
}

#[test]
fn what_is_no_account_is_told_with_its_place() {
    for (text, words) in [
        ("", "line 1"),
        ("[]", "neither a user nor a role"),
        ("{}", "neither a user nor a role"),
        ("{\n\"UserDetailList\": [{}]}", "line 2"),
        (
            r#"{"UserDetailList":[{"UserName":"a","Arn":"b"}]}"#,
            "`b` is not the ARN",
        ),
        (r#"{"UserDetailList":[],"UserDetailList":[]}"#, "duplicate field"),
    ] {
        let error = parse([text]).expect_err(text).to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    assert!(parse(["[".repeat(100_000).as_str()]).is_err());
    assert!(one(&format!(r#","Unknown":{}"#, "[".repeat(100_000))).is_err());
}

#[test]
fn pages_are_one_account_and_the_default_version_counts() {
    let second = r#"{"RoleDetailList":[{"RoleName":"app","Arn":"arn:aws:iam::123456789012:role/app","RoleId":"AROA1",
        "AssumeRolePolicyDocument":{},"PermissionsBoundary":{"PermissionsBoundaryArn":"arn:edge"},
        "Tags":[{"Key":"k","Value":"v"}]}],
        "GroupDetailList":[{"GroupName":"g","AttachedManagedPolicies":[{"PolicyName":"Edge","PolicyArn":"arn:edge"}]}],
        "Policies":[{"PolicyName":"Edge","Arn":"arn:edge","PolicyVersionList":[
            {"Document":{"a":1},"IsDefaultVersion":false},{"Document":{"a":2},"IsDefaultVersion":true}]}]}"#;
    let first = format!(r#"{{"UserDetailList":[{{"UserName":"ana","Arn":"{USER}","GroupList":["g"]}}]}}"#);
    let account = parse([first.as_str(), second]).expect("an account");
    assert_eq!(account.id.as_str(), "123456789012");
    assert_eq!(account.managed["arn:edge"].text, r#"{"a":2}"#);
    assert_eq!(account.groups["g"].attached, ["arn:edge"]);
    let role = account.entity("role/app").expect("the role");
    assert_eq!(role.boundary.as_deref(), Some("arn:edge"));
    assert_eq!(role.tags, [("k".to_owned(), "v".to_owned())]);
    assert_eq!(
        role.trust.as_ref().map(|trust| trust.name.as_str()),
        Some("role/app trust policy")
    );
    for (name, found) in [
        (USER, Some("ana")),
        ("user/ana", Some("ana")),
        ("user/p/ana", Some("ana")),
        ("arn:aws:sts::123456789012:assumed-role/app/x", Some("app")),
        ("arn:aws:iam::999999999999:role/app", None),
        ("ana", None),
        ("role/ana", None),
    ] {
        assert_eq!(
            account.entity(name).map(|entity| entity.name.as_str()),
            found,
            "{name}"
        );
    }
}
