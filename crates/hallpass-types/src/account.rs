use std::fmt;
use std::str::FromStr;

/// An AWS account id: exactly twelve decimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId([u8; 12]);

/// The text is not twelve decimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an account id is twelve decimal digits")]
pub struct AccountIdError;

impl AccountId {
    /// The account whose number is `number`, zero-padded.
    ///
    /// # Errors
    /// [`AccountIdError`] when the number needs more than twelve digits.
    pub fn from_number(number: u64) -> Result<Self, AccountIdError> {
        format!("{number:012}").parse()
    }

    /// The id as a number, as it is encoded in access key ids.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
    }

    /// The twelve digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII digits are ever stored, so the fallback cannot be reached.
        std::str::from_utf8(&self.0).unwrap_or("000000000000")
    }
}

impl FromStr for AccountId {
    type Err = AccountIdError;
    fn from_str(text: &str) -> Result<Self, AccountIdError> {
        let digits: [u8; 12] = text.as_bytes().try_into().map_err(|_| AccountIdError)?;
        if digits.iter().all(u8::is_ascii_digit) {
            Ok(Self(digits))
        } else {
            Err(AccountIdError)
        }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountId({})", self.as_str())
    }
}

impl serde::Serialize for AccountId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for AccountId {
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
    fn twelve_digits_and_nothing_else() {
        assert_eq!("000000000042".parse::<AccountId>().map(|id| id.number()), Ok(42));
        for bad in ["", "42", "0000000000420", "00000000004a", "٠٠٠٠٠٠"] {
            assert_eq!(bad.parse::<AccountId>(), Err(AccountIdError), "{bad}");
        }
        assert_eq!(AccountId::from_number(1_000_000_000_000), Err(AccountIdError));
    }
}
