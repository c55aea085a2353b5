//! The only door to the terminal.

use crate::error::CliError;
use std::io::Write as _;

/// Prints data to stdout and words to stderr.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer;

impl Printer {
    /// A line of the data asked for. A reader that went away (`| head`) is no error.
    pub(crate) fn data(self, line: &str) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }

    /// A line for the person.
    pub(crate) fn say(self, line: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// What went wrong, and the way out.
    pub(crate) fn error(self, error: &CliError) {
        self.say(&format!("error: {error}"));
        if let Some(hint) = error.hint_text() {
            self.say("");
            self.say(&format!("hint: {hint}"));
        }
    }
}
