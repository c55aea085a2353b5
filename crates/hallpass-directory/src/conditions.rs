use crate::meta::ObjectMeta;
use crate::respond::no_such_key;
use hallpass_types::UnixSeconds;
use hallpass_upstream::UpstreamError;

/// The conditions of a request, read from its headers (for a copy's source, from those with their prefix).
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    if_match: Option<String>,
    if_none_match: Option<String>,
    modified_since: Option<UnixSeconds>,
    unmodified_since: Option<UnixSeconds>,
}

/// How a conditional read goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Proceed,
    NotModified,
    Failed,
}

impl Conditions {
    pub(crate) fn read(prefix: &str, header: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| header(&format!("{prefix}{name}"));
        // A date that is none is no condition. Source: RFC 9110 §13.1.3.
        let date = |name: &str| get(name).and_then(|text| UnixSeconds::from_http_date(&text).ok());
        Self {
            if_match: get("if-match"),
            if_none_match: get("if-none-match"),
            modified_since: date("if-modified-since"),
            unmodified_since: date("if-unmodified-since"),
        }
    }

    /// Source: RFC 9110 §13.2.2: an ETag condition silences the date condition of its kind.
    pub(crate) fn on_read(&self, meta: &ObjectMeta) -> Verdict {
        match (&self.if_match, self.unmodified_since) {
            (Some(tags), _) if !matches(tags, &meta.etag) => return Verdict::Failed,
            (None, Some(date)) if meta.last_modified > date => return Verdict::Failed,
            _ => {}
        }
        match (&self.if_none_match, self.modified_since) {
            (Some(tags), _) if matches(tags, &meta.etag) => Verdict::NotModified,
            (None, Some(date)) if meta.last_modified <= date => Verdict::NotModified,
            _ => Verdict::Proceed,
        }
    }

    /// Whether a write may replace what is there.
    pub(crate) fn on_write(&self, key: &str, current: Option<&ObjectMeta>) -> Result<(), UpstreamError> {
        match (&self.if_match, current) {
            (None, _) => {}
            (Some(_), None) => return Err(no_such_key(key)),
            (Some(tags), Some(meta)) if !matches(tags, &meta.etag) => return Err(failed("If-Match")),
            (Some(_), Some(_)) => {}
        }
        match (self.if_none_match.as_deref().map(str::trim), current) {
            (None, _) | (Some("*"), None) => Ok(()),
            (Some("*"), Some(_)) => Err(failed("If-None-Match")),
            (Some(_), _) => Err(UpstreamError::not_implemented(
                "If-None-Match with an ETag on a write",
            )),
        }
    }
}

pub(crate) fn failed(condition: &str) -> UpstreamError {
    UpstreamError::new(
        "PreconditionFailed",
        412,
        "At least one of the pre-conditions you specified did not hold",
    )
    .with("Condition", condition)
}

pub(crate) fn same_etag(given: &str, etag: &str) -> bool {
    let given = given.trim();
    given.strip_prefix("W/").unwrap_or(given).trim_matches('"') == etag
}

fn matches(tags: &str, etag: &str) -> bool {
    tags.trim() == "*" || tags.split(',').any(|tag| same_etag(tag, etag))
}

/// The bytes of an object to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) length: u64,
}

/// The one range a `Range` header asks for: `Ok(None)` when it is to be ignored (malformed, another unit, several
/// ranges: S3 answers with the whole object), `Err` when no byte of it exists.
pub(crate) fn parse_range(header: &str, size: u64) -> Result<Option<Span>, ()> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // A number beyond 64 bits is beyond any object.
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let Some(range) = header.trim().strip_prefix("bytes=") else {
        return Ok(None);
    };
    let Some((first, last)) = range.trim().split_once('-') else {
        return Ok(None);
    };
    let (start, end) = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => (first, last.min(size.saturating_sub(1))),
        (Some(first), None) if last.is_empty() => (first, size.saturating_sub(1)),
        (None, Some(0)) if first.is_empty() => return Err(()),
        (None, Some(count)) if first.is_empty() => (size.saturating_sub(count), size.saturating_sub(1)),
        _ => return Ok(None),
    };
    if start >= size {
        return Err(());
    }
    Ok(Some(Span {
        start,
        length: end - start + 1,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_s3_reads_them() {
        let span = |start, length| Ok(Some(Span { start, length }));
        for (header, expected) in [
            ("bytes=0-0", span(0, 1)),
            ("bytes=5-", span(5, 5)),
            ("bytes=-3", span(7, 3)),
            ("bytes=-30", span(0, 10)),
            ("bytes=8-99", span(8, 2)),
            ("bytes=10-", Err(())),
            ("bytes=-0", Err(())),
            ("bytes=99999999999999999999-", Err(())),
            ("bytes=5-2", Ok(None)),
            ("bytes=0-1,3-4", Ok(None)),
            ("items=0-1", Ok(None)),
            ("bytes=-", Ok(None)),
        ] {
            assert_eq!(parse_range(header, 10), expected, "{header}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Err(()));
        assert_eq!(parse_range("bytes=-1", 0), Err(()));
    }
}
