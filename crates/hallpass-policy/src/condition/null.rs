//! `Null`: whether a key is absent. `"true"` asks for its absence.

use super::boolean;
use crate::context::ContextValue;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Values {
    absent: bool,
    present: bool,
}

impl Values {
    /// `None` when a value is not a boolean.
    pub(super) fn parse(texts: &[Box<str>]) -> Option<Self> {
        let wanted = texts
            .iter()
            .map(|text| boolean::read(text))
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            absent: wanted.contains(&true),
            present: wanted.contains(&false),
        })
    }

    /// A key without values counts as absent: `Null: false` is the advised guard for `ForAllValues`, which holds
    /// for the empty set. An empty string is a value.
    pub(super) fn hold(&self, found: Option<&ContextValue>) -> bool {
        match found.is_none_or(|value| value.values().is_empty()) {
            true => self.absent,
            false => self.present,
        }
    }
}
