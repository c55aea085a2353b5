//! Why a document was refused, in AWS's words, and where.

use std::fmt;

/// A place in a policy document, for people and editors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, in characters.
    pub column: u32,
    /// Counted from 0, in bytes.
    pub offset: usize,
}

impl Position {
    /// Where every text starts.
    pub const START: Self = Self {
        line: 1,
        column: 1,
        offset: 0,
    };

    /// The place of byte `offset` in `text`; past the end it is the end.
    #[must_use]
    pub fn of(text: &str, offset: usize) -> Self {
        Self::START.after(text.get(..offset).unwrap_or(text))
    }

    /// This position moved past `text`.
    pub(crate) fn after(self, text: &str) -> Self {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let lines = count(text.matches('\n').count());
        let tail = text
            .rfind('\n')
            .map_or(text, |newline| text.get(newline + 1..).unwrap_or_default());
        let column = if lines == 0 { self.column } else { 1 };
        Self {
            line: self.line.saturating_add(lines),
            column: column.saturating_add(count(tail.chars().count())),
            offset: self.offset + text.len(),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// What kind of rule a document broke. The wire code is the same for almost all of them ([`Self::aws_code`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyErrorCode {
    /// Longer than [`crate::DOCUMENT_BYTES_MAX`] or holding more than [`crate::VALUES_MAX`] values.
    TooLarge,
    /// A character outside U+0009, U+000A, U+000D, U+0020–U+00FF (not asked of resource policies).
    Characters,
    /// Not JSON, nested deeper than [`crate::DEPTH_MAX`], or an object naming a key twice.
    InvalidJson,
    /// JSON, but not the shape of a policy; unknown elements and operators included.
    Syntax,
    /// An older language version where the current one is required.
    Version,
    /// A value that its element or operator cannot hold, such as a date that is none.
    LegacyParsing,
    /// A principal that is missing, out of place or not a principal.
    Principal,
    /// Two statements with one `Sid`.
    Sid,
    /// Actions missing or malformed.
    Action,
    /// Resources missing, out of place or malformed.
    Resource,
}

impl PolicyErrorCode {
    /// The error code IAM sends for it.
    #[must_use]
    pub fn aws_code(self) -> &'static str {
        match self {
            Self::TooLarge => "LimitExceeded",
            Self::Characters => "ValidationError",
            Self::InvalidJson
            | Self::Syntax
            | Self::Version
            | Self::LegacyParsing
            | Self::Principal
            | Self::Sid
            | Self::Action
            | Self::Resource => "MalformedPolicyDocument",
        }
    }
}

/// A policy document that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({position})")]
pub struct PolicyError {
    /// The rule that was broken.
    pub code: PolicyErrorCode,
    /// AWS's message where AWS has one, ready to be sent.
    pub message: String,
    /// Where in the document.
    pub position: Position,
}
