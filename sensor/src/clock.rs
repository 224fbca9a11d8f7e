//! Wall-clock time and its texts; UTC throughout.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    /// Year.
    pub(crate) year: i64,
    /// Month, from 1.
    pub(crate) month: u8,
    /// Day, from 1.
    pub(crate) day: u8,
    /// Hour.
    pub(crate) hour: u8,
    /// Minute.
    pub(crate) minute: u8,
    /// Second.
    pub(crate) second: u8,
    /// Microsecond.
    pub(crate) micros: u32,
}

/// Microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

impl Civil {
    /// The present moment.
    pub(crate) fn now() -> Self {
        Self::from_us(now_us())
    }

    /// From microseconds since 1970; the calendar by counting years from March on, so that the
    /// leap day comes last.
    pub(crate) fn from_us(us: u64) -> Self {
        let seconds = us / 1_000_000;
        let of_day = seconds % 86_400;
        let days = i64::try_from(seconds / 86_400).unwrap_or(0) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self {
            year,
            month: month as u8,
            day: (day_of_year - (153 * shifted + 2) / 5 + 1) as u8,
            hour: (of_day / 3600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
            micros: (us % 1_000_000) as u32,
        }
    }

    /// As in EVE records: `2026-11-21T10:33:53.000001+0000`.
    pub(crate) fn eve(&self) -> String {
        let Self { year, month, day, hour, minute, second, micros } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}+0000")
    }

    /// As RFC 3339 has it: `2026-11-21T10:33:53.000001Z`.
    pub(crate) fn rfc3339(&self) -> String {
        let Self { year, month, day, hour, minute, second, micros } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }

    /// As in log files: `2026-11-21 10:33:53`.
    pub(crate) fn log(&self) -> String {
        let Self { year, month, day, hour, minute, second, .. } = self;
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }

    /// As in `stats.log`: `11/21/2026 -- 10:33:53`.
    pub(crate) fn stats(&self) -> String {
        let Self { year, month, day, hour, minute, second, .. } = self;
        format!("{month}/{day}/{year} -- {hour:02}:{minute:02}:{second:02}")
    }

    /// A file name with `%Y %m %d %H %M %S` filled in.
    pub(crate) fn expand(&self, pattern: &str) -> String {
        if !pattern.contains('%') {
            return pattern.to_owned();
        }
        let Self { year, month, day, hour, minute, second, .. } = self;
        let mut name = pattern.replace("%Y", &format!("{year:04}"));
        for (letter, value) in
            [("%m", month), ("%d", day), ("%H", hour), ("%M", minute), ("%S", second)]
        {
            name = name.replace(letter, &format!("{value:02}"));
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_taken_apart() {
        let check = |seconds: u64, text: &str| {
            assert_eq!(Civil::from_us(seconds * 1_000_000 + 7).eve(), text);
        };
        check(0, "1970-01-01T00:00:00.000007+0000");
        check(951_782_400, "2000-02-29T00:00:00.000007+0000");
        check(951_868_799, "2000-02-29T23:59:59.000007+0000");
        check(1_795_257_233, "2026-11-21T10:33:53.000007+0000");
        check(4_107_542_400, "2100-03-01T00:00:00.000007+0000");
        assert_eq!(Civil::from_us(1_795_257_233_000_000).stats(), "11/21/2026 -- 10:33:53");
        assert_eq!(Civil::from_us(1_795_257_233_000_000).log(), "2026-11-21 10:33:53");
        let text = Civil::from_us(1_795_257_233_000_001).rfc3339();
        assert_eq!(text, "2026-11-21T10:33:53.000001Z");
        let name = Civil::from_us(1_795_257_233_000_000).expand("eve-%Y-%m-%d-%H:%M:%S.json");
        assert_eq!(name, "eve-2026-11-21-10:33:53.json");
    }
}
