use crate::AccountId;
use std::fmt;
use std::str::FromStr;

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Characters after the four-letter prefix of a key id we make.
const BODY_LENGTH: usize = 16;

/// Whether an access key is long-lived or belongs to a session; told by the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccessKeyKind {
    /// `AKIA…`: a user's long-term key.
    LongTerm,
    /// `ASIA…`: a session's key, useless without its session token.
    Session,
}

/// An access key id: `AKIA…` or `ASIA…`, twenty characters when made by us.
///
/// The account is encoded in the id exactly as AWS encodes it (forty bits, shifted by seven, in the base-32 body),
/// so `GetAccessKeyInfo` needs no look-up and offline decoders made for AWS's ids read ours.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessKeyId(String);

/// The text cannot be an access key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an access key id is 16 to 128 letters and digits")]
pub struct AccessKeyIdError;

impl AccessKeyId {
    /// Makes a key id for `account` from ten random bytes.
    #[must_use]
    pub fn encode(kind: AccessKeyKind, account: AccountId, random: [u8; 10]) -> Self {
        let mut body = random;
        // Bits 7..47 of the first six bytes carry the account; bit 47 is set, as on every current AWS key.
        let head = (1u64 << 47) | (account.number() << 7) | u64::from(random[5] & 0x7f);
        for (index, byte) in body.iter_mut().take(6).enumerate() {
            *byte = u8::try_from((head >> (40 - 8 * index)) & 0xff).unwrap_or_default();
        }
        let prefix = match kind {
            AccessKeyKind::LongTerm => "AKIA",
            AccessKeyKind::Session => "ASIA",
        };
        let bits = body
            .iter()
            .fold(0u128, |sum, byte| (sum << 8) | u128::from(*byte));
        let letters = (0..BODY_LENGTH)
            .map(|index| {
                let five_bits = usize::try_from((bits >> (75 - 5 * index)) & 31).unwrap_or_default();
                char::from(*BASE32.get(five_bits).unwrap_or(&b'A'))
            })
            .collect::<String>();
        Self(format!("{prefix}{letters}"))
    }

    /// The account the id belongs to, when it is of the current encoded form.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        let body = self.0.get(4..)?;
        if body.len() != BODY_LENGTH {
            return None;
        }
        let mut bits = 0u128;
        for letter in body.bytes() {
            let value = BASE32.iter().position(|candidate| *candidate == letter)?;
            bits = (bits << 5) | u128::try_from(value).ok()?;
        }
        let head = u64::try_from(bits >> 32).ok()?;
        AccountId::from_number((head >> 7) & 0xff_ffff_ffff).ok()
    }

    /// Long-term or session, by prefix; `None` for ids that follow neither form.
    #[must_use]
    pub fn kind(&self) -> Option<AccessKeyKind> {
        match self.0.get(..4)? {
            "AKIA" => Some(AccessKeyKind::LongTerm),
            "ASIA" => Some(AccessKeyKind::Session),
            _ => None,
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccessKeyId {
    type Err = AccessKeyIdError;
    fn from_str(text: &str) -> Result<Self, AccessKeyIdError> {
        // Length and alphabet as in AWS's model (`accessKeyIdType`: 16 to 128, word characters).
        let fits = (16..=128).contains(&text.len());
        if fits
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(AccessKeyIdError)
        }
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessKeyId({})", self.0)
    }
}

impl serde::Serialize for AccessKeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for AccessKeyId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_survives_the_encoding_at_both_ends_of_its_range() {
        for number in [0, 1, 123_456_789_012, 999_999_999_999] {
            let account = AccountId::from_number(number).unwrap();
            for random in [[0u8; 10], [0xff; 10], *b"0123456789"] {
                let id = AccessKeyId::encode(AccessKeyKind::Session, account, random);
                assert_eq!(id.as_str().len(), 20);
                assert_eq!(id.account(), Some(account), "{id}");
                assert_eq!(id.kind(), Some(AccessKeyKind::Session));
                assert_eq!(id.as_str().parse(), Ok(id.clone()));
            }
        }
    }

    #[test]
    fn an_id_made_by_aws_names_its_account() {
        // The worked example published with the decoding (Tal Be'ery, "A short note on AWS KEY ID").
        let id: AccessKeyId = "ASIAQNZGKIQY56JQ7WML".parse().unwrap();
        assert_eq!(id.account().unwrap().as_str(), "029608264753");
    }

    #[test]
    fn foreign_texts_are_refused_or_have_no_account() {
        for bad in ["", "AKIA", "AKIA/../../etc/passw", "ÄKIAIOSFODNN7EXAMPLE"] {
            assert_eq!(bad.parse::<AccessKeyId>(), Err(AccessKeyIdError), "{bad}");
        }
        assert_eq!("0123456789abcdef".parse::<AccessKeyId>().unwrap().account(), None);
    }
}
