//! Documents by others: AWS's managed policies, and those that IAM's answers were recorded for.

use hallpass_lint::{Finding, Level, Options, RULES, check};
use hallpass_policy::{Policy, PolicyKind};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const IDENTITY: Options = Options {
    kind: PolicyKind::Identity,
};

fn managed() -> impl Iterator<Item = (&'static str, String)> {
    let all = hallpass_reference::managed::all().iter();
    all.map(|policy| (policy.name(), policy.document()))
}

/// AWS holds its own policies to other rules than ours: one is longer than IAM takes from anybody.
const REFUSED: [&str; 1] = ["AWSSupportServiceRolePolicy"];

fn errors(findings: &[Finding]) -> Vec<&Finding> {
    findings
        .iter()
        .filter(|finding| finding.level == Level::Error)
        .collect()
}

/// How many findings each rule has in how many of the policies, as reviewed. After a change look at what is new, then
/// write the file with `HALLPASS_WRITE_SNAPSHOTS=1`.
#[test]
fn managed_policies_have_the_findings_that_were_reviewed() {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut policies = 0;
    for (name, text) in managed() {
        policies += 1;
        let refused = Policy::parse(&text, PolicyKind::Identity).is_err();
        assert_eq!(refused, REFUSED.contains(&name), "{name}");
        let findings = check(&text, &IDENTITY);
        assert_eq!(errors(&findings).is_empty(), !refused, "{name}: {findings:?}");
        let mut here: BTreeMap<&str, usize> = BTreeMap::new();
        for finding in &findings {
            *here.entry(finding.code).or_default() += 1;
        }
        for (code, count) in here {
            let entry = counts.entry(code).or_default();
            entry.0 += count;
            entry.1 += 1;
        }
    }
    let mut table = format!("{policies} policies\ncode   findings policies rule\n");
    for (code, (findings, policies)) in counts {
        let name = RULES.iter().find(|rule| rule.code == code).unwrap().name;
        writeln!(table, "{code} {findings:>8} {policies:>8} {name}").unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws-managed-findings.txt");
    if std::env::var_os("HALLPASS_WRITE_SNAPSHOTS").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(table, std::fs::read_to_string(path).unwrap());
}

#[test]
fn the_systems_manager_policy_reads_and_writes_every_object() {
    let (_, text) = managed()
        .find(|(name, _)| *name == "AmazonEC2RoleforSSM")
        .unwrap();
    let findings = check(&text, &IDENTITY);
    let at = |code: &str| {
        let found = findings.iter().find(|finding| finding.code == code);
        found.map(|finding| &text[finding.start.offset..finding.end.offset])
    };
    assert_eq!(at("HP2005"), Some("\"s3:GetObject\""));
    assert_eq!(at("HP2006"), Some("\"s3:PutObject\""));
}

#[test]
fn what_iam_refused_has_an_error_with_its_words() {
    let vectors: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../../vectors/policy/moto-invalid.json")).unwrap();
    for vector in vectors {
        let (text, message) = (
            vector["document"].as_str().unwrap(),
            vector["message"].as_str().unwrap(),
        );
        if message.starts_with("Policy document must be version") {
            // Only of customer managed policies; elsewhere the older version is taken.
            continue;
        }
        let findings = check(text, &IDENTITY);
        let found = errors(&findings);
        assert!(
            found.iter().any(|finding| finding.message == message),
            "{text}\n{message}\n{findings:?}"
        );
        assert!(
            found.iter().all(|finding| finding.code != "HP1099"),
            "{text}\n{findings:?}"
        );
    }
}

#[test]
fn what_iam_took_has_no_error() {
    let vectors: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../../vectors/policy/moto-valid.json")).unwrap();
    for vector in vectors {
        let text = vector.as_str().unwrap();
        let findings = check(text, &IDENTITY);
        assert!(errors(&findings).is_empty(), "{text}\n{findings:?}");
    }
}
