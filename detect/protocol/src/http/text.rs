//! Bytes of HTTP text: classes, trimming, comparison, numbers.

/// White space as Suricata 8 sees it in lines: SP HT CR LF VT FF.
pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c)
}

/// Bytes of a token (RFC 9110, 5.6.2, without the separators of RFC 2616).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e)
        && !matches!(
            byte,
            b'(' | b')'
                | b'<'
                | b'>'
                | b'@'
                | b','
                | b';'
                | b':'
                | b'\\'
                | b'"'
                | b'/'
                | b'['
                | b']'
                | b'?'
                | b'='
                | b'{'
                | b'}'
        )
}

/// True for one or more token bytes.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&b| is_token_byte(b))
}

/// Without white space at both ends.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().take_while(|&&b| is_space(b)).count();
    trim_end(text.get(start..).unwrap_or(&[]))
}

/// Without white space at the end.
pub(crate) fn trim_end(text: &[u8]) -> &[u8] {
    let drop = text.iter().rev().take_while(|&&b| is_space(b)).count();
    text.get(..text.len() - drop).unwrap_or(&[])
}

/// How many line ends the bytes begin with.
pub(crate) fn line_ends(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count()
}

/// Without CR and LF at the end.
pub(crate) fn chomp(line: &[u8]) -> &[u8] {
    let drop = line.iter().rev().take_while(|&&b| matches!(b, b'\r' | b'\n')).count();
    line.get(..line.len() - drop).unwrap_or(&[])
}

/// Equal without regard to case and to NUL bytes in `text`; `lower` is lower case.
pub(crate) fn equals_without_nul(text: &[u8], lower: &[u8]) -> bool {
    if text.len() == lower.len() && text.eq_ignore_ascii_case(lower) {
        return true;
    }
    let mut bytes = text.iter().filter(|&&b| b != 0);
    lower.iter().all(|want| bytes.next().is_some_and(|b| b.to_ascii_lowercase() == *want))
        && bytes.next().is_none()
}

/// Contains `lower` without regard to case and to NUL bytes in `text`.
pub(crate) fn contains_without_nul(text: &[u8], lower: &[u8]) -> bool {
    let contains =
        |bytes: &[u8]| bytes.windows(lower.len()).any(|window| window.eq_ignore_ascii_case(lower));
    if !text.contains(&0) {
        return contains(text);
    }
    let without: Vec<u8> = text.iter().copied().filter(|&b| b != 0).collect();
    contains(&without)
}

/// Begins with `lower` without regard to case.
pub(crate) fn starts_ignoring_case(text: &[u8], lower: &[u8]) -> bool {
    text.get(..lower.len()).is_some_and(|head| head.eq_ignore_ascii_case(lower))
}

/// Decimal number of nothing but digits.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, &b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// A number within text: the first run of digits, and whether text stands before and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LooseNumber {
    /// The number.
    pub(crate) value: u64,
    /// Something stands before it.
    pub(crate) before: bool,
    /// Something stands after it.
    pub(crate) after: bool,
}

/// Reads a Content-Length value; none: no digits, or too large.
pub(crate) fn loose_number(text: &[u8]) -> Option<LooseNumber> {
    let text = trim(text);
    let start = text.iter().position(u8::is_ascii_digit)?;
    let digits = text.iter().skip(start).take_while(|b| b.is_ascii_digit()).count();
    let value = decimal(text.get(start..start + digits)?)?;
    Some(LooseNumber { value, before: start > 0, after: start + digits < text.len() })
}

/// Value of a hexadecimal digit.
pub(crate) const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_skip_nul() {
        assert!(equals_without_nul(b"User\0-Agent", b"user-agent"));
        assert!(!equals_without_nul(b"User-Agents", b"user-agent"));
        assert!(!equals_without_nul(b"User-Agen", b"user-agent"));
        assert!(contains_without_nul(b"xchun\0kED;", b"chunked"));
        assert!(!contains_without_nul(b"chunke", b"chunked"));
    }

    #[test]
    fn numbers() {
        let number = |value, before, after| Some(LooseNumber { value, before, after });
        assert_eq!(loose_number(b" 68 "), number(68, false, false));
        assert_eq!(loose_number(b"+5"), number(5, true, false));
        assert_eq!(loose_number(b"68.9"), number(68, false, true));
        assert_eq!(loose_number(b"abc"), None);
        assert_eq!(loose_number(b"99999999999999999999999"), None);
        assert_eq!(decimal(b""), None);
    }
}
