//! SARIF 2.1.0, which code-scanning services read.
//!
//! Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".

use crate::{Finding, Fix, Level, RULES, Rule};
use hallpass_policy::Position;
use serde_json::{Value, json};

/// A log of one run over all files, each given by its name, its text and its findings. Columns count Unicode code
/// points, as [`Position`] does.
#[must_use]
pub fn log<'a>(version: &str, files: impl IntoIterator<Item = (&'a str, &'a str, &'a [Finding])>) -> Value {
    let files = files.into_iter();
    let results =
        files.flat_map(|(file, text, findings)| findings.iter().map(move |found| result(file, text, found)));
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "hallpass",
                "version": version,
                "rules": RULES.iter().map(|known| rule(known)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

fn rule(rule: &Rule) -> Value {
    json!({
        "id": rule.code,
        "name": rule.name,
        "shortDescription": { "text": rule.summary },
        "defaultConfiguration": { "level": level(rule.level) },
    })
}

/// SARIF has no level for security; such findings must stop a pipeline, so they are errors there.
fn level(level: Level) -> &'static str {
    match level {
        Level::Error | Level::SecurityWarning => "error",
        Level::Warning => "warning",
        Level::Suggestion => "note",
    }
}

fn result(file: &str, text: &str, finding: &Finding) -> Value {
    let index = RULES.iter().position(|rule| *rule == finding.rule);
    let mut result = json!({
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": level(finding.level),
        "message": { "text": format!("{} ({})", finding.message, finding.help) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(file) },
            "region": region(finding.start, finding.end),
        }}],
    });
    if let (Some(fix), Value::Object(members)) = (&finding.fix, &mut result) {
        members.insert("fixes".to_owned(), json!([fixes(file, text, fix)]));
    }
    result
}

fn fixes(file: &str, text: &str, fix: &Fix) -> Value {
    let offsets = fix.edits.iter().flat_map(|(range, _)| [range.start, range.end]);
    let places = crate::place::positions(text, offsets.collect());
    let replacements = fix.edits.iter().filter_map(|(range, new)| {
        let region = region(*places.get(&range.start)?, *places.get(&range.end)?);
        Some(json!({ "deletedRegion": region, "insertedContent": { "text": new } }))
    });
    json!({
        "description": { "text": fix.title },
        "artifactChanges": [{
            "artifactLocation": { "uri": uri(file) },
            "replacements": replacements.collect::<Vec<_>>(),
        }],
    })
}

fn region(start: Position, end: Position) -> Value {
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

/// A relative reference (RFC 3986) that is the file's path.
fn uri(file: &str) -> String {
    let mut uri = String::new();
    for byte in file.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
