//! Instants as people give them.

use crate::error::CliError;
use hallpass_types::UnixSeconds;

/// RFC 3339, a date (its first second, UTC), or how long before `now`: `7d`, `12h`, `30m`.
pub(crate) fn instant(text: &str, now: UnixSeconds, flag: &str) -> Result<UnixSeconds, CliError> {
    let ago = || {
        let unit = text.chars().next_back()?;
        let number = text.strip_suffix(unit)?.parse::<u32>().ok()?;
        let seconds = match unit {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            _ => return None,
        };
        Some(now.plus(-(i64::from(number) * seconds)))
    };
    let date = || {
        let shaped = text.len() == 10;
        shaped
            .then(|| UnixSeconds::from_rfc3339(&format!("{text}T00:00:00Z")).ok())
            .flatten()
    };
    let instant = UnixSeconds::from_rfc3339(text).ok().or_else(date).or_else(ago);
    instant.ok_or_else(|| {
        CliError::failed(format!("{flag} {text}: not a time"))
            .hint("give 2026-01-31T12:00:00Z, 2026-01-31, 7d, 12h or 30m")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_absolute_or_ago() {
        let now = UnixSeconds(1_000_000);
        for (text, seconds) in [
            ("1970-01-02", Some(86_400)),
            ("1970-01-01T00:00:07Z", Some(7)),
            ("1970-01-01T01:00:00+01:00", Some(0)),
            ("1d", Some(1_000_000 - 86_400)),
            ("2h", Some(1_000_000 - 7_200)),
            ("30m", Some(1_000_000 - 1_800)),
            ("", None),
            ("d", None),
            ("-1d", None),
            ("99999999999d", None),
            ("7é", None),
            ("1970-13-01", None),
        ] {
            let read = instant(text, now, "--since").ok();
            assert_eq!(read, seconds.map(UnixSeconds), "{text}");
        }
    }
}
