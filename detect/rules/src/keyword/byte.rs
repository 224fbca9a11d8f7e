//! What `byte_test`, `byte_jump`, `byte_extract` and `byte_math` have in common.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::integer;
use crate::rule::{ByteOrder, Extract, Operand, StringBase};

/// Options that all four share, while they are read.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    relative: bool,
    order: Option<ByteOrder>,
    is_string: bool,
    base: Option<StringBase>,
    mask: Option<u64>,
}

impl Shared {
    /// Takes an option if it is one of the shared ones.
    pub(crate) fn take(&mut self, word: &str) -> Result<bool> {
        let (key, value) = word.split_once(char::is_whitespace).unwrap_or((word, ""));
        let value = value.trim();
        match (key, value) {
            ("relative", "") => self.relative = true,
            ("big", "") => self.order(ByteOrder::Big)?,
            ("little", "") => self.order(ByteOrder::Little)?,
            ("dce", "") => self.order(ByteOrder::Dce)?,
            ("endian", "big") => self.order(ByteOrder::Big)?,
            ("endian", "little") => self.order(ByteOrder::Little)?,
            ("endian", "dce") => self.order(ByteOrder::Dce)?,
            ("string", "") => self.is_string = true,
            ("string", base) => {
                self.is_string = true;
                self.base = Some(base_of(base).ok_or_else(|| bad_word(word))?);
            }
            ("hex" | "dec" | "oct", "") => self.base = base_of(key),
            ("bitmask", mask) => {
                let mask = integer::c_unsigned(mask).or_else(|| {
                    // Suricata 8 takes masks without 0x for hexadecimal.
                    u64::from_str_radix(mask, 16).ok()
                });
                let mask = mask.filter(|mask| *mask <= u64::from(u32::MAX));
                self.mask = Some(mask.ok_or_else(|| bad_word(word))?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn order(&mut self, order: ByteOrder) -> Result<()> {
        if self.order.replace(order).is_some() {
            return refuse("more than one byte order");
        }
        Ok(())
    }

    /// The whole, checked; `needs_base`: text without base is refused.
    pub(crate) fn extract(
        self,
        bytes: Operand,
        offset: Operand,
        needs_base: bool,
    ) -> Result<Extract> {
        if self.base.is_some() && !self.is_string {
            return refuse("a base is only for numbers in text")
                .map_err(|e: RuleError| e.advice("add `string`"));
        }
        if needs_base && self.is_string && self.base.is_none() {
            return refuse("string without base")
                .map_err(|e: RuleError| e.advice("add dec, hex or oct"));
        }
        let string = self.is_string.then(|| self.base.unwrap_or(StringBase::Dec));
        if let Operand::Value(bytes) = bytes {
            let most = match string {
                None => 8,
                Some(StringBase::Oct) => 23,
                Some(StringBase::Dec) => 20,
                Some(StringBase::Hex) => 14,
            };
            if bytes > most {
                return refuse(format!("can't extract {bytes} bytes, at most {most}"));
            }
        }
        Ok(Extract {
            bytes,
            offset,
            relative: self.relative,
            order: self.order.unwrap_or_default(),
            string,
            mask: self.mask,
        })
    }
}

/// The refusal of a word that none of them knows.
pub(crate) fn bad_word(word: &str) -> RuleError {
    RuleError::new(format!("unknown option: '{word}'"))
}

/// A number or a variable.
pub(crate) fn operand(builder: &Builder<'_>, text: &str, keyword: &str) -> Result<Operand> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) {
        return match integer::c_signed(text) {
            Some(value) => Ok(Operand::Value(value)),
            // Values above i64 wrap like C's casts do.
            None => match integer::c_unsigned(text) {
                Some(value) => Ok(Operand::Value(value as i64)),
                None => refuse(format!("malformed {keyword} value: '{text}'")),
            },
        };
    }
    match builder.variable(text) {
        Some(variable) => Ok(Operand::Variable(variable)),
        None => refuse(format!("unknown byte_ keyword var seen in {keyword} - {text}"))
            .map_err(|e: RuleError| e.advice("define it by byte_extract or byte_math before")),
    }
}

/// Variables begin with a letter; they must not look like numbers.
pub(crate) fn variable_name(text: &str) -> Result<&str> {
    let first = text.bytes().next();
    let usable = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if first.is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') && text.bytes().all(usable) {
        Ok(text)
    } else {
        refuse(format!("'{text}' can't be the name of a variable"))
    }
}

fn base_of(text: &str) -> Option<StringBase> {
    Some(match text {
        "hex" => StringBase::Hex,
        "dec" => StringBase::Dec,
        "oct" => StringBase::Oct,
        _ => return None,
    })
}
