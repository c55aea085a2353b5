//! `Date*`: instants as W3C/ISO 8601 dates of any precision, or as seconds since 1970.

use super::{Compare, Truth};

const SECONDS_PER_DAY: i64 = 86_400;
/// AWS stores no finer fractions than nanoseconds.
const FRACTION_DIGITS_MAX: usize = 9;
/// AWS takes years from -292275054 on; nine digits hold them and keep the arithmetic within 64 bits.
const YEAR_DIGITS_MAX: usize = 9;

/// Seconds since 1970-01-01T00:00:00Z and nanoseconds into the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Instant {
    seconds: i64,
    nanoseconds: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Values {
    compare: Compare,
    instants: Vec<Instant>,
}

impl Values {
    /// `None` when a value is not a date.
    pub(super) fn parse(compare: Compare, texts: &[Box<str>]) -> Option<Self> {
        let instants = texts.iter().map(|text| instant(text)).collect::<Option<_>>()?;
        Some(Self { compare, instants })
    }

    pub(super) fn match_any(&self, value: &str) -> Truth {
        match instant(value) {
            Some(actual) => self
                .instants
                .iter()
                .any(|wanted| self.compare.holds(actual.cmp(wanted)))
                .into(),
            None => Truth::Unknown,
        }
    }

    /// Seconds and nanoseconds of each value.
    pub(super) fn instants(&self) -> Vec<(i64, u32)> {
        let parts = |instant: &Instant| (instant.seconds, instant.nanoseconds);
        self.instants.iter().map(parts).collect()
    }
}

/// Reads an instant. Plain digits are seconds since 1970; the rest is `year[-month[-day]][T[time][offset]]`, where a
/// missing part is its first value and a missing offset is UTC. A lower-case `t` and a one-digit hour are taken, as
/// AWS takes them; ordinal and week dates are not.
fn instant(text: &str) -> Option<Instant> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Instant {
            seconds: text.parse().ok()?,
            nanoseconds: 0,
        });
    }
    let (date, time) = match text.split_once(['T', 't']) {
        Some((date, time)) => (date, time),
        None => (text, ""),
    };
    let (time, offset) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => (time.get(..at)?, time.get(at..)?),
        None => (time, ""),
    };
    let (seconds, nanoseconds) = time_of_day(time)?;
    Some(Instant {
        seconds: days(date)? * SECONDS_PER_DAY + seconds - offset_seconds(offset)?,
        nanoseconds,
    })
}

/// One or two digits no greater than `max`.
fn small(text: &str, max: i64) -> Option<i64> {
    let fits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|value| fits && *value <= max)
}

/// Days from 1970-01-01 to the date.
fn days(date: &str) -> Option<i64> {
    let (sign, unsigned) = match date.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, date),
    };
    let mut parts = unsigned.split('-');
    let year = parts.next().filter(|year| {
        (1..=YEAR_DIGITS_MAX).contains(&year.len()) && year.bytes().all(|byte| byte.is_ascii_digit())
    })?;
    let year = sign * year.parse::<i64>().ok()?;
    let month = parts.next().map_or(Some(1), |month| small(month, 12))?;
    let leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    let day = parts
        .next()
        .map_or(Some(1), |day| small(day, length))
        .filter(|day| *day >= 1)?;
    if parts.next().is_some() {
        return None;
    }
    // Years counted from March, so that the leap day is the last of its year; 719468 days lie before 1970.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(year * 365 + leap_days + day_of_year - 719_468)
}

/// Seconds and nanoseconds since midnight; empty text is midnight.
fn time_of_day(time: &str) -> Option<(i64, u32)> {
    if time.is_empty() {
        return Some((0, 0));
    }
    let (clock, fraction) = match time.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (time, None),
    };
    let mut parts = clock.split(':');
    let hour = small(parts.next()?, 23)?;
    let minute = parts.next().map_or(Some(0), |minute| small(minute, 59))?;
    let second = parts.next();
    if parts.next().is_some() || (fraction.is_some() && second.is_none()) {
        return None;
    }
    let second = second.map_or(Some(0), |second| small(second, 59))?;
    let nanoseconds = match fraction {
        None => 0,
        Some(digits) => {
            let fits = (1..=FRACTION_DIGITS_MAX).contains(&digits.len());
            if !fits || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let missing = FRACTION_DIGITS_MAX.saturating_sub(digits.len());
            let scale = 10u32.checked_pow(u32::try_from(missing).ok()?)?;
            digits.parse::<u32>().ok()?.checked_mul(scale)?
        }
    };
    Some((hour * 3600 + minute * 60 + second, nanoseconds))
}

/// `Z`, `±hh`, `±hhmm` or `±hh:mm`; empty text is UTC.
fn offset_seconds(offset: &str) -> Option<i64> {
    let (sign, digits) = match (offset.get(..1), offset.get(1..)) {
        (None, _) => return Some(0),
        (Some("Z" | "z"), Some("")) => return Some(0),
        (Some("+"), Some(digits)) => (1, digits),
        (Some("-"), Some(digits)) => (-1, digits),
        _ => return None,
    };
    let hours = small(digits.get(..2)?, 23)?;
    let rest = digits.get(2..)?;
    let minutes = match rest.strip_prefix(':').unwrap_or(rest) {
        "" if rest.is_empty() => 0,
        minutes if minutes.len() == 2 => small(minutes, 59)?,
        _ => return None,
    };
    Some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hallpass_types::UnixSeconds;

    #[test]
    fn the_calendar_agrees_with_the_one_of_the_rest_of_the_system() {
        let mut seconds = -60_000_000_000i64;
        while seconds < 60_000_000_000 {
            let printed = UnixSeconds(seconds).iso8601();
            assert_eq!(
                instant(&printed).map(|instant| instant.seconds),
                Some(seconds),
                "{printed}"
            );
            seconds += 86_400 * 13 + 7_919;
        }
    }

    #[test]
    fn impossible_dates_are_refused() {
        for bad in [
            "",
            "-",
            "T",
            "2030-13",
            "2030-02-30",
            "2030-00-01",
            "2030-01-00",
            "2030-01-01T24:00:00Z",
            "2030-01-01T00:60Z",
            "2030-01-01T00:00:00.Z",
            "2030-01-01T00:00:00+1",
            "2030-01-01-01",
            "20300101T000000Z0",
            "9223372036854775808",
            "1e9",
            "2030-01-01T00:00:00Zx",
            "٢٠٣٠",
        ] {
            assert_eq!(instant(bad), None, "{bad}");
        }
    }
}
