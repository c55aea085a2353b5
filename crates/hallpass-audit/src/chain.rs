//! The hash chain: each line says its number and the SHA-256 of the line before.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What stands between a record and its place in the chain. No text inside a record can look like it: quotes in JSON
/// strings are escaped, and of several the last counts, which is ours.
const MARK: &str = ",\"hallpassChain\":";

/// The hash that a log's very first record names.
pub(crate) const NOTHING: Hash = Hash([0; 32]);

/// A SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// From 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A line's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Its number; the first record of a log has 1.
    pub n: u64,
    /// SHA-256 of the line before, in hexadecimal digits, without its line feed.
    pub previous: String,
    /// Bytes since the line before that are no record: half a line, written when the power went. Absent when none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub debris: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Link {
    /// The place that a line says it has. `None`: it says none, or is no whole line.
    #[must_use]
    pub fn of(line: &[u8]) -> Option<Self> {
        let at = rfind(line, MARK.as_bytes())?;
        let link = line.get(at + MARK.len()..)?.strip_suffix(b"}")?;
        serde_json::from_slice(link).ok()
    }
}

/// Where `needle` begins for the last time in the last [`TAIL_BYTES`] of `line`; a place is shorter.
fn rfind(line: &[u8], needle: &[u8]) -> Option<usize> {
    const TAIL_BYTES: usize = 256;
    let from = line.len().saturating_sub(TAIL_BYTES);
    let tail = line.get(from..)?;
    let mut windows = tail.windows(needle.len()).enumerate().rev();
    windows
        .find(|(_, window)| *window == needle)
        .map(|(at, _)| from + at)
}

/// How far a chain has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of its last line; 0 when there is none.
    pub n: u64,
    /// The hash of its last line.
    pub hash: Hash,
}

impl Head {
    /// Of a chain that has not begun.
    pub const EMPTY: Self = Self { n: 0, hash: NOTHING };
}

/// A rendered record whose place is still open: nearly all of its hash is known already, so that little is left to do
/// under a lock.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    line: Vec<u8>,
    hashed: Sha256,
}

impl Open {
    /// Of a record's JSON object.
    pub(crate) fn new(record: String) -> Self {
        let mut line = record.into_bytes();
        line.pop();
        line.extend_from_slice(MARK.as_bytes());
        let hashed = Sha256::new_with_prefix(&line);
        // Room for the place and the line feed.
        line.reserve(160);
        Self { line, hashed }
    }

    /// The line with its line feed, behind `head`, and the new head.
    pub(crate) fn close(mut self, head: Head, debris: u64) -> (Vec<u8>, Head) {
        use std::io::Write as _;
        let from = self.line.len();
        let n = head.n + 1;
        // Writing to a vector cannot fail.
        let _ = match debris {
            0 => write!(self.line, r#"{{"n":{n},"previous":"{}"}}}}"#, head.hash),
            _ => write!(
                self.line,
                r#"{{"n":{n},"previous":"{}","debris":{debris}}}}}"#,
                head.hash
            ),
        };
        self.hashed.update(self.line.get(from..).unwrap_or_default());
        let hash = Hash(self.hashed.finalize().into());
        self.line.push(b'\n');
        (self.line, Head { n, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_its_place_and_hashes_to_what_the_next_one_names() {
        let (first, head) = Open::new(r#"{"a":1}"#.to_owned()).close(Head::EMPTY, 0);
        let line = first.strip_suffix(b"\n").unwrap();
        assert!(serde_json::from_slice::<serde_json::Value>(line).is_ok());
        assert_eq!(
            head,
            Head {
                n: 1,
                hash: Hash::of(line)
            }
        );
        let (second, _) = Open::new(r#"{"a":2}"#.to_owned()).close(head, 7);
        let link = Link::of(second.trim_ascii_end()).unwrap();
        assert_eq!((link.n, link.debris), (2, 7));
        assert_eq!(link.previous, head.hash.to_string());
    }

    #[test]
    fn what_a_client_sends_is_never_taken_for_a_place() {
        for line in [
            r#"{"userAgent":",\"hallpassChain\":{\"n\":1,\"previous\":\"00\"}}"}"#,
            r#"{"a":1}"#,
            r#"{"a":1,"hallpassChain":{"n":1,"previous":"00"}"#,
            r#"{"a":1,"hallpassChain":{"n":-1,"previous":"00"}}"#,
            "",
        ] {
            assert_eq!(Link::of(line.as_bytes()), None, "{line}");
        }
    }
}
