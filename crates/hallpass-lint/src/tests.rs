use super::*;
use hallpass_policy::{Policy, PolicyKind};
use std::collections::BTreeSet;

mod cases;
mod properties;

use cases::{CASES, Case};

fn text(document: &str) -> String {
    // A case is a statement, unless it is marked as a whole document.
    match document.strip_prefix('=') {
        Some(whole) => whole.to_owned(),
        None => format!("{{\"Version\": \"2012-10-17\", \"Statement\": [{document}]}}"),
    }
}

fn kind(code: &Case) -> PolicyKind {
    match code.kind {
        'r' => PolicyKind::Resource,
        't' => PolicyKind::Trust,
        _ => PolicyKind::Identity,
    }
}

fn found(document: &str, kind: PolicyKind, code: &str) -> Vec<Finding> {
    let mut findings = check(document, &Options { kind });
    findings.retain(|finding| finding.code == code);
    findings
}

#[test]
fn each_rule_finds_its_case_and_not_its_near_miss() {
    for case in CASES {
        let bad = text(case.bad);
        let findings = found(&bad, kind(case), case.code);
        let under: Vec<_> = findings
            .iter()
            .map(|finding| &bad[finding.start.offset..finding.end.offset])
            .collect();
        assert_eq!(
            under,
            [case.under],
            "{} {bad}\n{:#?}",
            case.code,
            check(&bad, &Options { kind: kind(case) })
        );
        let good = text(case.good);
        assert_eq!(found(&good, kind(case), case.code), [], "{} {good}", case.code);
    }
}

#[test]
fn every_rule_has_a_case() {
    let tested: BTreeSet<&str> = CASES.iter().map(|case| case.code).collect();
    let all: BTreeSet<&str> = RULES.iter().map(|rule| rule.code).collect();
    // Found by documents too long for a table, by what no rule above names, and in access keys.
    let elsewhere = BTreeSet::from(["HP1002", "HP1099", "HP2016", "HP2017"]);
    assert_eq!(&tested | &elsewhere, all);
}

#[test]
fn codes_are_in_order_and_tell_the_level() {
    assert!(RULES.windows(2).all(|pair| pair[0].code < pair[1].code));
    for rule in RULES {
        let level = match rule.level {
            Level::Error => "HP1",
            Level::SecurityWarning => "HP2",
            Level::Warning => "HP3",
            Level::Suggestion => "HP4",
        };
        assert!(rule.code.starts_with(level), "{rule:?}");
    }
}

#[test]
fn an_error_is_found_exactly_in_what_the_parser_refuses() {
    for case in CASES {
        for document in [case.bad, case.good] {
            let text = text(document);
            let refused = Policy::parse(&text, kind(case)).err();
            let findings = check(&text, &Options { kind: kind(case) });
            let errors: Vec<_> = findings
                .iter()
                .filter(|finding| finding.level == Level::Error)
                .collect();
            assert_eq!(
                refused.is_some(),
                !errors.is_empty(),
                "{text} {refused:?} {errors:?}"
            );
            if let Some(refused) = refused {
                assert!(
                    errors.iter().any(|error| error.message == refused.message),
                    "{text} {refused:?} {errors:?}"
                );
            }
        }
    }
}

#[test]
fn every_fix_removes_its_finding_and_leaves_a_document() {
    let mut fixed_rules = BTreeSet::new();
    for case in CASES {
        let bad = text(case.bad);
        for finding in found(&bad, kind(case), case.code) {
            let Some(fix) = &finding.fix else {
                continue;
            };
            fixed_rules.insert(case.code);
            let (fixed, titles) = apply(&bad, std::slice::from_ref(&finding));
            assert_eq!(titles, [fix.title.as_str()]);
            assert_eq!(found(&fixed, kind(case), case.code), [], "{bad}\n{fixed}");
            assert!(hallpass_policy::json::parse(&fixed).is_ok(), "{fixed}");
            if Policy::parse(&bad, kind(case)).is_ok() {
                assert!(Policy::parse(&fixed, kind(case)).is_ok(), "{fixed}");
            }
        }
    }
    assert!(fixed_rules.len() >= 20, "{fixed_rules:?}");
}

#[test]
fn a_broken_document_has_all_its_errors_reported() {
    let document = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Alow", "Action": "s3", "Resource": "bucket"},
        {"Effect": "Allow", "Acton": "s3:GetObject", "Resource": [1, "arn:foo:s3:::b"]},
        7
    ]}"#;
    let kind = PolicyKind::Identity;
    let codes: Vec<_> = check(document, &Options { kind })
        .iter()
        .filter(|finding| finding.level == Level::Error)
        .map(|finding| (finding.start.line, finding.code))
        .collect();
    let expect = [
        (2, "HP1009"),
        (2, "HP1011"),
        (2, "HP1013"),
        (3, "HP1010"),
        (3, "HP1004"),
        (3, "HP1005"),
        (3, "HP1015"),
        (4, "HP1005"),
    ];
    assert_eq!(codes, expect);
}

