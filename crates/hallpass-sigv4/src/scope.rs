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
    /// `None` when the text has no place for a region (version 4a).
    region_bytes: Option<u8>,
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
            region_bytes: Some(u8::try_from(region.len()).map_err(|_| ScopeError)?),
            service_bytes: u8::try_from(service.len()).map_err(|_| ScopeError)?,
        })
    }

    /// The scope of a version 4a signature, `20150830/iam/aws4_request`: good in every region of its set.
    ///
    /// # Errors
    /// [`ScopeError`] as [`new`](Self::new).
    pub fn without_region(date: UnixSeconds, service: &str) -> Result<Self, ScopeError> {
        Self::regionless(&date.scope_date(), service)
    }

    /// [`without_region`](Self::without_region) from its texts.
    pub(crate) fn regionless(date: &str, service: &str) -> Result<Self, ScopeError> {
        let mut scope = Self::from_parts(date, "", service)?;
        scope.text = format!("{date}/{service}/{TERMINATOR}");
        scope.region_bytes = None;
        Ok(scope)
    }

    /// The day, as eight digits.
    #[must_use]
    pub fn date(&self) -> &str {
        self.part(0, DATE_BYTES)
    }

    /// The region, such as `us-east-1`; may be empty, and always is for version 4a, whose regions stand in a
    /// [`RegionSet`](crate::RegionSet).
    #[must_use]
    pub fn region(&self) -> &str {
        self.part(DATE_BYTES + 1, usize::from(self.region_bytes.unwrap_or(0)))
    }

    /// The service, such as `s3`.
    #[must_use]
    pub fn service(&self) -> &str {
        let region = self.region_bytes.map_or(0, |bytes| usize::from(bytes) + 1);
        let start = DATE_BYTES + 1 + region;
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
