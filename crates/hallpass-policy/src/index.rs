//! Finding the patterns that can match a text without trying them all.
//!
//! Every pattern begins with literal text: all of it, or what stands before its first wildcard or variable. A table
//! maps the hash of each such head to those who have it. A text can only match heads that are prefixes of it, so one
//! pass over the text and a probe for each head length in use finds every candidate; what matches nothing costs
//! nothing. Colliding hashes only add candidates: whoever asks still compares the pattern itself.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Longer heads are cut: lengths fit a 128-bit mask, and an ARN differs from its neighbours long before.
const HEAD_BYTES_MAX: usize = 127;
const WORD_BYTES: usize = 8;
const WORDS: usize = HEAD_BYTES_MAX / WORD_BYTES + 1;
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const FACTOR: u64 = 0xd6e8_feb8_6659_fd93;

/// How a pattern begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Head<'a> {
    /// The pattern is this text and nothing else.
    Exact(&'a str),
    /// The pattern goes on with a wildcard or a variable.
    Start(&'a str),
}

/// A text that is prepared for looking up when it first is: few statements are tried one by one.
#[derive(Debug, Clone)]
pub(crate) struct Lookup<'a> {
    text: &'a str,
    prepare: fn(&str) -> Probe,
    probe: OnceCell<Probe>,
}

impl<'a> Lookup<'a> {
    /// Looks `text` up byte for byte.
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            prepare: Probe::new,
            probe: OnceCell::new(),
        }
    }

    /// Looks `text` up with ASCII letters in lower case.
    pub(crate) fn folded(text: &'a str) -> Self {
        Self {
            prepare: Probe::folded,
            ..Self::new(text)
        }
    }

    #[inline]
    pub(crate) fn probe(&self) -> &Probe {
        self.probe.get_or_init(|| (self.prepare)(self.text))
    }
}

/// A text prepared for looking up all its prefixes.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    words: [u64; WORDS],
    /// The hash state before each word.
    states: [u64; WORDS],
    /// Of the whole text, which may be longer than what is hashed.
    length: usize,
}

impl Probe {
    /// Reads `text` byte for byte.
    pub(crate) fn new(text: &str) -> Self {
        Self::read(text, |word| word)
    }

    /// Reads `text` with ASCII letters in lower case.
    pub(crate) fn folded(text: &str) -> Self {
        Self::read(text, lower_case)
    }

    #[inline]
    fn read(text: &str, fold: impl Fn(u64) -> u64) -> Self {
        let mut probe = Self {
            words: [0; WORDS],
            states: [SEED; WORDS],
            length: text.len(),
        };
        let mut state = SEED;
        let slots = probe.words.iter_mut().zip(&mut probe.states);
        for ((slot, before), chunk) in slots.zip(text.as_bytes().chunks(WORD_BYTES)) {
            let word = match <[u8; WORD_BYTES]>::try_from(chunk) {
                Ok(bytes) => u64::from_le_bytes(bytes),
                Err(_) => chunk
                    .iter()
                    .rev()
                    .fold(0, |word, byte| (word << 8) | u64::from(*byte)),
            };
            *slot = fold(word);
            *before = state;
            state = mix(state, *slot);
        }
        // The whole text may end between two words.
        if text.len().is_multiple_of(WORD_BYTES)
            && let Some(after) = probe.states.get_mut(text.len() / WORD_BYTES)
        {
            *after = state;
        }
        probe
    }

    /// The hash of the first `length` bytes.
    #[inline]
    fn hash(&self, length: usize) -> u64 {
        let at = length / WORD_BYTES;
        let bits = (length % WORD_BYTES) * 8;
        let tail = match (self.words.get(at), bits) {
            (Some(word), 1..) => word & (u64::MAX >> (64 - bits)),
            _ => 0,
        };
        let state = self.states.get(at).copied().unwrap_or(SEED);
        mix(state ^ FACTOR.wrapping_mul(length as u64 + 1), tail)
    }
}

#[inline]
fn mix(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word) * u128::from(FACTOR);
    let [low, high] = [product as u64, (product >> 64) as u64];
    (low ^ high).wrapping_add(SEED)
}

/// Eight ASCII letters to lower case at once.
#[inline]
fn lower_case(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * EACH;
    let low_bits = word & !HIGH;
    let from_a = low_bits + (0x80 - b'A' as u64) * EACH;
    let past_z = low_bits + (0x7f - b'Z' as u64) * EACH;
    let upper = from_a & !past_z & !word & HIGH;
    word | (upper >> 2)
}

/// The keys are hashes already.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type Buckets = HashMap<u64, (u32, u32), BuildHasherDefault<Hashed>>;

