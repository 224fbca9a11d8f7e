//! Numbers taken from bytes: the common part of the `byte_*` options.

use rules::rule::{ByteOrder, Extract, StringBase};

use crate::content::run::{Data, State};

/// Most bytes that a number in text may have, as in Suricata 8.
const MAX_DIGITS: usize = 23;

/// Takes a number; gives it and the position behind it. None: the bytes are not there, or are no
/// number.
pub(super) fn extract(
    what: &Extract,
    data: &Data<'_>,
    pos: usize,
    state: &State<'_>,
) -> Option<(u64, usize)> {
    let count = usize::try_from(state.signed(what.bytes)).ok()?;
    let offset = state.signed(what.offset);
    let base = if what.relative { i64::try_from(pos).ok()? } else { 0 };
    let start = usize::try_from(base.checked_add(offset)?).ok()?;
    if count == 0 {
        return (start <= data.bytes.len()).then_some((0, start));
    }
    let end = start.checked_add(count)?;
    let bytes = data.bytes.get(start..end)?;
    let value = match what.string {
        Some(base) => digits(bytes, base)?,
        None => binary(bytes, little(what.order, data))?,
    };
    Some((value, end))
}

/// Applies a mask and shifts its trailing zeros away, when anything is left.
pub(super) const fn masked(value: u64, mask: Option<u64>) -> u64 {
    match mask {
        None => value,
        Some(mask) => {
            let kept = value & mask;
            if kept == 0 || mask == 0 { kept } else { kept >> mask.trailing_zeros() }
        }
    }
}

fn little(order: ByteOrder, data: &Data<'_>) -> bool {
    match order {
        ByteOrder::Big => false,
        ByteOrder::Little => true,
        ByteOrder::Dce => data.dce_little,
    }
}

fn binary(bytes: &[u8], little: bool) -> Option<u64> {
    if bytes.len() > 8 {
        return None;
    }
    let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    Some(if little { bytes.iter().rev().fold(0, fold) } else { bytes.iter().fold(0, fold) })
}

/// Reads digits as C's `strtoull` does: leading blanks and a sign are skipped, it stops at the
/// first byte that is no digit, an overflow sticks at the largest value.
fn digits(bytes: &[u8], base: StringBase) -> Option<u64> {
    let bytes = bytes.get(..bytes.len().min(MAX_DIGITS))?;
    let radix: u32 = match base {
        StringBase::Oct => 8,
        StringBase::Dec => 10,
        StringBase::Hex => 16,
    };
    let mut rest = bytes;
    while let [b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, tail @ ..] = rest {
        rest = tail;
    }
    let mut negative = false;
    if let [sign @ (b'+' | b'-'), tail @ ..] = rest {
        negative = *sign == b'-';
        rest = tail;
    }
    if radix == 16
        && let [b'0', b'x' | b'X', first, ..] = rest
        && first.is_ascii_hexdigit()
    {
        rest = &rest[2..];
    }
    let mut value: Option<u64> = None;
    for byte in rest {
        let Some(digit) = char::from(*byte).to_digit(radix) else { break };
        let so_far = value.unwrap_or(0);
        value = Some(
            so_far
                .checked_mul(u64::from(radix))
                .and_then(|v| v.checked_add(u64::from(digit)))
                .unwrap_or(u64::MAX),
        );
    }
    value.map(|v| if negative { v.wrapping_neg() } else { v })
}

#[cfg(test)]
mod tests {
    use super::{StringBase, binary, digits, masked};

    #[test]
    fn reads_numbers_in_text_like_strtoull() {
        for (text, base, want) in [
            ("12ab", StringBase::Dec, Some(12)),
            (" +7", StringBase::Dec, Some(7)),
            ("0x1f", StringBase::Hex, Some(31)),
            ("ff", StringBase::Hex, Some(255)),
            ("78", StringBase::Oct, Some(7)),
            ("x", StringBase::Dec, None),
        ] {
            assert_eq!(digits(text.as_bytes(), base), want, "{text}");
        }
    }

    #[test]
    fn reads_binary_numbers_and_masks() {
        assert_eq!(binary(&[1, 2], false), Some(0x0102));
        assert_eq!(binary(&[1, 2], true), Some(0x0201));
        assert_eq!(binary(&[0; 9], true), None);
        assert_eq!(masked(0xabcd, Some(0xff00)), 0xab);
        assert_eq!(masked(0x00cd, Some(0xff00)), 0);
    }
}
