//! The facts about a request which conditions and variables read.

use std::borrow::Cow;
use std::cmp::Ordering;

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
    // Sorted by the key's hash, then by the key in lower case.
    entries: Vec<(Key, ContextValue)>,
    extent: Extent,
}

/// What it means that a context does not have a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Extent {
    /// The request does not have it.
    #[default]
    Request,
    /// Only the principal is known: keys about it are absent, any other may be there.
    Principal {
        /// A session may carry tags and a source identity that its role knows nothing of.
        is_session: bool,
        /// Whoever belongs to an account may belong to an organization, which does not show in a name.
        has_account: bool,
    },
    /// Nothing is known but what is set.
    Stranger,
}

/// A condition key with the hash of its lower case, so that finding one in a context compares numbers. Names that are
/// known when this is compiled are kept as they are written, and cost no memory.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    hash: u64,
    text: Cow<'static, str>,
}

impl Key {
    /// In lower case.
    pub(crate) fn new(text: &str) -> Self {
        Self::from(Cow::Owned(text.to_ascii_lowercase()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<Cow<'static, str>> for Key {
    fn from(text: Cow<'static, str>) -> Self {
        // FNV-1a. It need not withstand an adversary: a collision costs one comparison of texts, and a request has few keys.
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self { hash, text }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let texts = || {
            let ours = self.text.bytes().map(|byte| byte.to_ascii_lowercase());
            ours.cmp(other.text.bytes().map(|byte| byte.to_ascii_lowercase()))
        };
        self.hash.cmp(&other.hash).then_with(texts)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}

impl Context {
    /// A context with no keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A context for questions about a principal before there is a request: keys about the principal that are not set
    /// are absent, all others are unknown. See [`crate::possibility`].
    #[must_use]
    pub fn of_principal(principal: &crate::PrincipalInfo) -> Self {
        let mut context = Self {
            entries: Vec::new(),
            extent: Extent::Principal {
                is_session: principal.role_arn.is_some(),
                has_account: principal.account.is_some(),
            },
        };
        principal.fill(&mut context);
        // The session's name is part of it, and nobody has named the session yet.
        if principal.role_arn.is_some() {
            context
                .entries
                .retain(|(key, _)| !key.as_str().eq_ignore_ascii_case("aws:userid"));
        }
        context
    }

    /// A context for questions about somebody of whom nothing is known, such as anybody in another account: every key
    /// that is not set is unknown. [`crate::PrincipalInfo::fill`] sets what a name tells.
    #[must_use]
    pub fn of_stranger() -> Self {
        Self {
            entries: Vec::new(),
            extent: Extent::Stranger,
        }
    }

    /// Whether nothing can be said about a key, given in any case.
    pub(crate) fn is_unknown(&self, key: &str) -> bool {
        let (is_session, has_account) = match self.extent {
            Extent::Request => return false,
            Extent::Stranger => return self.get(key).is_none(),
            Extent::Principal {
                is_session,
                has_account,
            } => (is_session, has_account),
        };
        let key = key.to_ascii_lowercase();
        let about_session = ["aws:userid", "aws:sourceidentity", "aws:principaltag/"];
        let about_principal = [
            "aws:username",
            "aws:principal",
            "aws:userid",
            "aws:sourceidentity",
        ];
        let is = |starts: &[&str]| starts.iter().any(|start| key.starts_with(start));
        let about_organization = ["aws:principalorg"];
        let open = (is_session && is(&about_session)) || (has_account && is(&about_organization));
        let absent = is(&about_principal) && !open;
        !absent && self.get(&key).is_none()
    }

    /// Whether anything is unknown at all.
    pub(crate) fn is_open(&self) -> bool {
        self.extent != Extent::Request
    }

    /// Sets a single-valued key, replacing what it had.
    pub fn set(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<String>) -> &mut Self {
        self.insert(key.into(), ContextValue::One(value.into()))
    }

    /// Sets a multivalued key, replacing what it had; an empty list is a key that is present without values.
    pub fn set_many<I>(&mut self, key: impl Into<Cow<'static, str>>, values: I) -> &mut Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let values = values.into_iter().map(Into::into).collect();
        self.insert(key.into(), ContextValue::Many(values))
    }

    fn insert(&mut self, key: Cow<'static, str>, value: ContextValue) -> &mut Self {
        let key = Key::from(key);
        match self.entries.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(at) => {
                if let Some((_, known)) = self.entries.get_mut(at) {
                    *known = value;
                }
            }
            Err(at) => self.entries.insert(at, (key, value)),
        }
        self
    }

    /// Adds a value to a key, making it multivalued if it had one.
    ///
    /// For resource tags: two tags whose keys differ only by case share one condition key, and either may match.
    pub fn add(&mut self, key: &str, value: &str) -> &mut Self {
        let value = value.to_owned();
        let merged = match self.get(key) {
            None => ContextValue::One(value),
            Some(known) => ContextValue::Many(known.values().iter().cloned().chain([value]).collect()),
        };
        self.insert(Cow::Owned(key.to_owned()), merged)
    }

    /// The value of `key`, whatever the case it is written in.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&ContextValue> {
        self.lookup(&Key::new(key))
    }

    /// All keys, in lower case and in no particular order, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (String, &ContextValue)> {
        let entries = self.entries.iter();
        entries.map(|(key, value)| (key.as_str().to_ascii_lowercase(), value))
    }

    /// The value of a key prepared before.
    #[inline]
    pub(crate) fn lookup(&self, key: &Key) -> Option<&ContextValue> {
        let at = self.entries.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
        self.entries.get(at).map(|(_, value)| value)
    }
}
