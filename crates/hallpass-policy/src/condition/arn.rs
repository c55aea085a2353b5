//! `ArnEquals`, `ArnLike` and their negations: one and the same, wildcards per segment, case-sensitive.

use crate::context::Context;
use crate::pattern::{Matched, Pattern};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Values(Vec<Pattern>);

impl Values {
    pub(super) fn new(texts: &[Box<str>], variables: bool) -> Self {
        Self(texts.iter().map(|text| Pattern::arn(text, variables)).collect())
    }

    pub(super) fn match_any(&self, value: &str, context: &Context) -> bool {
        self.0
            .iter()
            .any(|pattern| pattern.matches(value, context) == Matched::Yes)
    }

    pub(super) fn patterns(&self) -> &[Pattern] {
        &self.0
    }
}
