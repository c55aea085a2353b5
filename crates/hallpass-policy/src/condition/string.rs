//! `StringEquals`, `StringEqualsIgnoreCase`, `StringLike` and their negations.

use crate::context::Context;
use crate::pattern::{Matched, Pattern};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Values {
    patterns: Vec<Pattern>,
    ignore_case: bool,
}

impl Values {
    pub(super) fn equal(texts: &[Box<str>], variables: bool) -> Self {
        let patterns = texts
            .iter()
            .map(|text| Pattern::literal(text, variables))
            .collect();
        Self {
            patterns,
            ignore_case: false,
        }
    }

    pub(super) fn equal_ignoring_case(texts: &[Box<str>], variables: bool) -> Self {
        Self {
            ignore_case: true,
            ..Self::equal(texts, variables)
        }
    }

    pub(super) fn like(texts: &[Box<str>], variables: bool) -> Self {
        let patterns = texts.iter().map(|text| Pattern::like(text, variables)).collect();
        Self {
            patterns,
            ignore_case: false,
        }
    }

    pub(super) fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    pub(super) fn match_any(&self, value: &str, context: &Context) -> bool {
        self.patterns.iter().any(|pattern| {
            if self.ignore_case {
                pattern
                    .expand(context)
                    .is_some_and(|text| same_ignoring_case(&text, value))
            } else {
                pattern.matches(value, context) == Matched::Yes
            }
        })
    }

    pub(super) fn ignores_case(&self) -> bool {
        self.ignore_case
    }
}

fn same_ignoring_case(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right) || (!left.is_ascii() && left.to_lowercase() == right.to_lowercase())
}
