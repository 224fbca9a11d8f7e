//! `byte_test`: comparison of a number in the bytes.

use crate::builder::Builder;
use crate::error::{Result, RuleError};
use crate::keyword::byte::{Longest, Shared, bad_word, operand};
use crate::keyword::contract::{Keyword, OptionText};
use crate::rule::{ByteTestOp, ContentOp, Operand};

pub(crate) const KEYWORD: Keyword =
    Keyword::new("byte_test", "detect-bytetest", setup).doc("comparison of a number in the bytes");

fn setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || {
        RuleError::new(format!("byte_test parse error: '{}'", option.value))
            .advice("byte_test:<bytes>,[!]<op>,<value>,<offset>[,relative][,...]")
    };
    let mut parts = option.value.split(',').map(str::trim);
    let mut next = || parts.next().filter(|part| !part.is_empty()).ok_or_else(bad);
    let (bytes, op, value, offset) = (next()?, next()?, next()?, next()?);
    let (negated, op) = match op.strip_prefix('!') {
        Some(op) => (true, op.trim_start()),
        None => (false, op),
    };
    let op = match op {
        "<" => ByteTestOp::Less,
        ">" => ByteTestOp::Greater,
        "=" => ByteTestOp::Equal,
        // `!` alone means "not equal".
        "" if negated => ByteTestOp::Equal,
        "<=" => ByteTestOp::LessEqual,
        ">=" => ByteTestOp::GreaterEqual,
        "&" => ByteTestOp::And,
        "^" => ByteTestOp::Xor,
        _ => return Err(bad()),
    };
    let mut shared = Shared::default();
    for word in parts {
        if !shared.take(word)? {
            return Err(bad_word(word));
        }
    }
    let bytes = operand(builder, bytes, "byte_test")?;
    let value = operand(builder, value, "byte_test")?;
    let offset = operand(builder, offset, "byte_test")?;
    // No bytes at all is for text: then the digits that are there count.
    if matches!(bytes, Operand::Value(n) if n < 0) {
        return Err(bad());
    }
    let extract = shared.extract(bytes, offset, Longest::Any)?;
    builder.push_op(ContentOp::ByteTest { extract, negated, op, value });
    Ok(())
}
