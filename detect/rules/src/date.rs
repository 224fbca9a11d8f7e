//! Dates in rules: a year, as much more as one likes.

/// `YYYY[-MM[-DD[ HH[:MM[:SS]]]]]` (a `T` may stand for the blank) to seconds since the epoch,
/// UTC.
pub(crate) fn parse_date(text: &str) -> Option<u64> {
    let (date, clock) = match text.split_once(['T', ' ']) {
        Some((date, clock)) => (date, clock),
        None => (text, ""),
    };
    let mut parts = date.split('-').map(str::parse::<u64>);
    let year = parts.next()?.ok()?;
    let month = parts.next().transpose().ok()?.unwrap_or(1);
    let day = parts.next().transpose().ok()?.unwrap_or(1);
    if parts.next().is_some()
        || !(1970..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
    {
        return None;
    }
    let mut seconds = days_since_epoch(year, month, day)? * 86_400;
    if !clock.is_empty() {
        let mut parts = clock.split(':').map(str::parse::<u64>);
        for (unit, limit) in [(3600, 24), (60, 60), (1, 61)] {
            let Some(value) = parts.next().transpose().ok()? else { break };
            if value >= limit {
                return None;
            }
            seconds += value * unit;
        }
        if parts.next().is_some() {
            return None;
        }
    }
    Some(seconds)
}

/// Days of the proleptic Gregorian calendar; years are counted from March so that the leap day
/// is the last.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    days.checked_sub(719_468)
}
