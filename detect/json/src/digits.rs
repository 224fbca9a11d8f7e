//! Decimal digits, two at a time, put together on the stack so that what is copied has a constant
//! length.

/// Digits of the largest number.
const MOST: usize = 20;

/// The two digits of 00 to 99.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut at = 0;
    while at < 100 {
        pairs[at] = [b'0' + (at / 10) as u8, b'0' + (at % 10) as u8];
        at += 1;
    }
    pairs
};

/// The two last digits of a number.
#[inline]
pub const fn pair(number: u32) -> [u8; 2] {
    PAIRS[(number % 100) as usize]
}

/// The four last digits of a number.
#[inline]
pub const fn quad(number: u32) -> [u8; 4] {
    let ([a, b], [c, d]) = (pair(number / 100), pair(number));
    [a, b, c, d]
}

/// Appends a number without leading zeros.
pub fn append(value: u64, out: &mut Vec<u8>) {
    if value < 10 {
        out.push(b'0' + value as u8);
        return;
    }
    let length = value.ilog10() as usize + 1;
    let mut text = [b'0'; MOST];
    let (mut rest, mut at) = (value, length);
    while rest >= 100 {
        at -= 2;
        text[at..at + 2].copy_from_slice(&PAIRS[(rest % 100) as usize]);
        rest /= 100;
    }
    if rest >= 10 {
        text[..2].copy_from_slice(&PAIRS[rest as usize]);
    } else {
        text[0] = b'0' + rest as u8;
    }
    let end = out.len() + length;
    out.extend_from_slice(&text);
    out.truncate(end);
}
