//! Passwords: kept as salted hashes, held against the account's policy.

mod given;

pub(crate) use given::{GivenPasswords, NONE_GIVEN};

use crate::ApiError;
use crate::entity::PasswordPolicy;
use aws_lc_rs::pbkdf2;
use hallpass_types::Entropy;
use std::num::NonZeroU32;

const ITERATIONS: NonZeroU32 = NonZeroU32::new(100_000).unwrap();
const SALT_HEX_DIGITS: usize = 32;
const HASH_BYTES: usize = 32;
/// Without a policy of its own an account demands this ("Setting an account password policy").
const DEFAULT_LENGTH: usize = 8;
const DEFAULT_KINDS: usize = 3;
const SYMBOLS: &str = "!@#$%^&*()_+-=[]{}|'";

/// A fresh salt, in hexadecimal. All passwords of one user share theirs, so that one derivation is enough to see
/// whether any of them was used before.
pub(crate) fn salt(entropy: &dyn Entropy) -> String {
    hallpass_session::random_hex(entropy, SALT_HEX_DIGITS)
}

/// `salt$hash`: PBKDF2 with HMAC-SHA-512.
pub(crate) fn hash(salt: &str, password: &str) -> String {
    let mut derived = [0u8; HASH_BYTES];
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA512;
    pbkdf2::derive(
        algorithm,
        ITERATIONS,
        salt.as_bytes(),
        password.as_bytes(),
        &mut derived,
    );
    format!("{salt}${}", hex(&derived))
}

/// The salt of a hash.
pub(crate) fn salt_of(hash: &str) -> &str {
    hash.split('$').next().unwrap_or_default()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether `password` is one that the account allows.
///
/// # Errors
/// `PasswordPolicyViolation`.
pub(crate) fn check(policy: Option<&PasswordPolicy>, password: &str) -> Result<(), ApiError> {
    let refuse = |what: String| Err(ApiError::new("PasswordPolicyViolation", 400, what));
    let has = |kind: fn(char) -> bool| password.chars().any(kind);
    let upper = has(|letter| letter.is_ascii_uppercase());
    let lower = has(|letter| letter.is_ascii_lowercase());
    let digit = has(|letter| letter.is_ascii_digit());
    let symbol = has(|letter| SYMBOLS.contains(letter));
    let minimum = policy.map_or(DEFAULT_LENGTH, |policy| policy.minimum_length);
    if password.chars().count() < minimum {
        return refuse(format!("Password should have a minimum length of {minimum}"));
    }
    let Some(policy) = policy else {
        let kinds = [upper, lower, digit, symbol];
        if kinds.into_iter().filter(|kind| *kind).count() < DEFAULT_KINDS {
            return refuse(
                "Password does not conform to the account password policy: three of uppercase letters, lowercase \
                 letters, numbers and symbols are required."
                    .to_owned(),
            );
        }
        return Ok(());
    };
    let demands = [
        (policy.uppercase && !upper, "uppercase letter"),
        (policy.lowercase && !lower, "lowercase letter"),
        (policy.numbers && !digit, "number"),
        (policy.symbols && !symbol, "symbol"),
    ];
    match demands.into_iter().find(|(missing, _)| *missing) {
        Some((_, what)) => refuse(format!("Password should have at least one {what}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_pbkdf2_as_others_compute_it() {
        // Python: hashlib.pbkdf2_hmac("sha512", b"correct horse", b"00ff", 100_000, 32).hex()
        let expected = "00ff$29e450cacd085802c25984c672e4efb42300a36684c82184112800950a0d048c";
        assert_eq!(hash("00ff", "correct horse"), expected);
        assert_ne!(hash("00ff", "correct horsf"), expected);
        assert_eq!(salt_of(expected), "00ff");
    }

    #[test]
    fn a_password_is_held_against_the_policy_or_the_default() {
        let refused = |policy, password| check(policy, password).err().map(|error| error.message);
        assert_eq!(refused(None, "Abcdefg1"), None);
        assert!(refused(None, "Abcdefg").is_some() && refused(None, "abcdefg1").is_some());
        let policy = PasswordPolicy {
            minimum_length: 6,
            symbols: true,
            numbers: false,
            uppercase: false,
            lowercase: true,
            users_may_change: false,
            max_age_days: None,
            reuse_prevention: None,
            hard_expiry: false,
        };
        assert_eq!(refused(Some(&policy), "abcde!"), None);
        assert_eq!(
            refused(Some(&policy), "abcdef").as_deref(),
            Some("Password should have at least one symbol")
        );
        assert_eq!(
            refused(Some(&policy), "abc!").as_deref(),
            Some("Password should have a minimum length of 6")
        );
    }
}
