//! Spans of time in `suricata.yaml`.

/// Seconds of a text such as `1h30m` or `2d`; a number without unit is seconds.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Some(seconds) = super::integer::decimal(text) {
        return Some(seconds);
    }
    let mut total = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.bytes().position(|b| !b.is_ascii_digit())?;
        let (number, unit_on) = rest.split_at_checked(end)?;
        let mut chars = unit_on.chars();
        let factor = match chars.next()? {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            'y' => 365 * 86_400,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = chars.as_str().trim_start();
    }
    (total > 0).then_some(total)
}

/// How often a file is begun anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// So many seconds after it was opened.
    Every(u64),
    /// When the clock passes a whole multiple of so many seconds.
    Aligned(u64),
}

impl Rotation {
    /// `rotate-interval`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "minute" => Some(Self::Aligned(60)),
            "hour" => Some(Self::Aligned(3600)),
            "day" => Some(Self::Aligned(86_400)),
            _ => seconds(text).filter(|seconds| *seconds > 0).map(Self::Every),
        }
    }

    /// When a file opened at `now` (seconds since 1970) ends.
    pub(crate) const fn next(self, now: u64) -> u64 {
        match self {
            Self::Every(seconds) => now.saturating_add(seconds),
            Self::Aligned(seconds) => (now / seconds + 1).saturating_mul(seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        let check =
            |text: &str, expected: Option<u64>| assert_eq!(seconds(text), expected, "{text}");
        check("30", Some(30));
        check("30s", Some(30));
        check("10m", Some(600));
        check("1h30m", Some(5400));
        check("1w", Some(604_800));
        check("2d 1h", Some(176_400));
        for bad in ["", "h", "1x", "1h3", "-1", "99999999999999999w"] {
            check(bad, None);
        }
    }

    #[test]
    fn rotation_follows_the_clock_or_the_file() {
        assert_eq!(Rotation::parse("hour").map(|r| r.next(3601)), Some(7200));
        assert_eq!(Rotation::parse("1h").map(|r| r.next(3601)), Some(7201));
        assert_eq!(Rotation::parse("minute").map(|r| r.next(60)), Some(120));
        assert_eq!(Rotation::parse("0"), None);
    }
}
