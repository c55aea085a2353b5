//! Condition keys and the types of their values.

use crate::{REFERENCE, global};
use std::collections::HashMap;
use std::sync::LazyLock;

/// What a condition key's value is, which decides the operators that fit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// Text.
    String,
    /// An ARN.
    Arn,
    /// `true` or `false`.
    Bool,
    /// An instant, in ISO 8601 or seconds since the epoch.
    Date,
    /// A number.
    Numeric,
    /// An address or a range of addresses.
    Ip,
    /// Bytes, in base64.
    Binary,
    /// Several texts at once.
    ArrayOfString,
    /// Several ARNs at once.
    ArrayOfArn,
    /// Several truth values at once.
    ArrayOfBool,
}

impl KeyType {
    /// True when a request may carry several values, so that `ForAllValues` and `ForAnyValue` make sense.
    #[must_use]
    pub fn is_array(self) -> bool {
        matches!(self, Self::ArrayOfString | Self::ArrayOfArn | Self::ArrayOfBool)
    }
}

/// Keys in lower case, and the constant starts of those that end in a name of the user's choice.
struct Keys {
    whole: HashMap<String, KeyType>,
    starts: HashMap<String, KeyType>,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let mut keys = Keys {
        whole: HashMap::new(),
        starts: HashMap::new(),
    };
    let listed = REFERENCE
        .iter()
        .flat_map(|service| service.condition_keys.iter().copied());
    for (key, kind) in listed.chain(global::KEYS.iter().copied()) {
        match start(key) {
            Some(start) => keys.starts.insert(start.to_ascii_lowercase(), kind),
            None => keys.whole.insert(key.to_ascii_lowercase(), kind),
        };
    }
    keys
});

/// What stands before the part that the user names. The services' pages write that part in several ways:
/// `aws:RequestTag/${TagKey}`, `s3:ExistingObjectTag/<key>`, `ssm:resourceTag/tag-key`, `glacier:ResourceTag/`.
fn start(key: &str) -> Option<&str> {
    if let Some(end) = key.find("${").or_else(|| key.find('<')) {
        return key.get(..end);
    }
    let start = key.strip_suffix("tag-key").unwrap_or(key);
    start.ends_with('/').then_some(start)
}

/// The type of a condition key, in any case; `None` for one that neither a service nor AWS's global list knows.
///
/// Keys of identity providers (`token.actions.githubusercontent.com:sub`) are in no list.
#[must_use]
pub fn condition_key(key: &str) -> Option<KeyType> {
    let key = key.to_ascii_lowercase();
    if let Some(kind) = KEYS.whole.get(&key) {
        return Some(*kind);
    }
    // `aws:resourcetag/a/b` begins with `aws:resourcetag/`; the name itself must not be empty.
    let ends = key.char_indices().filter(|(_, char)| matches!(char, '/' | ':'));
    ends.filter_map(|(end, _)| key.get(..=end))
        .find_map(|start| {
            (start.len() < key.len())
                .then(|| KEYS.starts.get(start))
                .flatten()
        })
        .copied()
}

/// Whether `key`, as a policy writes it, is the `listed` key of the reference, which may end in a name of choice.
#[must_use]
pub fn is_key(listed: &str, key: &str) -> bool {
    match start(listed) {
        Some(start) => {
            key.len() > start.len()
                && key
                    .get(..start.len())
                    .is_some_and(|head| head.eq_ignore_ascii_case(start))
        }
        None => listed.eq_ignore_ascii_case(key),
    }
}
