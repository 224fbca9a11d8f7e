//! `byte_jump`: moves the position by a number in the bytes.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::byte::{Longest, Shared, bad_word, operand};
use crate::keyword::contract::{Keyword, OptionText};
use crate::keyword::integer;
use crate::rule::{ContentOp, Operand};

pub(crate) const KEYWORD: Keyword = Keyword::new("byte_jump", "detect-bytejump", setup)
    .doc("moves the position by a number in the bytes");

fn setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || {
        RuleError::new(format!("byte_jump parse error: '{}'", option.value))
            .advice("byte_jump:<bytes>,<offset>[,relative][,multiplier n][,...]")
    };
    let mut parts = option.value.split(',').map(str::trim);
    let mut next = || parts.next().filter(|part| !part.is_empty()).ok_or_else(bad);
    let (bytes, offset) = (next()?, next()?);
    let mut shared = Shared::default();
    let mut multiplier = 1;
    let mut align = false;
    let mut from = 0;
    let mut post_offset = Operand::Value(0);
    for word in parts {
        let (key, value) = word.split_once(char::is_whitespace).unwrap_or((word, ""));
        match key {
            "align" => align = true,
            "from_beginning" if from == 0 => from = 1,
            "from_end" if from == 0 => from = 2,
            "from_beginning" | "from_end" => {
                return refuse("from_end and from_beginning cannot be used in the same statement");
            }
            "multiplier" => multiplier = factor(value)?,
            "post_offset" => {
                let value = operand(builder, value, "byte_jump")?;
                if matches!(value, Operand::Value(n) if n.abs() > 65_535) {
                    return Err(bad());
                }
                post_offset = value;
            }
            "bitmask" => return Err(bad_word(word)),
            _ => {
                if !shared.take(word)? {
                    return Err(bad_word(word));
                }
            }
        }
    }
    let bytes = operand(builder, bytes, "byte_jump")?;
    let offset = operand(builder, offset, "byte_jump")?;
    if matches!(bytes, Operand::Value(n) if n < 0)
        || matches!(offset, Operand::Value(n) if n.abs() > 65_535)
    {
        return Err(bad());
    }
    let extract = shared.extract(bytes, offset, Longest::Any)?;
    builder.push_op(ContentOp::ByteJump { extract, multiplier, align, from, post_offset });
    Ok(())
}

/// A multiplier, 1 to 65,535.
pub(crate) fn factor(text: &str) -> Result<u32> {
    let value = integer::c_unsigned(text).filter(|n| (1..=65_535).contains(n));
    let bad = || RuleError::new(format!("'{text}' is not a multiplier from 1 to 65535"));
    value.and_then(|n| u32::try_from(n).ok()).ok_or_else(bad)
}
