//! Dates of certificates: UTCTime and GeneralizedTime to seconds since 1970, and back to text.

use std::fmt::Write as _;

use super::der::tag;

/// Seconds since 1970-01-01T00:00:00Z of a date with this tag; none when it isn't one.
pub(super) fn parse(kind: u32, text: &[u8]) -> Option<i64> {
    let (year, rest) = match kind {
        tag::UTC_TIME => {
            let (year, rest) = two_digits(text)?;
            // RFC 5280, 4.1.2.5.1: 50 to 99 are of the 20th century.
            (if year >= 50 { 1900 + year } else { 2000 + year }, rest)
        }
        tag::GENERALIZED_TIME => {
            let (high, rest) = two_digits(text)?;
            let (low, rest) = two_digits(rest)?;
            (high * 100 + low, rest)
        }
        _ => return None,
    };
    let (month, rest) = two_digits(rest)?;
    let (day, rest) = two_digits(rest)?;
    let (hour, rest) = two_digits(rest)?;
    let (minute, rest) = two_digits(rest)?;
    let (second, rest) = match rest {
        [_, _, ..] => two_digits(rest)?,
        [_] => (0, rest),
        [] => return None,
    };
    let valid = (1..=12).contains(&month)
        && (1..=days_of_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !valid {
        return None;
    }
    let offset = zone(rest, kind == tag::GENERALIZED_TIME)?;
    Some(days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

/// Writes seconds since 1970 as `YYYY-MM-DDTHH:MM:SS`.
pub(super) fn write(seconds: i64, out: &mut String) {
    let days = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400);
    let (year, month, day) = date_of(days);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    // Writing to a string can't fail.
    let _ = write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
}

fn two_digits(text: &[u8]) -> Option<(i64, &[u8])> {
    match text {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] => {
            Some((i64::from(tens - b'0') * 10 + i64::from(ones - b'0'), rest))
        }
        _ => None,
    }
}

/// Seconds that the zone at the end of a date is ahead of UTC.
fn zone(text: &[u8], generalized: bool) -> Option<i64> {
    let text = match text {
        // A fraction of a second counts for nothing here.
        [b'.' | b',', rest @ ..] if generalized => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            rest.get(digits..)?
        }
        _ => text,
    };
    match text {
        [b'Z'] => Some(0),
        [] if generalized => Some(0),
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let (hours, rest) = two_digits(rest)?;
            let (minutes, rest) = two_digits(rest)?;
            let ahead = hours * 3600 + minutes * 60;
            let valid = rest.is_empty() && hours < 24 && minutes < 60;
            valid.then_some(if *sign == b'+' { ahead } else { -ahead })
        }
        _ => None,
    }
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, counted in years that begin in March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{parse, tag, write};

    #[test]
    fn dates_become_seconds() {
        for (kind, text, want) in [
            (tag::UTC_TIME, "700101000000Z", Some(0)),
            (tag::UTC_TIME, "691231000000Z", Some(-86_400)),
            (tag::UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (tag::UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (tag::UTC_TIME, "1502121807Z", Some(1_423_764_420)),
            (tag::UTC_TIME, "150212180727+0130", Some(1_423_764_447 - 5400)),
            (tag::UTC_TIME, "150212180727-0130", Some(1_423_764_447 + 5400)),
            (tag::GENERALIZED_TIME, "20150212180727Z", Some(1_423_764_447)),
            (tag::GENERALIZED_TIME, "20150212180727.123Z", Some(1_423_764_447)),
            (tag::GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (tag::UTC_TIME, "000229000000Z", Some(951_782_400)),
            (tag::UTC_TIME, "010229000000Z", None),
            (tag::UTC_TIME, "150012180727Z", None),
            (tag::UTC_TIME, "151312180727Z", None),
            (tag::UTC_TIME, "150212240000Z", None),
            (tag::UTC_TIME, "150212180727", None),
            (tag::UTC_TIME, "1502", None),
            (tag::UTC_TIME, "", None),
            (12, "150212180727Z", None),
        ] {
            assert_eq!(parse(kind, text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn seconds_become_text() {
        for (seconds, want) in [
            (0, "1970-01-01T00:00:00"),
            (-86_400, "1969-12-31T00:00:00"),
            (1_423_764_447, "2015-02-12T18:07:27"),
            (951_782_400, "2000-02-29T00:00:00"),
            (253_402_300_799, "9999-12-31T23:59:59"),
        ] {
            let mut text = String::new();
            write(seconds, &mut text);
            assert_eq!(text, want);
        }
    }

    proptest::proptest! {
        #[test]
        fn there_and_back(seconds in -62_135_596_800i64..253_402_300_799) {
            let mut text = String::new();
            write(seconds, &mut text);
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            let back = parse(tag::GENERALIZED_TIME, format!("{digits}Z").as_bytes());
            proptest::prop_assert_eq!(back, Some(seconds));
        }
    }
}