#[test]
fn a_document_that_is_too_long_has_one_finding() {
    let kind = PolicyKind::Identity;
    let document = format!("{{\"Statement\": [{}]}}", " ".repeat(200_000));
    let codes: Vec<_> = check(&document, &Options { kind })
        .iter()
        .map(|finding| finding.code)
        .collect();
    assert_eq!(codes, ["HP1002"]);
}

#[test]
fn boundaries_and_sessions_grant_nothing() {
    let document = text(r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#);
    for kind in [PolicyKind::Boundary, PolicyKind::Session] {
        assert_eq!(check(&document, &Options { kind }), []);
    }
}

#[test]
fn fixes_of_a_list_can_be_applied_together() {
    let kind = PolicyKind::Identity;
    let document = text(
        r#"{"Effect": "Allow", "Action": ["s3:GetObject", "s3:Get*", "s3:GetObjectAcl", "s3:GetObject"], "Resource": "arn:aws:s3:::b/*"}"#,
    );
    let mut now = document;
    for _ in 0..3 {
        now = apply(&now, &found(&now, kind, "HP4003")).0;
    }
    assert_eq!(
        now,
        text(r#"{"Effect": "Allow", "Action": ["s3:Get*"], "Resource": "arn:aws:s3:::b/*"}"#)
    );
}

#[test]
fn who_reaches_no_other_user_is_told_that_its_own_is_enough() {
    let kind = PolicyKind::Identity;
    let help = |user: &str| {
        let document = text(&format!(
            r#"{{"Effect": "Allow", "Action": ["iam:CreateAccessKey", "iam:PutUser*"], "Resource": "arn:aws:iam::*:user/{user}"}}"#
        ));
        let findings = found(&document, kind, "HP2007").into_iter();
        findings
            .map(|finding| format!("{}; {}", finding.message, finding.help))
            .collect::<Vec<_>>()
    };
    let own = "the holder can give itself further permissions: iam:PutUserPolicy, iam:PutUserPermissionsBoundary; \
               leave these to others: who may change its own permissions has all of them";
    assert_eq!(help("${aws:username}"), [own]);
    let all = help("*");
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(
        all.iter().all(|told| told.contains("; name the users")),
        "{all:?}"
    );
    assert_eq!(help("bob"), [""; 0]);
}

#[test]
fn only_the_second_factor_is_compared_where_there_is_one() {
    let deny = |condition: &str| {
        text(&format!(
            r#"{{"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {condition}}}"#
        ))
    };
    for (bad, good) in [
        (
            r#"{"Bool": {"aws:MultiFactorAuthPresent": "false"}}"#,
            r#"{"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}"#,
        ),
        (
            r#"{"Bool": {"aws:ViaAWSService": "false", "aws:MultiFactorAuthPresent": "false"}}"#,
            r#"{"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}, "Bool": {"aws:ViaAWSService": "false"}}"#,
        ),
        (
            r#"{"Bool": {"aws:MultiFactorAuthPresent": "false", "aws:ViaAWSService": "false"}}"#,
            r#"{"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}, "Bool": {"aws:ViaAWSService": "false"}}"#,
        ),
        (
            r#"{"Bool": {"aws:MultiFactorAuthPresent": "false"}, "BoolIfExists": {"aws:ViaAWSService": "false"}}"#,
            r#"{"Bool": {"aws:MultiFactorAuthPresent": "false"}, "BoolIfExists": {"aws:ViaAWSService": "false"}}"#,
        ),
    ] {
        let bad = deny(bad);
        let (fixed, _) = apply(&bad, &found(&bad, PolicyKind::Identity, "HP3036"));
        assert_eq!(fixed, deny(good));
    }
}

#[test]
fn what_becomes_of_buckets_is_told_with_the_actions() {
    let told = |code: &str, document: &str| {
        let findings = found(&text(document), PolicyKind::Identity, code).into_iter();
        findings.map(|finding| finding.message).collect::<Vec<_>>()
    };
    let all = "what every bucket holds can be opened to others, deleted or copied elsewhere: \
               s3:PutBucketPolicy, s3:PutBucketAcl, s3:PutObjectAcl, and 3 more";
    let document = r#"{"Effect": "Allow", "Action": ["s3:Put*", "iam:PassRole"], "Resource": "*"}"#;
    assert_eq!(told("HP2018", document), [all]);
    assert_eq!(told("HP4014", document), [""; 0]);
    let lifecycle = "what every bucket holds can be deleted: s3:PutLifecycleConfiguration";
    let document = r#"{"Effect": "Allow", "Action": "s3:PutLifecycle*", "Resource": "arn:aws:s3:::*"}"#;
    assert_eq!(told("HP2018", document), [lifecycle]);
    let objects = "`s3:PutObject*` also lets what the buckets hold be opened to others: \
                   s3:PutObjectAcl, s3:PutObjectVersionAcl";
    let document = r#"{"Effect": "Allow", "Action": "s3:PutObject*", "Resource": "arn:aws:s3:::b/*"}"#;
    assert_eq!(told("HP4014", document), [objects]);
}
