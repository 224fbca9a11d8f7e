//! Integers in rules: comparisons, units, and numbers in C notation.

use crate::error::{Result, RuleError, refuse};
use crate::rule::Compare;

/// Reads a comparison of an unsigned integer of `bits` bits (8 to 64); `names` stand for values.
///
/// Forms as in Suricata 8: `n`, `=n`, `!n`, `!=n`, `<n`, `<=n`, `>n`, `>=n`, `a-b`, `a<>b`,
/// `!a-b`, `&mask=n`, `&mask!=n`. Comparisons that nothing or everything satisfies are refused.
pub fn compare(text: &str, bits: u8, names: &[(&str, u64)]) -> Result<Compare> {
    let text = text.trim();
    let max = if bits >= 64 { u64::MAX } else { (1 << bits) - 1 };
    let bad = || RuleError::new(format!("'{text}' is not a comparison of a {bits}-bit integer"));
    let number = |text: &str| -> Result<u64> {
        let text = text.trim();
        let named = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        let value = named.map(|(_, value)| *value).or_else(|| with_unit(text));
        value.filter(|value| *value <= max).ok_or_else(bad)
    };
    if let Some(value) = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        return Ok(Compare::Equal(value.1));
    }
    let compare = if let Some(rest) = text.strip_prefix('&') {
        if let Some((mask, value)) = rest.split_once("!=") {
            Compare::NotMask(number(mask)?, number(value)?)
        } else {
            let (mask, value) = rest.split_once('=').ok_or_else(bad)?;
            Compare::Mask(number(mask)?, number(value)?)
        }
    } else if let Some(rest) = text.strip_prefix("<=") {
        Compare::LessEqual(number(rest)?)
    } else if let Some(rest) = text.strip_prefix(">=") {
        Compare::GreaterEqual(number(rest)?)
    } else if let Some(rest) = text.strip_prefix('<') {
        Compare::Less(number(rest)?)
    } else if let Some(rest) = text.strip_prefix('>') {
        Compare::Greater(number(rest)?)
    } else if let Some(rest) = text.strip_prefix("!=") {
        Compare::NotEqual(number(rest)?)
    } else if let Some(rest) = text.strip_prefix('!') {
        match range(rest) {
            Some((low, high)) => Compare::NotRange(number(low)?, number(high)?),
            None => Compare::NotEqual(number(rest)?),
        }
    } else {
        let plain = text.strip_prefix('=').unwrap_or(text);
        match range(plain) {
            Some((low, high)) if names.is_empty() || number(plain).is_err() => {
                Compare::Range(number(low)?, number(high)?)
            }
            _ => Compare::Equal(number(plain)?),
        }
    };
    let possible = match compare {
        Compare::Less(n) | Compare::GreaterEqual(n) => n > 0,
        Compare::Greater(n) | Compare::LessEqual(n) => n < max,
        Compare::Range(a, b) | Compare::NotRange(a, b) => a.checked_add(1).is_some_and(|n| n < b),
        _ => true,
    };
    if possible {
        Ok(compare)
    } else {
        refuse(format!("'{text}' is satisfied by every or by no {bits}-bit integer"))
    }
}

/// Splits `a-b` and `a<>b`.
fn range(text: &str) -> Option<(&str, &str)> {
    text.split_once("<>").or_else(|| text.split_once('-'))
}

/// A decimal or hexadecimal number, with a unit behind it if one likes.
pub fn with_unit(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    if let Some(digits) = digits {
        return hexadecimal(digits);
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    let value: u64 = digits.parse().ok()?;
    let factor = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" => 1,
        "kb" | "kib" => 1 << 10,
        "mb" | "mib" => 1 << 20,
        "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    value.checked_mul(factor)
}

/// A number as C's `strtoul` with base 0 takes it: `0x` hexadecimal, leading 0 octal.
pub fn c_unsigned(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return hexadecimal(digits);
    }
    let octal = text.len() > 1 && text.starts_with('0');
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    u64::from_str_radix(text, if octal { 8 } else { 10 }).ok()
}

/// A signed number in the same notation.
pub fn c_signed(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('-') {
        let value = i64::try_from(c_unsigned(rest)?).ok()?;
        return value.checked_neg();
    }
    i64::try_from(c_unsigned(text.strip_prefix('+').unwrap_or(text))?).ok()
}

/// A decimal number and nothing else.
pub fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    let text = text.trim();
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn hexadecimal(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if plain { u64::from_str_radix(digits, 16).ok() } else { None }
}
