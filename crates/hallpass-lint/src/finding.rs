//! What a rule has found.

use crate::catalogue::{Level, Rule};
use hallpass_policy::Position;
use std::ops::Range;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's stable code: `HP3001`.
    pub code: &'static str,
    /// The rule.
    pub rule: &'static Rule,
    /// The rule's level.
    pub level: Level,
    /// What is wrong, in one line. For an error AWS's own message.
    pub message: String,
    /// The first character it is about.
    pub start: Position,
    /// After the last character it is about.
    pub end: Position,
    /// What to do, in one line.
    pub help: String,
    /// The remedy, where it is mechanical.
    pub fix: Option<Fix>,
}

/// Changes to the document that remove a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, in one line: ``replace `s3:GetObjekt` by `s3:GetObject` ``.
    pub title: String,
    /// Bytes of the document and what to put in their place; in order, none overlapping another.
    pub edits: Vec<(Range<usize>, String)>,
}
