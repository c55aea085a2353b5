//! For programs: one object with all findings.

use crate::{Finding, Fix, Level};
use hallpass_policy::Position;
use serde_json::{Value, json};

/// `{"findings": [{"file", "code", "name", "level", "message", "help", "start", "end", "fix"}…]}` over all files.
/// Levels are `error`, `security-warning`, `warning`, `suggestion`; lines and columns count from 1, offsets from 0 in
/// bytes; `fix` is `null` or `{"title", "edits": [{"start", "end", "text"}…]}`.
#[must_use]
pub fn document<'a>(files: impl IntoIterator<Item = (&'a str, &'a [Finding])>) -> Value {
    let files = files.into_iter();
    let findings = files.flat_map(|(file, findings)| findings.iter().map(move |found| finding(file, found)));
    json!({ "findings": findings.collect::<Vec<_>>() })
}

fn finding(file: &str, finding: &Finding) -> Value {
    json!({
        "file": file,
        "code": finding.code,
        "name": finding.rule.name,
        "level": level(finding.level),
        "message": finding.message,
        "help": finding.help,
        "start": position(finding.start),
        "end": position(finding.end),
        "fix": finding.fix.as_ref().map(fix),
    })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::SecurityWarning => "security-warning",
        Level::Warning => "warning",
        Level::Suggestion => "suggestion",
    }
}

fn position(position: Position) -> Value {
    json!({ "line": position.line, "column": position.column, "offset": position.offset })
}

fn fix(fix: &Fix) -> Value {
    let edits = fix
        .edits
        .iter()
        .map(|(range, text)| json!({ "start": range.start, "end": range.end, "text": text }));
    json!({ "title": fix.title, "edits": edits.collect::<Vec<_>>() })
}
