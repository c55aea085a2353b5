use super::*;

const OLD: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}}"#;
const NEW: &str = r#"{"Version":"2012-10-17",
 "Statement":[{"Sid":"All","Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}]}"#;

fn policy(name: &str, text: &str) -> PolicyGroup {
    NamedPolicy::new(name, Policy::parse(text, PolicyKind::Identity).unwrap()).into()
}

fn verdict(old: &str, new: &str) -> Comparison {
    compare(
        &policy("old.json", old),
        &policy("new.json", new),
        PolicyKind::Identity,
    )
}

fn refusal(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.json");
    std::fs::write(&path, bytes).unwrap();
    let error = read(&path, PolicyKind::Identity).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    error.to_string().replace(&path.display().to_string(), "p.json")
}

#[test]
fn more_is_told_with_the_request_and_the_statement() {
    let (lines, code) = text(&verdict(OLD, NEW));
    assert_eq!(code, 1);
    assert_eq!(
        lines[0],
        "more: the new policy allows this request, the old one does not"
    );
    let request: Value = serde_json::from_str(&lines[1]).unwrap();
    assert_eq!(request["resource"], "arn:aws:s3:::b/example");
    assert_eq!(request["action"], "s3:Example");
    assert_eq!(request["context"], json!({}));
    assert_eq!(lines[2], "allowed by new.json:2:15 (statement 1 \"All\")");

    let (lines, code) = json_line(&verdict(OLD, NEW));
    assert_eq!((lines.len(), code), (1, 1));
    let answer: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(answer["verdict"], "more");
    assert_eq!(answer["because"][0]["line"], 2);
    assert_eq!(answer["request"], request);
}

#[test]
fn no_more_is_told_in_one_line() {
    assert_eq!(text(&verdict(NEW, OLD)).1, 0);
    assert_eq!(
        json_line(&verdict(NEW, OLD)),
        (vec![r#"{"verdict":"no_more"}"#.to_owned()], 0)
    );
}

#[test]
fn what_is_undecided_names_its_cause_and_place() {
    let old = OLD.replace("b/*", "b/example/*");
    let new = OLD.replace("b/*", "b/${aws:username}/*\"],\"Condition\":{\"StringEquals\":{\"aws:username\":\"example\"}},\"Action\":[\"s3:GetObject");
    let new = new
        .replace(r#""Action":"s3:GetObject","Resource":"#, r#""Resource":["#)
        .replace(r#"["s3:GetObject"}"#, r#"["s3:GetObject"]}"#);
    let (lines, code) = text(&verdict(&old, &new));
    assert_eq!(code, 2, "{lines:?}");
    assert!(
        lines[0].starts_with("undecided: `arn:aws:s3:::b/${aws:username}/*` has a variable"),
        "{lines:?}"
    );
    assert!(lines[0].ends_with("in new.json:1:37 (statement 1)"), "{lines:?}");
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    assert_eq!(refusal(b"{\n \xff}"), "p.json:2:2: not UTF-8");
    assert_eq!(
        refusal(b"{\n oops}"),
        "p.json:2:2: This policy contains invalid Json"
    );
    assert_eq!(
        refusal(&vec![b' '; 10_000_000]),
        "p.json: a policy has at most 131072 bytes"
    );
    let missing = read(Path::new("/nowhere/p.json"), PolicyKind::Identity).unwrap_err();
    assert_eq!(missing.exit_code(), 2);
}
