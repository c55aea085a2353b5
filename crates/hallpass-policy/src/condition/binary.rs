//! `BinaryEquals`: bytes, compared after both sides are decoded from base64.

use super::Truth;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Values(Vec<Vec<u8>>);

impl Values {
    /// `None` when a value is not base64.
    pub(super) fn parse(texts: &[Box<str>]) -> Option<Self> {
        let bytes = texts.iter().map(|text| STANDARD.decode(text.as_bytes()).ok());
        bytes.collect::<Option<_>>().map(Self)
    }

    pub(super) fn match_any(&self, value: &str) -> Truth {
        match STANDARD.decode(value) {
            Ok(bytes) => self.0.contains(&bytes).into(),
            Err(_) => Truth::Unknown,
        }
    }
}
