//! What `byte_test`, `byte_jump`, `byte_extract` and `byte_math` have in common.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::integer;
use crate::rule::{ByteOrder, Extract, Operand, StringBase};

/// Options that all four share, while they are read.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// No option may be there twice.
    once: bool,
    relative: bool,
    order: Option<ByteOrder>,
    is_string: bool,
    base: Option<StringBase>,
    mask: Option<u64>,
}

impl Shared {
    /// Of a keyword that refuses an option that is there twice.
    pub(crate) fn once() -> Self {
        Self { once: true, ..Self::default() }
    }

    /// Takes an option if it is one of the shared ones.
    pub(crate) fn take(&mut self, word: &str) -> Result<bool> {
        let (key, value) = word.split_once(char::is_whitespace).unwrap_or((word, ""));
        let value = value.trim();
        let again = match key {
            "relative" => self.relative,
            "big" | "little" | "dce" | "endian" => self.order.is_some(),
            "string" => self.is_string,
            "hex" | "dec" | "oct" => self.base.is_some(),
            "bitmask" => self.mask.is_some(),
            _ => false,
        };
        if self.once && again {
            return refuse(format!("'{key}' can only appear once"));
        }
        match (key, value) {
            ("relative", "") => self.relative = true,
            ("big", "") => self.order = Some(ByteOrder::Big),
            ("little", "") => self.order = Some(ByteOrder::Little),
            ("dce", "") => self.order = Some(ByteOrder::Dce),
            ("endian", "big") => self.order = Some(ByteOrder::Big),
            ("endian", "little") => self.order = Some(ByteOrder::Little),
            ("endian", "dce") => self.order = Some(ByteOrder::Dce),
            ("string", "") => self.is_string = true,
            ("string", base) => {
                self.is_string = true;
                self.base = Some(base_of(base).ok_or_else(|| bad_word(word))?);
            }
            ("hex" | "dec" | "oct", "") => self.base = base_of(key),
            ("bitmask", mask) => {
                let mask = integer::c_unsigned(mask).filter(|mask| *mask <= u64::from(u32::MAX));
                self.mask = Some(mask.ok_or_else(|| bad_word(word))?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The whole, checked; `needs_base`: text without base is refused.
    pub(crate) fn extract(
        self,
        bytes: Operand,
        offset: Operand,
        longest: Longest,
    ) -> Result<Extract> {
        if self.base.is_some() && !self.is_string {
            return refuse("a base is only for numbers in text")
                .map_err(|e: RuleError| e.advice("add `string`"));
        }
        let string = self.is_string.then(|| self.base.unwrap_or(StringBase::Dec));
        if let Operand::Value(bytes) = bytes {
            let most = match string {
                None if longest == Longest::Math => 10,
                None => 8,
                Some(_) if longest != Longest::ByBase => 23,
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

/// How many digits a number in text may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Longest {
    /// As many as the longest number has in octal.
    Any,
    /// As many as the base allows.
    ByBase,
    /// `byte_math`: 10, in text or not; the engine takes no number of more than 8 bytes.
    Math,
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

/// Names of variables; those that begin with a digit can be set, but not be asked for.
pub(crate) fn variable_name(text: &str) -> Result<&str> {
    let usable = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if !text.is_empty() && text.bytes().all(usable) {
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
