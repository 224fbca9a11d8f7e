//! `tag`: packets after a match are logged as well.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::integer;
use crate::rule::Tag;

pub(crate) const KEYWORD: Keyword = Keyword::new("tag", "detect-tag", setup)
    .doc("logs packets after the match")
    .features(Features::META);

/// Packets when the rule does not say, and the most that `packets` takes.
const MOST_PACKETS: u32 = 256;

fn setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || {
        RuleError::new(format!("invalid tag: '{}'", option.value))
            .advice("tag:session|host[,<count>,packets|seconds|bytes[,src|dst]]")
    };
    let mut parts = option.value.split(',').map(str::trim);
    let host = match parts.next() {
        Some("session") => false,
        Some("host") => true,
        _ => return Err(bad()),
    };
    let mut tag = Tag { host, count: MOST_PACKETS, unit: 0, dst: false };
    if let Some(count) = parts.next() {
        tag.count = integer::decimal(count).ok_or_else(bad)?;
        tag.unit = match parts.next() {
            Some("packets") => 0,
            Some("seconds") => 1,
            Some("bytes") => 2,
            _ => return Err(bad()),
        };
    }
    if let Some(side) = parts.next() {
        tag.dst = match side {
            "src" => false,
            "dst" => true,
            _ => return Err(bad()),
        };
        if !host {
            builder.warn("a direction has no effect on tag:session");
        }
    }
    if parts.next().is_some() {
        return refuse("tag with too many parts");
    }
    if tag.unit == 0 {
        tag.count = tag.count.min(MOST_PACKETS);
    }
    builder.rule.tag = Some(tag);
    Ok(())
}
