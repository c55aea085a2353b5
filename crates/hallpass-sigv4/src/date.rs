use hallpass_types::UnixSeconds;

/// The text of a signature's date, `YYYYMMDDTHHMMSSZ`, kept as bytes because it is hashed more often than read.
pub(crate) type DateText = [u8; 16];

const SECONDS_PER_DAY: i64 = 86_400;
const DAYS_IN_400_YEARS: i64 = 146_097;

/// Reads `YYYYMMDDTHHMMSSZ`; impossible dates are refused.
///
/// Every request is dated twice, so this takes a tenth of the general parser's time; a test holds the two together.
pub(crate) fn read(text: &str) -> Option<(UnixSeconds, DateText)> {
    let bytes: DateText = text.as_bytes().try_into().ok()?;
    let number = |from: usize, to: usize| -> Option<i64> {
        bytes.get(from..to)?.iter().try_fold(0i64, |sum, byte| {
            byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0'))
        })
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    let fits = bytes[8] == b'T' && bytes[15] == b'Z' && hour < 24 && minute < 60 && second < 60;
    if !fits || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let seconds = days_before(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    Some((UnixSeconds(seconds), bytes))
}

/// A date's text. It is ASCII, so the fallback cannot be reached.
pub(crate) fn as_str(text: &DateText) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

/// The text of `date`. A year outside four digits has no such text; it becomes the epoch, whose signature nobody
/// accepts.
pub(crate) fn text(date: UnixSeconds) -> DateText {
    let Some((year, month, day)) = civil(date.0.div_euclid(SECONDS_PER_DAY)) else {
        return *b"19700101T000000Z";
    };
    let second = date.0.rem_euclid(SECONDS_PER_DAY);
    let digit = |number: i64| u8::try_from(number.rem_euclid(10)).map_or(b'0', |digit| b'0' + digit);
    let two = |number: i64| [digit(number / 10), digit(number)];
    let (century, years) = (two(year / 100), two(year % 100));
    let (month, day) = (two(month), two(day));
    let (hour, minute, second) = (two(second / 3600), two(second / 60 % 60), two(second % 60));
    [
        century[0], century[1], years[0], years[1], month[0], month[1], day[0], day[1], b'T', hour[0],
        hour[1], minute[0], minute[1], second[0], second[1], b'Z',
    ]
}

/// Year, month and day of the day `days` after 1970-01-01, in the years 0 to 9999; the inverse of [`days_before`].
fn civil(days: i64) -> Option<(i64, i64, i64)> {
    if !(days_before(0, 1, 1)..=days_before(9999, 12, 31)).contains(&days) {
        return None;
    }
    // The mean year is never more than a year off; the loops then take one step or none, twelve at most.
    let mut year = 1970 + days * 400 / DAYS_IN_400_YEARS;
    while days < days_before(year, 1, 1) {
        year -= 1;
    }
    while days >= days_before(year + 1, 1, 1) {
        year += 1;
    }
    let mut left = days - days_before(year, 1, 1);
    let mut month = 1;
    while left >= days_in(year, month) {
        left -= days_in(year, month);
        month += 1;
    }
    Some((year, month, left + 1))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the given day of the proleptic Gregorian calendar.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    const DAYS_TO_1970: i64 = 719_162;
    let past = year - 1;
    let years = past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400);
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    years + months + (day - 1) - DAYS_TO_1970
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ends_of_every_year_are_printed_as_the_general_printer_prints_them() {
        for year in 1..=9999 {
            let first = days_before(year, 1, 1) * SECONDS_PER_DAY;
            for date in [UnixSeconds(first - 1), UnixSeconds(first)] {
                assert_eq!(as_str(&text(date)), date.amz_date());
            }
        }
        let beyond = days_before(9999, 12, 31) * SECONDS_PER_DAY + SECONDS_PER_DAY;
        assert_eq!(&text(UnixSeconds(beyond)), b"19700101T000000Z");
        assert_eq!(&text(UnixSeconds(i64::MIN)), b"19700101T000000Z");
        assert_eq!(&text(UnixSeconds(i64::MAX)), b"19700101T000000Z");
    }

    proptest! {
        #[test]
        fn dates_are_read_as_the_general_parser_reads_them(
            text in "[0-9]{4}[01][0-9][0-3][0-9]T[0-2][0-9][0-6][0-9][0-5][0-9]Z", spoilt in "[0-9TZ+ ]{14,17}",
        ) {
            for text in [text, spoilt] {
                // A leap second is the one difference: the general parser may round it, no signer ever sends one.
                if text.get(13..15) != Some("60") {
                    prop_assert_eq!(read(&text).map(|(date, _)| date), UnixSeconds::from_amz_date(&text).ok());
                }
            }
        }

        #[test]
        fn what_is_printed_reads_back(seconds in -60_000_000_000i64..250_000_000_000) {
            let date = UnixSeconds(seconds);
            let text = text(date);
            prop_assert_eq!(date.amz_date(), as_str(&text));
            let read = read(std::str::from_utf8(&text).unwrap());
            prop_assert_eq!(read, Some((date, text)));
        }
    }
}
