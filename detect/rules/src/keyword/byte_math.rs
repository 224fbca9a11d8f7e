//! `byte_math`: calculates with a number from the bytes, into a variable.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::byte::{Longest, Shared, bad_word, operand, variable_name};
use crate::keyword::contract::{Keyword, OptionText};
use crate::rule::{ContentOp, MathOp, Operand};

pub(crate) const KEYWORD: Keyword = Keyword::new("byte_math", "detect-bytemath", setup)
    .doc("calculates with a number from the bytes, into a variable");

fn setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let missing = |what: &str| {
        RuleError::new(format!("byte_math without {what}"))
            .advice("byte_math:bytes <n>, offset <n>, oper <op>, rvalue <n>, result <name>[, ...]")
    };
    let (mut bytes, mut offset, mut op, mut value, mut result) = (None, None, None, None, None);
    let mut shared = Shared::once();
    for word in option.value.split(',').map(str::trim) {
        let (key, text) = word.split_once(char::is_whitespace).unwrap_or((word, ""));
        let text = text.trim();
        let repeated = match key {
            "bytes" => bytes.replace(operand(builder, text, "byte_math")?).is_some(),
            "offset" => offset.replace(number(text)?).is_some(),
            "rvalue" => value.replace(second(builder, text)?).is_some(),
            "dce" | "endian" if text.is_empty() || text == "dce" => {
                // Suricata 8 knows the word, and refuses it with or without others.
                return refuse("byte_math can't take its byte order from DCE RPC");
            }
            "oper" => op.replace(operator(text)?).is_some(),
            "result" => result.replace(variable_name(text)?).is_some(),
            _ => {
                if !shared.take(word)? {
                    return Err(bad_word(word));
                }
                false
            }
        };
        if repeated {
            return refuse(format!("byte_math with '{key}' twice"));
        }
    }
    let bytes = bytes.ok_or_else(|| missing("bytes"))?;
    let offset = offset.ok_or_else(|| missing("offset"))?;
    let op = op.ok_or_else(|| missing("oper"))?;
    let value = value.ok_or_else(|| missing("rvalue"))?;
    let result = result.ok_or_else(|| missing("result"))?;
    if matches!(bytes, Operand::Value(n) if !(1..=10).contains(&n)) {
        return refuse("byte_math takes 1 to 8 bytes, or 1 to 10 digits");
    }
    if matches!(value, Operand::Value(n) if !(0..=i64::from(u32::MAX)).contains(&n)) {
        return refuse("byte_math rvalue must be from 0 to 4294967295");
    }
    let extract = shared.extract(bytes, Operand::Value(offset), Longest::Math)?;
    let variable = builder.define_variable(result)?;
    builder.push_op(ContentOp::ByteMath { extract, op, value, variable });
    Ok(())
}

/// The value to calculate with: a decimal number or a variable.
fn second(builder: &Builder<'_>, text: &str) -> Result<Operand> {
    if text.len() > 1 && text.starts_with("0x") {
        return refuse(format!("unknown byte_ keyword var seen in byte_math - {text}"));
    }
    operand(builder, text, "byte_math")
}

/// The offset, which can't be a variable.
fn number(text: &str) -> Result<i64> {
    let value = text.parse().ok().filter(|n: &i64| n.abs() <= 65_535);
    value.ok_or_else(|| RuleError::new(format!("byte_math offset out of range: '{text}'")))
}

fn operator(text: &str) -> Result<MathOp> {
    Ok(match text {
        "+" => MathOp::Add,
        "-" => MathOp::Subtract,
        "*" => MathOp::Multiply,
        "/" => MathOp::Divide,
        "<<" => MathOp::ShiftLeft,
        ">>" => MathOp::ShiftRight,
        _ => return refuse(format!("unknown byte_math operator '{text}'")),
    })
}
