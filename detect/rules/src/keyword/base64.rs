//! `base64_decode`, `base64_data`: contents of decoded bytes.

use crate::builder::Builder;
use crate::error::{Result, RuleError};
use crate::keyword::contract::{Keyword, OptionText};
use crate::keyword::integer;
use crate::rule::ContentOp;

pub(crate) const DECODE: Keyword = Keyword::new("base64_decode", "detect-base64-decode", decode)
    .doc("decodes base64 for base64_data")
    .optional_value();
pub(crate) const DATA: Keyword = Keyword::new("base64_data", "detect-base64-data", data)
    .doc("what follows looks at decoded base64")
    .no_value();

fn decode(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || {
        RuleError::new(format!("invalid base64_decode: '{}'", option.value))
            .advice("base64_decode[:bytes n][, offset n][, relative]")
    };
    let (mut bytes, mut offset, mut relative) = (0, 0, false);
    for word in option.value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let (key, value) = word.split_once(char::is_whitespace).unwrap_or((word, ""));
        match key {
            "bytes" if offset == 0 => bytes = integer::decimal(value).ok_or_else(bad)?,
            "offset" => offset = integer::decimal(value).ok_or_else(bad)?,
            "relative" => relative = true,
            _ => return Err(bad()),
        }
    }
    builder.push_op(ContentOp::Base64Decode { bytes, offset, relative });
    Ok(())
}

fn data(builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
    builder.name_base64()
}
