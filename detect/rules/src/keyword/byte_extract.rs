//! `byte_extract`: takes a number from the bytes into a variable.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::byte::{Longest, Shared, bad_word, operand, variable_name};
use crate::keyword::byte_jump::factor;
use crate::keyword::contract::{Keyword, OptionText};
use crate::keyword::integer;
use crate::rule::{ContentOp, Operand};

pub(crate) const KEYWORD: Keyword = Keyword::new("byte_extract", "detect-byte-extract", setup)
    .doc("takes a number from the bytes into a variable");

fn setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || {
        RuleError::new(format!("byte_extract parse error: '{}'", option.value))
            .advice("byte_extract:<bytes>,<offset>,<name>[,relative][,multiplier n][,...]")
    };
    let mut parts = option.value.split(',').map(str::trim);
    let mut next = || parts.next().filter(|part| !part.is_empty()).ok_or_else(bad);
    let (bytes, offset, name) = (next()?, next()?, next()?);
    let name = variable_name(name)?;
    let mut shared = Shared::once();
    let (mut multiplier, mut align) = (None, None);
    for word in parts {
        let (key, value) = word.split_once(char::is_whitespace).unwrap_or((word, ""));
        match key {
            "multiplier" if multiplier.is_none() => multiplier = Some(factor(value)?),
            "align" if align.is_none() => match value.trim() {
                "2" => align = Some(2),
                "4" => align = Some(4),
                _ => return refuse(format!("align must be 2 or 4, not '{value}'")),
            },
            "multiplier" | "align" => return refuse(format!("'{key}' can only appear once")),
            "bitmask" => return Err(bad_word(word)),
            _ => {
                if !shared.take(word)? {
                    return Err(bad_word(word));
                }
            }
        }
    }
    let bytes = integer::c_unsigned(bytes).filter(|n| *n <= 23).ok_or_else(bad)?;
    let bytes = Operand::Value(i64::try_from(bytes).unwrap_or(8));
    let offset = operand(builder, offset, "byte_extract")?;
    if matches!(offset, Operand::Value(n) if n.abs() > 65_535) {
        return Err(bad());
    }
    let extract = shared.extract(bytes, offset, Longest::ByBase)?;
    let variable = builder.define_variable(name)?;
    let (multiplier, align) = (multiplier.unwrap_or(1), align.unwrap_or(0));
    builder.push_op(ContentOp::ByteExtract { extract, multiplier, align, variable });
    Ok(())
}
