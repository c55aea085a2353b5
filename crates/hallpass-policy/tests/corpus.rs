//! The documents that moto's authors put to AWS, and what AWS said (`vectors/policy/SOURCE`).

#![allow(
    clippy::unwrap_used,
    reason = "a helper outside test functions reads the vectors"
)]

use hallpass_policy::{Policy, PolicyKind};
use serde_json::Value;
use std::path::Path;

fn vectors(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../vectors/policy")
        .join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_invalid_document_is_refused_with_the_message_of_aws() {
    let cases = vectors("moto-invalid.json");
    assert_eq!(cases.len(), 78);
    let mut wrong = Vec::new();
    for case in &cases {
        let document = case["document"].as_str().unwrap();
        let message = case["message"].as_str().unwrap();
        match Policy::parse_managed(document) {
            Err(error) if error.message == message => {}
            other => wrong.push(format!("{document}\n  wanted {message}\n  got    {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_valid_document_is_accepted() {
    let cases = vectors("moto-valid.json");
    assert_eq!(cases.len(), 54);
    for case in &cases {
        let document = case.as_str().unwrap();
        if let Err(error) = Policy::parse_managed(document) {
            panic!("{error}: {document}");
        }
    }
}

#[test]
fn only_managed_policies_must_be_of_the_current_version() {
    for case in vectors("moto-invalid.json") {
        if case["message"] == "Policy document must be version 2012-10-17 or greater." {
            let parsed = Policy::parse(case["document"].as_str().unwrap(), PolicyKind::Identity);
            let error = parsed.err().map(|error| error.message).unwrap_or_default();
            assert!(!error.contains("version"), "{error}");
        }
    }
}
