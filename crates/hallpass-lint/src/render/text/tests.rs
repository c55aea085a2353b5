use crate::{Options, check, render};
use hallpass_policy::PolicyKind;

fn first(text: &str, code: &str) -> String {
    let kind = PolicyKind::Resource;
    let findings = check(text, &Options { kind });
    let found = findings
        .iter()
        .find(|finding| finding.code == code)
        .unwrap_or_else(|| panic!("{findings:?}"));
    render::text::finding("role.json", text, found)
}

fn carets(shown: &str) -> String {
    let lines: Vec<&str> = shown.lines().collect();
    let marks: Vec<char> = lines[4].chars().collect();
    let cells = lines[3]
        .chars()
        .zip(marks.iter().copied().chain(std::iter::repeat(' ')));
    cells
        .filter(|(_, mark)| *mark == '^')
        .map(|(char, _)| char)
        .collect()
}

#[test]
fn a_finding_shows_its_line_with_carets() {
    let text = "{\"Version\": \"2012-10-17\", \"Statement\":\n    {\"Effect\": \"Allow\", \"Action\": \"s3:GetObjekt\", \"Resource\": \"*\"}}";
    let shown = first(text, "HP3001");
    let expect = "\
warning[HP3001]: the service `s3` has no action `GetObjekt`
 --> role.json:2:35
  |
2 |     {\"Effect\": \"Allow\", \"Action\": \"s3:GetObjekt\", \"Resource\": \"*\"}}
  |                                   ^^^^^^^^^^^^^^
  = help: did you mean `s3:GetObject`?
  = fix: replace `s3:GetObjekt` by `s3:GetObject`
";
    assert_eq!(shown, expect);
}

#[test]
fn tabs_and_other_scripts_keep_the_carets_in_place() {
    let text = "{\"Version\": \"2012-10-17\", \"Statement\":\n\t{\"Sid\": \"größe\",\t\"Effect\": \"Allow\", \"Action\": \"s3:GetObjekt\", \"Resource\": \"*\"}}";
    assert_eq!(carets(&first(text, "HP3001")), "\"s3:GetObjekt\"");
}

#[test]
fn control_characters_never_reach_the_terminal() {
    let text = "{\"Version\": \"2012-10-17\", \"Statement\": {\"Effect\": \"Allow\", \"Action\": \"s3:Get\\u001b[31m\", \"Resource\": \"*\"}}";
    assert!(!first(text, "HP3001").contains('\u{1b}'));
}

#[test]
fn long_lines_are_cut_around_the_caret() {
    let many = "\"s3:ListBucket\", ".repeat(3_000);
    let text = format!(
        "{{\"Version\": \"2012-10-17\", \"Statement\": {{\"Effect\": \"Allow\", \"Action\": [{many}\"s3:GetObjekt\", {many}\"s3:PutObject\"], \"Resource\": \"*\"}}}}"
    );
    let shown = first(&text, "HP3001");
    assert_eq!(carets(&shown), "\"s3:GetObjekt\"");
    assert!(shown.lines().all(|line| line.chars().count() < 140), "{shown}");
}
