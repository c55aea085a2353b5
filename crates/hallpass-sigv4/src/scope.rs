use hallpass_types::UnixSeconds;
use std::fmt;

/// The last part of every scope.
pub(crate) const TERMINATOR: &str = "aws4_request";
/// Longer names belong to no region or service; the bound keeps a stranger's text short wherever it is printed.
const NAME_BYTES_MAX: usize = 64;

/// What a signature is good for: one day, one region, one service. Prints as `20150830/us-east-1/iam/aws4_request`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    date: [u8; 8],
    region: String,
    service: String,
}

/// Region or service is not a name: up to 64 letters, digits, `-` and `_`; the service not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scope holds eight digits of date, a region and a service")]
pub struct ScopeError;

impl Scope {
    /// The scope of the day of `date`. The region may be empty, as some S3-compatible stores have none.
    ///
    /// # Errors
    /// [`ScopeError`] when region or service is not a name, or the year has not four digits.
    pub fn new(date: UnixSeconds, region: &str, service: &str) -> Result<Self, ScopeError> {
        Self::from_parts(&date.scope_date(), region, service)
    }

    /// A scope from its texts; `date` is eight digits.
    pub(crate) fn from_parts(date: &str, region: &str, service: &str) -> Result<Self, ScopeError> {
        let date: [u8; 8] = date.as_bytes().try_into().map_err(|_| ScopeError)?;
        let named = |text: &str| {
            text.len() <= NAME_BYTES_MAX
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if !date.iter().all(u8::is_ascii_digit) || !named(region) || !named(service) || service.is_empty() {
            return Err(ScopeError);
        }
        Ok(Self {
            date,
            region: region.to_owned(),
            service: service.to_owned(),
        })
    }

    /// The day, as eight digits.
    #[must_use]
    pub fn date(&self) -> &str {
        // Only ASCII digits are ever stored, so the fallback cannot be reached.
        std::str::from_utf8(&self.date).unwrap_or("00000000")
    }

    /// The region, such as `us-east-1`; may be empty.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The service, such as `s3`.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The parts in order, to be hashed without building the text.
    pub(crate) fn parts(&self) -> [&[u8]; 7] {
        [
            &self.date,
            b"/",
            self.region.as_bytes(),
            b"/",
            self.service.as_bytes(),
            b"/",
            TERMINATOR.as_bytes(),
        ]
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{TERMINATOR}", self.date(), self.region, self.service)
    }
}
