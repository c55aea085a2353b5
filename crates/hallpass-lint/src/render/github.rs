//! Annotations for GitHub Actions: workflow commands on stdout.
//!
//! Source: GitHub Docs, "Workflow commands for GitHub Actions"; the escaping is that of its toolkit's `command`.

use crate::{Finding, Level};

/// One line, such as `::error file=role.json,line=2,col=38,endLine=2,endColumn=52,title=HP3001::…`.
#[must_use]
pub fn annotation(file: &str, finding: &Finding) -> String {
    let command = match finding.level {
        Level::Error | Level::SecurityWarning => "error",
        Level::Warning => "warning",
        Level::Suggestion => "notice",
    };
    let (start, end) = (finding.start, finding.end);
    let title = format!("{} {}", finding.code, finding.rule.name);
    let message = format!("{} ({})", finding.message, finding.help);
    format!(
        "::{command} file={},line={},col={},endLine={},endColumn={},title={}::{}",
        property(file),
        start.line,
        start.column,
        end.line,
        end.column,
        property(&title),
        data(&message),
    )
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