/// Which of many numbered patterns may match a text.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Table {
    exact: Buckets,
    starts: Buckets,
    /// Bit n is set when some head of `starts` has n bytes.
    lengths: u128,
    /// Those that match whatever the text begins with.
    always: Box<[u32]>,
    numbers: Box<[u32]>,
}

impl Table {
    /// A table of heads, each with the number of whoever has it. Heads must be in lower case if the texts will be
    /// folded.
    pub(crate) fn new<'a>(heads: impl IntoIterator<Item = (Head<'a>, u32)>) -> Self {
        let mut always = Vec::new();
        let mut exact: Vec<(u64, u32)> = Vec::new();
        let mut starts: Vec<(u64, u32)> = Vec::new();
        let mut lengths = 0u128;
        for (head, number) in heads {
            match head {
                Head::Start("") => always.push(number),
                Head::Exact(text) if text.len() <= HEAD_BYTES_MAX => {
                    exact.push((Probe::new(text).hash(text.len()), number));
                }
                Head::Exact(text) | Head::Start(text) => {
                    let length = text.len().min(HEAD_BYTES_MAX);
                    lengths |= 1 << length;
                    starts.push((Probe::new(text).hash(length), number));
                }
            }
        }
        let mut numbers = Vec::with_capacity(exact.len() + starts.len());
        let exact = group(exact, &mut numbers);
        let starts = group(starts, &mut numbers);
        Self {
            exact,
            starts,
            lengths,
            always: always.into(),
            numbers: numbers.into(),
        }
    }

    /// Hands every list of numbers whose head the text begins with to `found`, the longest heads first: they say most
    /// exactly what is meant. A number may come more than once.
    #[inline]
    pub(crate) fn candidates<'a>(&'a self, text: &Probe, mut found: impl FnMut(&'a [u32])) {
        let whole = text.length <= HEAD_BYTES_MAX;
        if whole
            && !self.exact.is_empty()
            && let Some(range) = self.exact.get(&text.hash(text.length))
        {
            found(self.range(*range));
        }
        let mut lengths = self.lengths;
        if whole {
            lengths &= u128::MAX >> (HEAD_BYTES_MAX - text.length);
        }
        while lengths != 0 {
            let length = lengths.ilog2() as usize;
            lengths ^= 1 << length;
            if let Some(range) = self.starts.get(&text.hash(length)) {
                found(self.range(*range));
            }
        }
        if !self.always.is_empty() {
            found(&self.always);
        }
    }

    fn range(&self, (from, to): (u32, u32)) -> &[u32] {
        self.numbers.get(from as usize..to as usize).unwrap_or_default()
    }
}

/// Puts numbers of one hash side by side.
fn group(mut pairs: Vec<(u64, u32)>, numbers: &mut Vec<u32>) -> Buckets {
    pairs.sort_unstable();
    pairs.dedup();
    let mut buckets = Buckets::default();
    for same in pairs.chunk_by(|left, right| left.0 == right.0) {
        let from = numbers.len() as u32;
        numbers.extend(same.iter().map(|(_, number)| number));
        if let Some((hash, _)) = same.first() {
            buckets.insert(*hash, (from, numbers.len() as u32));
        }
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(table: &Table, probe: &Probe) -> Vec<u32> {
        let mut numbers = Vec::new();
        table.candidates(probe, |list| numbers.extend_from_slice(list));
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    proptest! {
        #[test]
        fn a_table_finds_exactly_the_heads_that_fit(
            heads in prop::collection::vec((any::<bool>(), "[ab]{0,9}|[ab]{120,140}"), 0..20),
            text in "[ab]{0,18}|[ab]{120,150}",
        ) {
            let table = Table::new(heads.iter().zip(0..).map(|((exact, head), number)| {
                (if *exact { Head::Exact(head) } else { Head::Start(head) }, number)
            }));
            let expected = heads.iter().zip(0..).filter(|((exact, head), _)| {
                let cut = head.get(..HEAD_BYTES_MAX).filter(|_| head.len() > HEAD_BYTES_MAX);
                match cut {
                    // A cut head is only a candidate.
                    Some(start) => text.starts_with(start),
                    None if *exact => *head == text,
                    None => text.starts_with(head.as_str()),
                }
            });
            let expected = expected.map(|(_, number)| number).collect::<Vec<u32>>();
            prop_assert_eq!(found(&table, &Probe::new(&text)), expected);
        }

        #[test]
        fn folding_changes_ascii_capitals_and_nothing_else(text in "\\PC{0,40}") {
            let lower = text.to_ascii_lowercase();
            let table = Table::new([(Head::Exact(&lower), 7)]);
            prop_assert_eq!(found(&table, &Probe::folded(&text)), vec![7]);
            let unfolded = found(&table, &Probe::new(&text));
            prop_assert_eq!(unfolded.is_empty(), lower != text);
        }
    }
}
