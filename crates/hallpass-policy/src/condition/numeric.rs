//! `Numeric*`: whole and decimal numbers, compared exactly.

use super::{Compare, Truth};
use std::cmp::Ordering;

/// A decimal number as written, without the zeros that carry no value. Floating point would call
/// 9007199254740993 and 9007199254740992 equal.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Decimal<T> {
    negative: bool,
    whole: T,
    fraction: T,
}

impl<'a> Decimal<&'a str> {
    /// Reads an optional sign, digits, and optionally a point with digits. Exponents are refused.
    fn parse(text: &'a str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (digits, ""),
        };
        let numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !numeric(whole) || !numeric(fraction) {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let zero = whole.is_empty() && fraction.is_empty();
        Some(Self {
            negative: negative && !zero,
            whole,
            fraction,
        })
    }

    fn compare(&self, other: &Decimal<Box<str>>) -> Ordering {
        let magnitude = || {
            let whole = self
                .whole
                .len()
                .cmp(&other.whole.len())
                .then_with(|| self.whole.cmp(&*other.whole));
            whole.then_with(|| self.fraction.cmp(&*other.fraction))
        };
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => magnitude(),
            (true, true) => magnitude().reverse(),
        }
    }
}

impl From<Decimal<&str>> for Decimal<Box<str>> {
    fn from(borrowed: Decimal<&str>) -> Self {
        Self {
            negative: borrowed.negative,
            whole: borrowed.whole.into(),
            fraction: borrowed.fraction.into(),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Values {
    compare: Compare,
    numbers: Vec<Decimal<Box<str>>>,
}

impl Values {
    /// `None` when a value is not a number.
    pub(super) fn parse(compare: Compare, texts: &[Box<str>]) -> Option<Self> {
        let numbers = texts
            .iter()
            .map(|text| Decimal::parse(text).map(Into::into))
            .collect::<Option<_>>()?;
        Some(Self { compare, numbers })
    }

    pub(super) fn match_any(&self, value: &str) -> Truth {
        match Decimal::parse(value) {
            Some(actual) => self
                .numbers
                .iter()
                .any(|number| self.compare.holds(actual.compare(number)))
                .into(),
            None => Truth::Unknown,
        }
    }
}
