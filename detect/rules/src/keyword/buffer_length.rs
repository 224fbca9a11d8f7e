//! `isdataat`, `bsize`, `urilen`, `absent`: how long a buffer is, and whether it is there.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::{byte, integer};
use crate::rule::{Compare, ContentOp, Operand};

pub(crate) const ISDATAAT: Keyword =
    Keyword::new("isdataat", "detect-isdataat", isdataat).doc("there is (no) data at a position");
pub(crate) const BSIZE: Keyword = Keyword::new("bsize", "detect-bsize", bsize)
    .doc("length of the buffer")
    .features(Features::NONE.firewall());
pub(crate) const URILEN: Keyword = Keyword::new("urilen", "detect-urilen", urilen)
    .doc("length of the URI")
    .features(Features::NONE.firewall());
pub(crate) const ABSENT: Keyword =
    Keyword::new("absent", "detect-absent", absent).doc("the buffer is not there").optional_value();

fn isdataat(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let (negated, text) = match option.value.strip_prefix('!') {
        Some(text) => (true, text),
        None => (false, option.value),
    };
    let mut parts = text.split(',').map(str::trim);
    let at = byte::operand(builder, parts.next().unwrap_or(""), "isdataat")?;
    if matches!(at, Operand::Value(n) if !(0..=65_535).contains(&n)) {
        return refuse("isdataat beyond 65535");
    }
    let mut relative = false;
    for word in parts {
        match word {
            "relative" => relative = true,
            "rawbytes" if relative => {}
            _ => return refuse(format!("isdataat with unknown word '{word}'")),
        }
    }
    builder.push_op(ContentOp::IsDataAt { at, relative, negated });
    Ok(())
}

fn bsize(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    if !builder.in_buffer() {
        return refuse("bsize needs a sticky buffer before it").map_err(|e: RuleError| {
            e.silent().advice("for the payload of packets there is dsize")
        });
    }
    let compare = integer::compare(option.value, 64, &[])?;
    builder.push_op(ContentOp::Size(compare));
    Ok(())
}

fn urilen(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || RuleError::new(format!("invalid urilen: '{}'", option.value));
    let mut parts = option.value.split(',').map(str::trim);
    let value = parts.next().unwrap_or("");
    // Words besides `raw` are taken for `norm`.
    let raw = parts.next() == Some("raw");
    let compare = match loose_range(value) {
        Some(range) => range,
        None => integer::compare(value, 16, &[])?,
    };
    let name = if raw { "http.uri.raw" } else { "http.uri" };
    let Some(spec) = builder.catalogue().sticky(name) else {
        return Err(bad());
    };
    builder.urilen.push(spec.id);
    builder.push_op_to(spec, ContentOp::Size(compare))
}

/// `a<>b`: ranges that hold nothing are accepted here, unlike for other integers.
fn loose_range(value: &str) -> Option<Compare> {
    let (low, high) = value.strip_prefix('>').unwrap_or(value).split_once("<>")?;
    let number = |text: &str| integer::decimal::<u16>(text).map(u64::from);
    Some(Compare::Range(number(low)?, number(high)?))
}

fn absent(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let or_else = match option.value {
        "" => false,
        "or_else" => true,
        _ => return refuse(format!("invalid absent: '{}'", option.value)),
    };
    if !builder.at_naming() {
        return refuse("absent must come first after the name of a sticky buffer");
    }
    builder.push_op(ContentOp::Absent { or_else });
    Ok(())
}
