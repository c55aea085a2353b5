//! The facts about a request which conditions and variables read.

use std::collections::BTreeMap;

/// The value of one condition key.
///
/// An absent key, an empty list and an empty string are three different things to the operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextValue {
    /// A single-valued key.
    One(String),
    /// A multivalued key, such as `aws:TagKeys`; possibly with no or one value. It cannot be used as a variable.
    Many(Vec<String>),
}

impl ContextValue {
    /// The values in the order they were given.
    #[must_use]
    pub fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// The condition keys of one request: an open set of names, compared without regard to ASCII case.
///
/// Every value must come from the server's own knowledge. A request header that happens to be called like a key
/// must never reach this map (GHSA-6r96).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    // Keys in lower case, as conditions and variables keep theirs.
    keys: BTreeMap<String, ContextValue>,
}

impl Context {
    /// A context with no keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a single-valued key, replacing what it had.
    pub fn set(&mut self, key: &str, value: &str) -> &mut Self {
        self.keys
            .insert(key.to_ascii_lowercase(), ContextValue::One(value.to_owned()));
        self
    }

    /// Sets a multivalued key, replacing what it had; an empty list is a key that is present without values.
    pub fn set_many<I>(&mut self, key: &str, values: I) -> &mut Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let values = values.into_iter().map(Into::into).collect();
        self.keys
            .insert(key.to_ascii_lowercase(), ContextValue::Many(values));
        self
    }

    /// Adds a value to a key, making it multivalued if it had one.
    ///
    /// For resource tags: two tags whose keys differ only by case share one condition key, and either may match.
    pub fn add(&mut self, key: &str, value: &str) -> &mut Self {
        let key = key.to_ascii_lowercase();
        let value = value.to_owned();
        let merged = match self.keys.remove(&key) {
            None => ContextValue::One(value),
            Some(ContextValue::One(first)) => ContextValue::Many(vec![first, value]),
            Some(ContextValue::Many(mut values)) => {
                values.push(value);
                ContextValue::Many(values)
            }
        };
        self.keys.insert(key, merged);
        self
    }

    /// The value of `key`, whatever the case it is written in.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&ContextValue> {
        if key.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.keys.get(&key.to_ascii_lowercase())
        } else {
            self.keys.get(key)
        }
    }

    /// All keys, in lower case and sorted, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ContextValue)> {
        self.keys.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The value of a key already in lower case.
    pub(crate) fn lookup(&self, key: &str) -> Option<&ContextValue> {
        self.keys.get(key)
    }
}
