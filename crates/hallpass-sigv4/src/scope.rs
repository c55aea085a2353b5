use hallpass_types::UnixSeconds;
use std::fmt;

/// The last part of every scope.
pub(crate) const TERMINATOR: &str = "aws4_request";
/// Longer names belong to no region or service; the bound keeps a stranger's text short wherever it is printed.
const NAME_BYTES_MAX: usize = 64;
const DATE_BYTES: usize = 8;

/// What a signature is good for: one day, one region, one service. Prints as `20150830/us-east-1/iam/aws4_request`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// `20150830/us-east-1/iam/aws4_request`: kept whole, since it is hashed and sent more often than taken apart.
    text: String,
    region_bytes: u8,
    service_bytes: u8,
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
        let named = |text: &str| {
            text.len() <= NAME_BYTES_MAX
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        let dated = date.len() == DATE_BYTES && date.bytes().all(|byte| byte.is_ascii_digit());
        if !dated || !named(region) || !named(service) || service.is_empty() {
            return Err(ScopeError);
        }
        let mut text =
            String::with_capacity(DATE_BYTES + region.len() + service.len() + TERMINATOR.len() + 3);
        for (part, end) in [(date, "/"), (region, "/"), (service, "/"), (TERMINATOR, "")] {
            text.push_str(part);
            text.push_str(end);
        }
        Ok(Self {
            text,
            region_bytes: u8::try_from(region.len()).map_err(|_| ScopeError)?,
            service_bytes: u8::try_from(service.len()).map_err(|_| ScopeError)?,
        })
    }

    /// The day, as eight digits.
    #[must_use]
    pub fn date(&self) -> &str {
        self.part(0, DATE_BYTES)
    }

    /// The region, such as `us-east-1`; may be empty.
    #[must_use]
    pub fn region(&self) -> &str {
        self.part(DATE_BYTES + 1, usize::from(self.region_bytes))
    }

    /// The service, such as `s3`.
    #[must_use]
    pub fn service(&self) -> &str {
        let start = DATE_BYTES + 1 + usize::from(self.region_bytes) + 1;
        self.part(start, usize::from(self.service_bytes))
    }

    /// The whole text, as it is signed.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    fn part(&self, start: usize, length: usize) -> &str {
        self.text.get(start..start + length).unwrap_or_default()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
