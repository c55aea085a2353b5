use super::cases::CASES;
use super::text;
use crate::{Level, Options, apply, check, render};
use hallpass_policy::{Policy, PolicyKind};
use proptest::prelude::*;

const KINDS: [PolicyKind; 7] = [
    PolicyKind::Identity,
    PolicyKind::Resource,
    PolicyKind::Trust,
    PolicyKind::Session,
    PolicyKind::Boundary,
    PolicyKind::ServiceControl,
    PolicyKind::ResourceControl,
];

/// What must hold of the findings of any text.
fn holds(text: &str, kind: PolicyKind) {
    let findings = check(text, &Options { kind });
    let refused = Policy::parse(text, kind).is_err();
    let errors = findings.iter().any(|finding| finding.level == Level::Error);
    assert_eq!(refused, errors, "{text} {findings:?}");
    for finding in &findings {
        assert!(finding.start.offset <= finding.end.offset && finding.end.offset <= text.len());
        assert!(text.get(finding.start.offset..finding.end.offset).is_some());
        for (range, _) in finding.fix.iter().flat_map(|fix| &fix.edits) {
            assert!(text.get(range.clone()).is_some(), "{text} {finding:?}");
        }
        assert!(render::text::finding("file", text, finding).ends_with('\n'));
        assert!(!render::github::annotation("file", finding).contains('\n'));
    }
    let (fixed, _) = apply(text, &findings);
    if !refused {
        assert!(Policy::parse(&fixed, kind).is_ok(), "{text}\n{fixed}");
    }
    let log = render::sarif::log("0", [("file", text, findings.as_slice())]);
    assert_eq!(
        log["runs"][0]["results"].as_array().map(Vec::len),
        Some(findings.len())
    );
}

fn a_document() -> impl Strategy<Value = String> {
    let documents: Vec<String> = CASES
        .iter()
        .flat_map(|case| [text(case.bad), text(case.good)])
        .collect();
    prop::sample::select(documents)
}

/// A piece of one document put over a piece of another, at places that are likely to matter.
fn a_mutated_document() -> impl Strategy<Value = String> {
    let numbers = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        0_usize..40,
        0_usize..40,
    );
    (a_document(), a_document(), numbers).prop_map(|(into, from, (at, start, cut, take))| {
        let chars: Vec<char> = into.chars().collect();
        let piece: Vec<char> = from.chars().collect();
        let (at, start) = (at.index(chars.len()), start.index(piece.len()));
        let head = chars.iter().take(at);
        let middle = piece.iter().skip(start).take(take);
        head.chain(middle).chain(chars.iter().skip(at + cut)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn any_text_is_judged(text in "\\PC{0,80}", kind in prop::sample::select(&KINDS[..])) {
        holds(&text, kind);
    }

    #[test]
    fn any_mutated_document_is_judged(text in a_mutated_document(), kind in prop::sample::select(&KINDS[..])) {
        holds(&text, kind);
    }

    #[test]
    fn any_document_is_judged_as_any_kind(text in a_document(), kind in prop::sample::select(&KINDS[..])) {
        holds(&text, kind);
    }
}
