//! Times of records: `2016-07-13T22:42:07.573103+0000` to microseconds since 1970.

/// Microseconds since 1970 of a record's time, which is in UTC; none when it is none.
pub(crate) fn microseconds(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| -> Option<u64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year < 1970 {
        return None;
    }
    // Years begin in March, so that the leap day is their last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let seconds = (days.checked_sub(719_468)? * 24 + hour) * 3600 + minute * 60 + second;
    Some(seconds * 1_000_000 + number(20, 26)?)
}

#[cfg(test)]
mod tests {
    use super::microseconds;

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
            assert_eq!(microseconds(text), want, "{text}");
        }
    }
}
