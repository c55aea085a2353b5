use std::collections::BTreeMap;

/// A document of any protocol, as far as it matters here: numbers, bytes and null are just [`Value::Other`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Other,
    Flag(bool),
    Text(String),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
}

impl Value {
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(name),
            _ => None,
        }
    }

    /// A text that is not empty.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// A boolean; forms and XML write it as text.
    pub(crate) fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            Self::Text(text) => text.to_ascii_lowercase().parse().ok(),
            _ => None,
        }
    }

    /// The members of a list, in its form in any protocol: JSON's, `member.1` or `1` of a form, an XML wrapper.
    pub(crate) fn items(&self) -> Vec<&Self> {
        match self {
            Self::List(items) => items.iter().collect(),
            Self::Map(map) => match map.iter().next() {
                Some((name, inner)) if map.len() == 1 && name.parse::<u32>().is_err() => match inner {
                    Self::List(_) => inner.items(),
                    Self::Map(members) if members.keys().all(|key| key.parse::<u32>().is_ok()) => {
                        inner.items()
                    }
                    _ => vec![inner],
                },
                _ => {
                    let numbered = map
                        .iter()
                        .filter_map(|(name, item)| Some((name.parse::<u32>().ok()?, item)));
                    let sorted: BTreeMap<u32, &Self> = numbered.collect();
                    sorted.into_values().collect()
                }
            },
            _ => vec![],
        }
    }

    /// Name and value of every entry of a map.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &Self)> {
        let map = match self {
            Self::Map(map) => Some(map),
            _ => None,
        };
        map.into_iter()
            .flatten()
            .map(|(name, value)| (name.as_str(), value))
    }
}
