//! The linter takes any text; its findings lie in it; an error is a refusal; fixes apply and are rendered.
#![no_main]

use hallpass_lint::{Level, Options, apply, check};
use hallpass_policy::{Policy, PolicyKind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for kind in [PolicyKind::Identity, PolicyKind::Resource, PolicyKind::Trust] {
        let findings = check(text, &Options { kind });
        for finding in &findings {
            assert!(finding.start.offset <= finding.end.offset && finding.end.offset <= text.len());
        }
        let refused = findings.iter().any(|finding| finding.level == Level::Error);
        assert_eq!(refused, Policy::parse(text, kind).is_err());
        let (fixed, _) = apply(text, &findings);
        let again = check(&fixed, &Options { kind });
        // A fix never breaks what was whole.
        assert!(
            refused || !again.iter().any(|finding| finding.level == Level::Error),
            "{fixed}"
        );
    }
});
