//! Policy variables: `${key}`, `${key, 'default'}` and the three escapes `${*}`, `${?}`, `${$}`.

use crate::context::{Context, ContextValue, Key};

/// A reference to a condition key inside a policy string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    /// As written, for those who ask which keys a policy reads.
    name: Box<str>,
    /// `None` for text between the braces that is no variable, which then has no value either.
    key: Option<Key>,
    default: Option<Box<str>>,
}

/// A policy string cut into the parts that matter to matching.
///
/// Cutting happens before any value is known, so a substituted `*` can never become a wildcard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Char(char),
    Star,
    Question,
    Variable(Variable),
}

impl Variable {
    /// Parses what stands between `${` and `}`.
    fn parse(inside: &str) -> Self {
        let (key, default) = match inside.split_once(',') {
            None => (inside, None),
            Some((key, rest)) => {
                let quoted = rest.strip_prefix(" '").and_then(|rest| rest.strip_suffix('\''));
                match quoted {
                    Some(default) => (key, Some(Box::from(default))),
                    None => {
                        return Self {
                            name: inside.into(),
                            key: None,
                            default: None,
                        };
                    }
                }
            }
        };
        let valid = !key.is_empty() && !key.contains(char::is_whitespace);
        Self {
            name: key.into(),
            key: valid.then(|| Key::new(key)),
            default: default.filter(|_| valid),
        }
    }

    /// The condition key it reads, as written; `None` for what is no variable.
    pub(crate) fn name(&self) -> Option<&str> {
        self.key.is_some().then_some(&*self.name)
    }

    /// Whether its value depends on a key nothing is known about.
    pub(crate) fn is_unknown(&self, context: &Context) -> bool {
        self.key.is_some() && context.is_unknown(&self.name)
    }

    /// The text to put in its place; `None` when the key is absent without a default, or multivalued.
    pub(crate) fn resolve<'a>(&'a self, context: &'a Context) -> Option<&'a str> {
        match context.lookup(self.key.as_ref()?) {
            Some(ContextValue::One(value)) => Some(value),
            Some(ContextValue::Many(_)) => None,
            None => self.default.as_deref(),
        }
    }

    /// The condition key it reads, in lower case; `None` for text that is no variable.
    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_ref().map(Key::as_str)
    }
}

/// Cuts `text` into pieces. With `variables` off (language version 2008-10-17) `${…}` is ordinary text.
pub(crate) fn pieces(text: &str, variables: bool) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if variables && let Some(body) = rest.strip_prefix("${") {
            // A quoted default may hold a closing brace; the variable ends after its quote.
            let end = match body.find(['}', '\'']) {
                Some(at) if body.get(at..).is_some_and(|tail| tail.starts_with('\'')) => {
                    body.find("'}").filter(|close| *close > at).map(|close| close + 1)
                }
                other => other,
            };
            if let Some((inside, after)) = end.and_then(|end| Some((body.get(..end)?, body.get(end + 1..)?)))
            {
                pieces.push(match inside {
                    "*" => Piece::Char('*'),
                    "?" => Piece::Char('?'),
                    "$" => Piece::Char('$'),
                    _ => Piece::Variable(Variable::parse(inside)),
                });
                rest = after;
                continue;
            }
        }
        pieces.push(match first {
            '*' => Piece::Star,
            '?' => Piece::Question,
            other => Piece::Char(other),
        });
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
    }
    pieces
}
