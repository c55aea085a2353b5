use serde::Deserialize;

/// What becomes of the audit log's records.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// What happens to requests that cannot be recorded.
    pub when_full: WhenFull,
    /// The bucket that records and their digests are delivered to, in CloudTrail's layout. Absent: they stay here.
    pub bucket: Option<String>,
    /// What the delivered objects' keys begin with.
    pub prefix: String,
    /// The trail's name, in its ARN and in the names of digests.
    pub trail: String,
    /// Records are delivered once the oldest has waited this long; 5 when absent, as CloudTrail's, 1 at least.
    pub deliver_minutes: u32,
    /// Or once this many wait; 10,000 when absent.
    pub deliver_records: u64,
    /// How often there is a digest; 60 when absent, as CloudTrail's.
    pub digest_minutes: u32,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            when_full: WhenFull::Refuse,
            bucket: None,
            prefix: String::new(),
            trail: "hallpass".to_owned(),
            deliver_minutes: 5,
            deliver_records: 10_000,
            digest_minutes: 60,
        }
    }
}

/// What happens to requests that cannot be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenFull {
    /// They are refused.
    #[default]
    Refuse,
    /// They go on; what was lost is counted and told.
    Count,
}

impl AuditConfig {
    /// The first mistake. A trail's name is 3 to 128 letters, digits, `.`, `_` and `-` (CloudTrail API reference,
    /// `CreateTrail`), here without `_`, which parts the names of digests.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let is_name = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        };
        if !(3..=128).contains(&self.trail.len()) || !is_name(&self.trail) {
            return Err("trail is 3 to 128 letters, digits, dots and hyphens");
        }
        if let Some(bucket) = &self.bucket
            && (!(3..=63).contains(&bucket.len()) || !is_name(bucket))
        {
            return Err("bucket is a bucket's name");
        }
        if self.prefix.len() > 200 || self.prefix.starts_with('/') {
            return Err("prefix has 200 bytes at most and does not begin with a slash");
        }
        if self.deliver_minutes == 0 || self.deliver_records == 0 || self.digest_minutes == 0 {
            return Err("deliver_minutes, deliver_records and digest_minutes are 1 at least");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::GatewayConfig;

    #[test]
    fn mistakes_are_refused() {
        let parse = |text: &str| GatewayConfig::parse(&format!("[audit]\n{text}\n"));
        let config = parse("when_full = \"count\"\nbucket = \"logs\"").unwrap();
        assert_eq!(config.audit.deliver_minutes, 5);
        for (text, word) in [
            ("trail = \"a_b\"", "trail"),
            ("trail = \"ab\"", "trail"),
            ("bucket = \"a/b\"", "bucket"),
            ("prefix = \"/p\"", "prefix"),
            ("deliver_minutes = 0", "at least"),
            ("when_full = \"ignore\"", "when_full"),
            ("buckets = \"x\"", "buckets"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
