//! One-time codes of virtual MFA devices: RFC 6238 with SHA-1, six digits, thirty seconds a step.

use aws_lc_rs::hmac;
use hallpass_types::UnixSeconds;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Letters of a seed: 320 bits, as AWS's.
pub(crate) const SEED_LETTERS: usize = 64;
const STEP_SECONDS: i64 = 30;
const CODES: u32 = 1_000_000;
/// A code of the step before or after is taken too, for clocks and typing.
const WINDOW_STEPS: i64 = 1;
/// Wrong codes in one step after which none is taken for the rest of it. Three of a million codes are right at a time,
/// so that guessing takes weeks.
const GUESSES_MAX: u32 = 5;
/// Devices whose wrong codes are remembered; when there are more, all are forgotten.
const GUESSED_MAX: usize = 10_000;

/// The step that an instant is in.
pub(crate) fn step(now: UnixSeconds) -> i64 {
    now.0.div_euclid(STEP_SECONDS)
}

/// The code of one step; `None` when the seed is not base 32.
pub(crate) fn code(seed: &str, step: i64) -> Option<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &base32(seed)?);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    // Dynamic truncation (RFC 4226 §5.3).
    let offset = usize::from(bytes.last()? & 15);
    let four: [u8; 4] = bytes.get(offset..offset + 4)?.try_into().ok()?;
    Some(format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % CODES))
}

/// The step whose code `given` is, within the window around now as the device counts, and later than the last one used.
pub(crate) fn find(seed: &str, given: &str, now: UnixSeconds, drift: i64, last: i64) -> Option<i64> {
    let middle = step(now).saturating_add(drift);
    (middle - WINDOW_STEPS..=middle + WINDOW_STEPS)
        .filter(|step| *step > last)
        .find(|step| is_code(seed, *step, given))
}

/// The step of the second of two consecutive codes, at most `window` steps from now.
pub(crate) fn find_pair(seed: &str, codes: [&str; 2], now: UnixSeconds, window: i64) -> Option<i64> {
    let middle = step(now);
    (middle - window..=middle + window)
        .find(|step| is_code(seed, step - 1, codes[0]) && is_code(seed, *step, codes[1]))
}

fn is_code(seed: &str, step: i64, given: &str) -> bool {
    code(seed, step).is_some_and(|code| hallpass_secret::constant_time_eq(code.as_bytes(), given.as_bytes()))
}

fn base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut held, mut bits) = (0u32, 0u32);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => return None,
        };
        held = (held << 5) | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).ok()?);
            held &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

/// Wrong codes of late, by device.
#[derive(Debug, Default)]
pub(crate) struct Guesses(Mutex<HashMap<String, (i64, u32)>>);

impl Guesses {
    /// Whether a code for `device` is looked at now.
    pub(crate) fn may_try(&self, device: &str, now: UnixSeconds) -> bool {
        let guesses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        guesses
            .get(device)
            .is_none_or(|(at, count)| *at != step(now) || *count < GUESSES_MAX)
    }

    pub(crate) fn note_wrong(&self, device: &str, now: UnixSeconds) {
        let mut guesses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if guesses.len() >= GUESSED_MAX {
            guesses.clear();
        }
        let entry = guesses.entry(device.to_owned()).or_insert((step(now), 0));
        if entry.0 != step(now) {
            *entry = (step(now), 0);
        }
        entry.1 = entry.1.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "12345678901234567890", the seed of RFC 6238's appendix B, in base 32.
    const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn the_vectors_of_rfc_6238() {
        // The appendix gives eight digits; six are the last six.
        let vectors = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ];
        for (seconds, expected) in vectors {
            assert_eq!(
                code(SEED, step(UnixSeconds(seconds))).unwrap(),
                expected,
                "{seconds}"
            );
        }
        assert_eq!(code("not base 32!", 1), None);
    }

    #[test]
    fn a_code_is_good_one_step_either_way_and_never_twice() {
        let now = UnixSeconds(1_111_111_111);
        let given = |offset: i64| code(SEED, step(now) + offset).unwrap();
        for offset in [-1, 0, 1] {
            assert_eq!(find(SEED, &given(offset), now, 0, 0), Some(step(now) + offset));
        }
        assert_eq!(find(SEED, &given(2), now, 0, 0), None);
        assert_eq!(find(SEED, &given(-2), now, 0, 0), None);
        assert_eq!(
            find(SEED, &given(2), now, 2, 0),
            Some(step(now) + 2),
            "a clock that is ahead"
        );
        assert_eq!(find(SEED, &given(0), now, 0, step(now)), None, "used");
        assert_eq!(
            find(SEED, &given(-1), now, 0, step(now)),
            None,
            "older than the last used"
        );
    }

    #[test]
    fn two_codes_must_follow_one_another() {
        let now = UnixSeconds(1_111_111_111);
        let given = |offset: i64| code(SEED, step(now) + offset).unwrap();
        let found = |first, second| find_pair(SEED, [&given(first), &given(second)], now, 20);
        assert_eq!(found(-1, 0), Some(step(now)));
        assert_eq!(found(9, 10), Some(step(now) + 10));
        assert_eq!(found(0, 2), None);
        assert_eq!(found(0, 0), None);
        assert_eq!(found(30, 31), None);
    }

    #[test]
    fn guessing_is_stopped_for_the_rest_of_the_step() {
        let (guesses, now) = (Guesses::default(), UnixSeconds(1_111_111_110));
        for _ in 0..GUESSES_MAX {
            assert!(guesses.may_try("d", now));
            guesses.note_wrong("d", now);
        }
        assert!(!guesses.may_try("d", now) && guesses.may_try("e", now));
        assert!(guesses.may_try("d", now.plus(30)));
    }
}
