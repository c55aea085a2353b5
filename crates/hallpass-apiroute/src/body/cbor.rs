use crate::value::Value;
use crate::{BODY_DEPTH_MAX, BODY_VALUES_MAX};
use std::collections::BTreeMap;

const REFUSED: &str = "it is not a CBOR document with every name once, within the limits";

/// Reads one CBOR map with text keys. Source: RFC 8949; Smithy RPC v2 CBOR, "Serialization".
pub(super) fn read(body: &[u8]) -> Result<Value, &'static str> {
    let mut reader = Reader {
        rest: body,
        values: 0,
    };
    let value = reader.value(0).ok_or(REFUSED)?;
    match value {
        Value::Map(_) if reader.rest.is_empty() => Ok(value),
        _ => Err("it is not a CBOR map"),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    values: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        self.values += 1;
        if depth > BODY_DEPTH_MAX || self.values > BODY_VALUES_MAX {
            return None;
        }
        let (major, length) = self.head()?;
        Some(match (major, length) {
            (0 | 1, Some(_)) => Value::Other,
            (2, length) => {
                self.string(2, length)?;
                Value::Other
            }
            (3, length) => Value::Text(String::from_utf8(self.string(3, length)?).ok()?),
            (4, length) => {
                let mut items = vec![];
                let mut left = length;
                while self.another(&mut left)? {
                    items.push(self.value(depth + 1)?);
                }
                Value::List(items)
            }
            (5, length) => {
                let mut map = BTreeMap::new();
                let mut left = length;
                while self.another(&mut left)? {
                    let Value::Text(name) = self.value(depth + 1)? else {
                        return None;
                    };
                    if map.insert(name, self.value(depth + 1)?).is_some() {
                        return None;
                    }
                }
                Value::Map(map)
            }
            // A tag: what it stands before is not plain text any more.
            (6, Some(_)) => {
                self.value(depth + 1)?;
                Value::Other
            }
            (7, Some(20)) => Value::Flag(false),
            (7, Some(21)) => Value::Flag(true),
            (7, Some(_)) => Value::Other,
            _ => return None,
        })
    }

    /// Major type and argument; `None` as the argument of an indefinite length.
    fn head(&mut self) -> Option<(u8, Option<u64>)> {
        let first = self.take(1)?.first().copied()?;
        let (major, info) = (first >> 5, first & 0x1f);
        let argument = match info {
            0..=23 => Some(u64::from(info)),
            24..=27 => {
                let bytes = self.take(1 << (info - 24))?;
                Some(bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
            }
            31 if (2..=5).contains(&major) => None,
            _ => return None,
        };
        // A float's or a simple value's bits are not a constant like `true`.
        let is_long = major == 7 && info >= 24;
        Some((major, if is_long { Some(u64::MAX) } else { argument }))
    }

    /// Whether a list or a map goes on; of one without length, the break ends it.
    fn another(&mut self, left: &mut Option<u64>) -> Option<bool> {
        match left {
            Some(0) => Some(false),
            Some(count) => {
                *count -= 1;
                Some(true)
            }
            None if self.rest.first()? == &0xff => {
                self.take(1)?;
                Some(false)
            }
            None => Some(true),
        }
    }

    fn string(&mut self, major: u8, length: Option<u64>) -> Option<Vec<u8>> {
        let Some(length) = length else {
            let mut whole = vec![];
            while self.another(&mut None)? {
                let (piece, length) = self.head()?;
                self.values += 1;
                if piece != major || self.values > BODY_VALUES_MAX {
                    return None;
                }
                whole.extend_from_slice(self.take(usize::try_from(length?).ok()?)?);
            }
            return Some(whole);
        };
        Some(self.take(usize::try_from(length).ok()?)?.to_vec())
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }
}
