//! Numbers in `suricata.yaml`.

/// With the base found out as in C: `0x` hexadecimal, a leading `0` octal.
pub(crate) fn any_base(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let starts_with_digit = digits.bytes().next().is_some_and(|b| b.is_ascii_digit());
    if !starts_with_digit {
        return None;
    }
    let lower = digits.to_ascii_lowercase();
    let value = if let Some(hex) = lower.strip_prefix("0x") {
        unsigned(hex, 16)?
    } else if lower.len() > 1 && lower.starts_with('0') {
        unsigned(&lower, 8)?
    } else {
        unsigned(&lower, 10)?
    };
    if negative { value.checked_neg() } else { Some(value) }
}

/// Decimal without sign.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn unsigned(digits: &str, radix: u32) -> Option<i64> {
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_are_found_out() {
        let check =
            |text: &str, expected: Option<i64>| assert_eq!(any_base(text), expected, "{text}");
        check("10", Some(10));
        check("010", Some(8));
        check("0x10", Some(16));
        check("0XfF", Some(255));
        check("-3", Some(-3));
        check("0", Some(0));
        for bad in ["", "x", "08", "0x", "1 ", "1k", "--1", "0x-1", "99999999999999999999"] {
            check(bad, None);
        }
    }

    #[test]
    fn decimals_are_plain() {
        assert_eq!(decimal("0010"), Some(10));
        for bad in ["", "-1", "+1", "0x1", "1.5"] {
            assert_eq!(decimal(bad), None, "{bad}");
        }
    }
}
