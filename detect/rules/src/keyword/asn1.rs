//! `asn1`: oddities in BER-encoded data.

use crate::builder::Builder;
use crate::error::{Result, RuleError};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::integer;
use crate::rule::ContentOp;

/// What to look for, and from where on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asn1 {
    /// A bit string whose unused bits do not fit.
    pub bitstring_overflow: bool,
    /// A double in ASCII that is too long.
    pub double_overflow: bool,
    /// An element longer than this.
    pub oversize_length: Option<u32>,
    /// From this byte of the payload on.
    pub absolute_offset: Option<u16>,
    /// From so many bytes behind the last match on.
    pub relative_offset: Option<i32>,
}

/// Nested elements are followed so deep.
const MAX_DEPTH: usize = 32;
/// So many elements are looked at.
const MAX_ELEMENTS: usize = 256;
/// A double in text of more bytes overflows common readers.
const LONGEST_DOUBLE: usize = 256;

impl Asn1 {
    /// Whether `data`, whose last match ended at `position`, has one of the oddities.
    pub fn matches(&self, data: &[u8], position: usize) -> bool {
        let start = match (self.absolute_offset, self.relative_offset) {
            (Some(offset), _) => Some(usize::from(offset)),
            (None, Some(offset)) => position.checked_add_signed(offset as isize),
            (None, None) => Some(0),
        };
        let Some(data) = start.and_then(|start| data.get(start..)) else { return false };
        let mut budget = MAX_ELEMENTS;
        self.walk(data, 0, &mut budget)
    }

    fn walk(&self, mut data: &[u8], depth: usize, budget: &mut usize) -> bool {
        while let Some(element) = element(data) {
            let Some(left) = budget.checked_sub(1) else { return false };
            *budget = left;
            if self.is_odd(&element) {
                return true;
            }
            if element.constructed
                && depth < MAX_DEPTH
                && self.walk(element.content, depth + 1, budget)
            {
                return true;
            }
            data = element.rest;
        }
        false
    }

    fn is_odd(&self, element: &Element<'_>) -> bool {
        if self.oversize_length.is_some_and(|most| element.length > u64::from(most)) {
            return true;
        }
        // X.690 8.6: the first byte of a bit string counts unused bits, 0 to 7, and an empty
        // string has none.
        let bits = element.length.saturating_sub(1).saturating_mul(8);
        if self.bitstring_overflow
            && element.class == 0
            && element.tag == 3
            && element.content.first().is_some_and(|unused| u64::from(*unused) > bits)
        {
            return true;
        }
        // X.690 8.5: a real number in text has the two high bits of its first byte clear.
        self.double_overflow
            && element.class == 0
            && element.tag == 9
            && element.length > LONGEST_DOUBLE as u64
            && element.content.first().is_some_and(|first| first & 0xc0 == 0)
    }
}

struct Element<'a> {
    class: u8,
    constructed: bool,
    tag: u32,
    /// As written; the content may be cut short.
    length: u64,
    content: &'a [u8],
    rest: &'a [u8],
}

/// The first element of `data` (X.690 8.1).
fn element(data: &[u8]) -> Option<Element<'_>> {
    let (&first, mut rest) = data.split_first()?;
    let mut tag = u32::from(first & 0x1f);
    if tag == 0x1f {
        tag = 0;
        loop {
            let (&byte, behind) = rest.split_first()?;
            rest = behind;
            tag = tag.checked_mul(128)?.checked_add(u32::from(byte & 0x7f))?;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    let (&byte, behind) = rest.split_first()?;
    rest = behind;
    let length = match byte {
        0..=0x7f => u64::from(byte),
        // Indefinite: up to the end of what is there.
        0x80 => rest.len() as u64,
        _ => {
            let count = usize::from(byte & 0x7f);
            let (digits, behind) = rest.split_at_checked(count)?;
            rest = behind;
            digits.iter().fold(0u64, |n, &digit| n.saturating_mul(256) | u64::from(digit))
        }
    };
    let there = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
    let (content, rest) = rest.split_at_checked(there)?;
    let (class, constructed) = (first >> 6, first & 0x20 != 0);
    Some(Element { class, constructed, tag, length, content, rest })
}

pub(crate) const KEYWORD: Keyword = Keyword::new("asn1", "detect-asn1", setup)
    .doc("oddities in BER-encoded data")
    .features(Features::PACKET);

fn setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = |what: &str| RuleError::new(format!("Malformed asn1 argument: {what}"));
    let mut asn1 = Asn1::default();
    let words = option.value.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty());
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        match word {
            "bitstring_overflow" => asn1.bitstring_overflow = true,
            "double_overflow" => asn1.double_overflow = true,
            "oversize_length" | "absolute_offset" | "relative_offset" => {
                let value = words.next().and_then(integer::c_signed).ok_or_else(|| bad(word))?;
                match word {
                    "oversize_length" => {
                        asn1.oversize_length = Some(value.try_into().map_err(|_| bad(word))?);
                    }
                    "absolute_offset" => {
                        asn1.absolute_offset = Some(value.try_into().map_err(|_| bad(word))?);
                    }
                    _ => {
                        let offset: i16 = value.try_into().map_err(|_| bad(word))?;
                        asn1.relative_offset = Some(i32::from(offset));
                    }
                }
            }
            _ => return Err(bad(word)),
        }
    }
    if asn1 == Asn1::default() {
        return Err(bad("nothing to look for"));
    }
    builder.push_op(ContentOp::Asn1(asn1));
    Ok(())
}
