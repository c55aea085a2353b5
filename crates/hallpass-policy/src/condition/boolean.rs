//! `Bool`. Variables are allowed: AWS's two pages on it contradict each other, and the operator's own page says yes.

use super::Truth;
use crate::context::Context;
use crate::pattern::Pattern;

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Known(bool),
    Variable(Pattern),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Values(Vec<Value>);

impl Values {
    /// `None` when a value is neither a boolean nor a variable.
    pub(super) fn parse(texts: &[Box<str>], variables: bool) -> Option<Self> {
        let value = |text: &str| match read(text) {
            Some(known) => Some(Value::Known(known)),
            None if variables && text.starts_with("${") => {
                Some(Value::Variable(Pattern::literal(text, true)))
            }
            None => None,
        };
        texts
            .iter()
            .map(|text| value(text))
            .collect::<Option<_>>()
            .map(Self)
    }

    pub(super) fn match_any(&self, value: &str, context: &Context) -> Truth {
        let Some(actual) = read(value) else {
            return Truth::Unknown;
        };
        Truth::any(self.0.iter().map(|wanted| match wanted {
            Value::Known(wanted) => (*wanted == actual).into(),
            Value::Variable(pattern) => match pattern.expand(context) {
                None => Truth::False,
                Some(text) => read(&text).map_or(Truth::Unknown, |wanted| (wanted == actual).into()),
            },
        }))
    }

    pub(super) fn has_variables(&self) -> bool {
        self.0.iter().any(|value| matches!(value, Value::Variable(_)))
    }
}

/// Reads `true` or `false` in any case, as AWS stores `True` too.
pub(super) fn read(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}
