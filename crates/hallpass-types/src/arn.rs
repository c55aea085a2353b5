use std::fmt;
use std::str::FromStr;

/// An Amazon Resource Name, split at its first five colons: `arn:partition:service:region:account:resource`.
///
/// Region and account may be empty (S3, IAM); the resource part may itself hold colons and slashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arn {
    /// `aws`, `aws-cn`, …
    pub partition: String,
    /// `iam`, `s3`, …
    pub service: String,
    /// Empty for global services.
    pub region: String,
    /// Empty for S3 buckets and objects.
    pub account: String,
    /// Everything after the fifth colon.
    pub resource: String,
}

/// The text is not an ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an ARN has six parts separated by colons, the first of them `arn`")]
pub struct ArnError;

impl Arn {
    /// An ARN in the `aws` partition.
    #[must_use]
    pub fn aws(service: &str, region: &str, account: &str, resource: &str) -> Self {
        Self {
            partition: "aws".to_owned(),
            service: service.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            resource: resource.to_owned(),
        }
    }
}

impl FromStr for Arn {
    type Err = ArnError;
    fn from_str(text: &str) -> Result<Self, ArnError> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().map(str::to_owned).ok_or(ArnError);
        if next()? != "arn" {
            return Err(ArnError);
        }
        let arn = Self {
            partition: next()?,
            service: next()?,
            region: next()?,
            account: next()?,
            resource: next()?,
        };
        if arn.partition.is_empty() || arn.service.is_empty() || arn.resource.is_empty() {
            return Err(ArnError);
        }
        Ok(arn)
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            service,
            region,
            account,
            resource,
        } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_parsed_is_printed() {
        for text in [
            "arn:aws:s3:::bucket/a:b/c",
            "arn:aws:iam::123456789012:role/path/name",
            "arn:aws:sts::123456789012:assumed-role/r/s",
        ] {
            assert_eq!(text.parse::<Arn>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "arn",
            "arn:aws:s3:::",
            "arn:aws:s3::bucket",
            "urn:aws:s3:::b",
            "arn::s3:::b",
        ] {
            assert_eq!(bad.parse::<Arn>(), Err(ArnError), "{bad}");
        }
    }
}
