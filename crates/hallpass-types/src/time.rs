use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::fmt;

/// An instant in whole seconds since 1970-01-01T00:00:00Z.
///
/// AWS's protocols know no finer instants where it matters: signatures, expiries and policy dates are in seconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct UnixSeconds(pub i64);

/// The text is not an instant in the form asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid date and time")]
pub struct TimeError;

impl UnixSeconds {
    /// `YYYY-MM-DDTHH:MM:SSZ`: the form of the metadata service, STS and CloudTrail. Always `Z`, never a fraction
    /// (several SDKs refuse an offset).
    #[must_use]
    pub fn iso8601(self) -> String {
        self.written(|text, at| {
            date(text, at, "-");
            text.push('T');
            clock(text, at, ":");
            text.push('Z');
        })
    }

    /// `YYYYMMDDTHHMMSSZ`: the form of `X-Amz-Date`.
    #[must_use]
    pub fn amz_date(self) -> String {
        self.written(|text, at| {
            date(text, at, "");
            text.push('T');
            clock(text, at, "");
            text.push('Z');
        })
    }

    /// `YYYYMMDD`: the date of a credential scope.
    #[must_use]
    pub fn scope_date(self) -> String {
        self.written(|text, at| date(text, at, ""))
    }

    /// `Tue, 01 Jan 2030 00:00:00 GMT`: the form of HTTP's date headers.
    #[must_use]
    pub fn http_date(self) -> String {
        self.written(|text, at| {
            let day = usize::try_from(at.weekday().to_sunday_zero_offset()).unwrap_or_default();
            let month = usize::try_from(at.month() - 1).unwrap_or_default();
            text.push_str(DAYS.get(day).unwrap_or(&""));
            text.push_str(", ");
            padded(text, at.day().into(), 2);
            text.push(' ');
            text.push_str(MONTHS.get(month).unwrap_or(&""));
            text.push(' ');
            padded(text, at.year(), 4);
            text.push(' ');
            clock(text, at, ":");
            text.push_str(" GMT");
        })
    }

    /// Reads `YYYYMMDDTHHMMSSZ`.
    ///
    /// # Errors
    /// [`TimeError`] for any other text, impossible dates included.
    pub fn from_amz_date(text: &str) -> Result<Self, TimeError> {
        let bytes = text.as_bytes();
        let shaped = bytes.len() == 16
            && bytes.iter().enumerate().all(|(index, byte)| match index {
                8 => *byte == b'T',
                15 => *byte == b'Z',
                _ => byte.is_ascii_digit(),
            });
        if !shaped {
            return Err(TimeError);
        }
        let mut digits = bytes.iter().filter(|byte| byte.is_ascii_digit());
        let mut number = |len: usize| {
            let digits = digits.by_ref().take(len);
            digits.fold(0_i16, |number, digit| number * 10 + i16::from(digit - b'0'))
        };
        let year = number(4);
        // Two digits each.
        let [month, day, hour, minute, second] = std::array::from_fn(|_| number(2) as i8);
        let date = DateTime::new(year, month, day, hour, minute, second, 0).map_err(|_| TimeError)?;
        let zoned = date.to_zoned(TimeZone::UTC).map_err(|_| TimeError)?;
        Ok(Self(zoned.timestamp().as_second()))
    }

    /// Reads an RFC 3339 instant with `Z` or an offset, a fraction allowed and cut off.
    ///
    /// # Errors
    /// [`TimeError`] for any other text.
    pub fn from_rfc3339(text: &str) -> Result<Self, TimeError> {
        text.parse::<Timestamp>()
            .map(|instant| Self(instant.as_second()))
            .map_err(|_| TimeError)
    }

    /// Reads an HTTP date (RFC 9110 §5.6.7; the preferred fixed form, and RFC 2822's numeric zones).
    ///
    /// # Errors
    /// [`TimeError`] for any other text.
    pub fn from_http_date(text: &str) -> Result<Self, TimeError> {
        jiff::fmt::rfc2822::parse(text)
            .map(|zoned| Self(zoned.timestamp().as_second()))
            .map_err(|_| TimeError)
    }

    /// This instant moved by `seconds`; at the ends of the range it stays there.
    #[must_use]
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to this instant; negative when this one is earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Written by hand: there are several in each answer of the metadata service and in each record, and a pattern is
    /// read anew each time.
    fn written(self, write: impl FnOnce(&mut String, DateTime)) -> String {
        let instant = Timestamp::from_second(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut text = String::with_capacity(29);
        write(&mut text, TimeZone::UTC.to_datetime(instant));
        text
    }
}

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

fn date(text: &mut String, at: DateTime, between: &str) {
    padded(text, at.year(), 4);
    text.push_str(between);
    padded(text, at.month().into(), 2);
    text.push_str(between);
    padded(text, at.day().into(), 2);
}

fn clock(text: &mut String, at: DateTime, between: &str) {
    padded(text, at.hour().into(), 2);
    text.push_str(between);
    padded(text, at.minute().into(), 2);
    text.push_str(between);
    padded(text, at.second().into(), 2);
}

/// A number with zeroes in front up to `width` digits; a year before 0 has a hyphen and as many.
fn padded(text: &mut String, number: i16, width: u32) {
    if number < 0 {
        text.push('-');
    }
    let number = number.unsigned_abs();
    for place in (0..width).rev() {
        let digit = number / 10_u16.pow(place) % 10;
        text.push(char::from_digit(digit.into(), 10).unwrap_or('0'));
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso8601())
    }
}

impl fmt::Debug for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnixSeconds({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printed_form_reads_back() {
        let instant = UnixSeconds(1_440_938_160);
        assert_eq!(instant.iso8601(), "2015-08-30T12:36:00Z");
        assert_eq!(instant.amz_date(), "20150830T123600Z");
        assert_eq!(instant.scope_date(), "20150830");
        assert_eq!(instant.http_date(), "Sun, 30 Aug 2015 12:36:00 GMT");
        assert_eq!(UnixSeconds::from_amz_date("20150830T123600Z"), Ok(instant));
        assert_eq!(
            UnixSeconds::from_rfc3339("2015-08-30T14:36:00.25+02:00"),
            Ok(instant)
        );
        assert_eq!(
            UnixSeconds::from_http_date("Sun, 30 Aug 2015 12:36:00 GMT"),
            Ok(instant)
        );
    }

    #[test]
    fn every_instant_is_written_as_its_pattern_has_it() {
        // Some years apart, from the year 0 on.
        let mut second = -62_167_219_200_i64;
        while second < 253_402_207_200 {
            let zoned = Timestamp::from_second(second).unwrap().to_zoned(TimeZone::UTC);
            let instant = UnixSeconds(second);
            for (written, pattern) in [
                (instant.iso8601(), "%Y-%m-%dT%H:%M:%SZ"),
                (instant.amz_date(), "%Y%m%dT%H%M%SZ"),
                (instant.scope_date(), "%Y%m%d"),
                (instant.http_date(), "%a, %d %b %Y %H:%M:%S GMT"),
            ] {
                assert_eq!(written, zoned.strftime(pattern).to_string());
            }
            second += 100_000_007;
        }
        assert_eq!(UnixSeconds(i64::MAX).iso8601(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn impossible_dates_are_refused() {
        for bad in [
            "20150230T000000Z",
            "20150830T250000Z",
            "2015083 T123600Z",
            "20150830T123600",
            "",
        ] {
            assert_eq!(UnixSeconds::from_amz_date(bad), Err(TimeError), "{bad}");
        }
    }
}
