//! Secrets that redact themselves in every printed form, wipe themselves on drop and compare in constant time.
//!
//! A [`Secret`] has no `Display`; its `Debug` says only that it is one. The bytes are reached by
//! [`Secret::expose`], a name one can search for in review.

use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret text: an AWS secret access key, a bearer token, an enrolment secret.
///
/// `Debug` prints `Secret(redacted)`. Equality is constant time for equal lengths (lengths are not secret).
/// Serialising one writes the text itself: only sealed or 0600 places may be given a serialised secret.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes the text over; the caller's copy is the caller's to wipe.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Never pass it to a log, an error or a process title.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}
impl Eq for Secret {}

impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// Compares two byte strings in time that depends on their lengths only.
#[must_use]
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    // Eight bytes at a time: a byte at a time costs as much as hashing a digest's worth of text.
    let (words, rest) = left.as_chunks::<8>();
    let (other_words, other_rest) = right.as_chunks::<8>();
    let pairs = words.iter().zip(other_words);
    let same = pairs.fold(rest.ct_eq(other_rest), |same, (word, other)| {
        same & u64::from_ne_bytes(*word).ct_eq(&u64::from_ne_bytes(*other))
    });
    same.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_text() {
        let shown = format!("{:?}", Secret::new("wJalrXUtnFEMI"));
        assert_eq!(shown, "Secret(redacted)");
    }

    #[test]
    fn equality_looks_at_the_whole_text() {
        assert_eq!(Secret::new("abc"), Secret::new("abc"));
        assert_ne!(Secret::new("abc"), Secret::new("abd"));
        assert_ne!(Secret::new("abc"), Secret::new("abcd"));
    }

    #[test]
    fn every_byte_of_a_long_text_is_compared() {
        let text = [7u8; 37];
        assert!(constant_time_eq(&text, &text));
        for place in 0..text.len() {
            let mut other = text;
            other[place] ^= 1;
            assert!(!constant_time_eq(&text, &other), "{place}");
        }
        assert!(!constant_time_eq(&text, &text[..36]));
    }
}
