//! Dates: what a record's `timestamp` says, in its own zone and in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// A time as a clock on a wall shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Year.
    pub(crate) year: i64,
    /// Month, from 1.
    pub(crate) month: u8,
    /// Day of the month, from 1.
    pub(crate) day: u8,
    /// Hour.
    pub(crate) hour: u8,
    /// Minute.
    pub(crate) minute: u8,
    /// Second; 60 in a leap second.
    pub(crate) second: u8,
    /// Microsecond.
    pub(crate) microsecond: u32,
    /// Minutes that the clock is ahead of UTC.
    pub(crate) offset: i16,
}

/// Names of months, as RFC 3164 writes them.
pub(crate) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Moment {
    /// Reads `2016-07-13T22:42:07.573103+0000`, also with `Z` and with a colon in the offset.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| -> Option<u32> {
            let digits = text.get(from..to)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let byte = |at: usize| text.as_bytes().get(at).copied();
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if marks.iter().any(|(at, mark)| byte(*at) != Some(*mark)) {
            return None;
        }
        let small = |from, to, least: u8, most: u8| {
            let value = u8::try_from(number(from, to)?).ok()?;
            (least..=most).contains(&value).then_some(value)
        };
        let rest = text.get(19..)?;
        let (fraction, zone) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?),
            None => ("", rest),
        };
        let six: String = fraction.chars().chain("000000".chars()).take(6).collect();
        Some(Self {
            year: number(0, 4)?.into(),
            month: small(5, 7, 1, 12)?,
            day: small(8, 10, 1, 31)?,
            hour: small(11, 13, 0, 23)?,
            minute: small(14, 16, 0, 59)?,
            second: small(17, 19, 0, 60)?,
            microsecond: six.parse().ok()?,
            offset: offset(zone)?,
        })
    }

    /// The present, in UTC.
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
        Self::from_unix(seconds, since.subsec_micros())
    }

    /// The same moment in UTC.
    pub(crate) fn in_utc(&self) -> Self {
        Self::from_unix(self.unix(), self.microsecond)
    }

    /// Seconds since 1970.
    pub(crate) fn unix(&self) -> i64 {
        let day = days(self.year, i64::from(self.month), i64::from(self.day));
        let hours = day * 24 + i64::from(self.hour);
        let minutes = hours * 60 + i64::from(self.minute) - i64::from(self.offset);
        minutes * 60 + i64::from(self.second)
    }

    /// Microseconds since 1970; none before that.
    pub(crate) fn microseconds(&self) -> Option<u64> {
        let seconds = u64::try_from(self.unix()).ok()?;
        Some(seconds * 1_000_000 + u64::from(self.microsecond))
    }

    /// A time in UTC.
    pub(crate) fn from_unix(seconds: i64, microsecond: u32) -> Self {
        let (day, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = date(day);
        let part = |value: i64| u8::try_from(value).unwrap_or_default();
        Self {
            year,
            month,
            day,
            hour: part(rest / 3600),
            minute: part(rest / 60 % 60),
            second: part(rest % 60),
            microsecond,
            offset: 0,
        }
    }
}

fn offset(zone: &str) -> Option<i16> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = match zone.as_bytes().first()? {
        b'+' => (1, zone.get(1..)?),
        b'-' => (-1, zone.get(1..)?),
        _ => return None,
    };
    let digits: String = rest.chars().filter(|c| *c != ':').collect();
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: i16 = digits.parse().ok()?;
    Some(sign * (value / 100 * 60 + value % 100))
}

/// Days since 1970 of a date of the Gregorian calendar. Years are counted from March, so that the
/// leap day is their last one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn date(days: i64) -> (i64, u8, u8) {
    let from_era = days + 719_468;
    let (era, day) = (from_era.div_euclid(146_097), from_era.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let year = year + era * 400 + i64::from(month <= 2);
    (year, u8::try_from(month).unwrap_or(1), u8::try_from(day).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn timestamps_are_read() {
        let check = |text: &str, unix: Option<i64>| {
            assert_eq!(Moment::parse(text).map(|moment| moment.unix()), unix, "{text}");
        };
        check("1970-01-01T00:00:00.000000+0000", Some(0));
        check("2016-07-13T22:42:07.573103+0000", Some(1_468_449_727));
        check("2016-07-14T00:42:07.573103+0200", Some(1_468_449_727));
        check("2016-07-13T22:42:07Z", Some(1_468_449_727));
        check("2000-02-29T12:00:00.5-00:30", Some(951_827_400));
        check("1969-12-31T23:59:59.999999+0000", Some(-1));
        for wrong in ["", "2016-13-13T22:42:07Z", "2016-07-13 22:42:07Z", "2016-07-13T22:42:07"] {
            check(wrong, None);
        }
        check("2016-07-13T22:42:07.5+é00", None);
    }

    #[test]
    fn times_are_read() {
        for (text, want) in [
            ("1970-01-01T00:00:00.000007+0000", Some(7)),
            ("2000-02-29T00:00:01.000000+0000", Some(951_782_401_000_000)),
            ("2016-07-13T22:42:07.573103+0000", Some(1_468_449_727_573_103)),
            ("2100-02-28T23:59:59.000000+0000", Some(4_107_542_399_000_000)),
            ("2016-13-13T22:42:07.573103+0000", None),
            ("yesterday", None),
        ] {
            let microseconds = Moment::parse(text).and_then(|moment| moment.microseconds());
            assert_eq!(microseconds, want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn dates_go_there_and_back(seconds in -10_000_000_000i64..100_000_000_000) {
            let moment = Moment::from_unix(seconds, 0);
            prop_assert_eq!(moment.unix(), seconds);
            prop_assert!((1..=12).contains(&moment.month) && (1..=31).contains(&moment.day));
        }

        #[test]
        fn any_text_is_survived(text in "\\PC{0,40}") {
            let _ = Moment::parse(&text);
        }
    }
}
