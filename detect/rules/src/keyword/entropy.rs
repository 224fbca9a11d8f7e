//! `entropy`: Shannon entropy of a buffer.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Keyword, OptionText};
use crate::keyword::integer;
use crate::rule::ContentOp;

/// Comparison of an entropy in bits per byte.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EntropyCompare {
    /// `v`
    Equal(f64),
    /// `!v`
    NotEqual(f64),
    /// `<v`
    Less(f64),
    /// `<=v`
    LessEqual(f64),
    /// `>v`
    Greater(f64),
    /// `>=v`
    GreaterEqual(f64),
    /// `a-b`: between, both bounds excluded.
    Range(f64, f64),
    /// `!a-b`
    NotRange(f64, f64),
}

/// Bytes and the entropy that they must have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entropy {
    /// How many bytes, 0: all.
    pub bytes: u32,
    /// From which byte on.
    pub offset: u32,
    /// Comparison.
    pub compare: EntropyCompare,
}

// Values come from text and are never NaN.
impl Eq for Entropy {}

impl Entropy {
    /// Whether `data` satisfies it; the entropy goes into the alert.
    pub fn matches(&self, data: &[u8]) -> (bool, f64) {
        let Some(data) = data.get(self.offset as usize..) else { return (false, 0.0) };
        let data = match self.bytes {
            0 => data,
            bytes => data.get(..bytes as usize).unwrap_or(data),
        };
        if data.is_empty() {
            return (false, 0.0);
        }
        let entropy = shannon(data);
        let holds = match self.compare {
            EntropyCompare::Equal(v) => entropy == v,
            EntropyCompare::NotEqual(v) => entropy != v,
            EntropyCompare::Less(v) => entropy < v,
            EntropyCompare::LessEqual(v) => entropy <= v,
            EntropyCompare::Greater(v) => entropy > v,
            EntropyCompare::GreaterEqual(v) => entropy >= v,
            EntropyCompare::Range(a, b) => entropy > a && entropy < b,
            EntropyCompare::NotRange(a, b) => entropy <= a || entropy >= b,
        };
        (holds, entropy)
    }
}

fn shannon(data: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for &byte in data {
        counts[usize::from(byte)] += 1;
    }
    let total = data.len() as f64;
    let terms = counts.iter().filter(|count| **count > 0).map(|&count| {
        let share = f64::from(count) / total;
        -share * share.log2()
    });
    terms.sum()
}

pub(crate) const KEYWORD: Keyword =
    Keyword::new("entropy", "detect-entropy", setup).doc("Shannon entropy of a buffer");

fn setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || {
        RuleError::new(format!("invalid entropy: '{}'", option.value))
            .advice("entropy: [bytes n,] [offset n,] value [op] v")
    };
    let mut entropy = Entropy { bytes: 0, offset: 0, compare: EntropyCompare::Equal(0.0) };
    let mut compared = false;
    for part in option.value.split(',').map(str::trim) {
        let (key, value) = part.split_once(char::is_whitespace).unwrap_or(("value", part));
        let value = value.trim();
        match key {
            "bytes" => entropy.bytes = integer::decimal(value).ok_or_else(bad)?,
            "offset" => entropy.offset = integer::decimal(value).ok_or_else(bad)?,
            "value" => {
                entropy.compare = comparison(value).ok_or_else(bad)?;
                compared = true;
            }
            _ => {
                entropy.compare = comparison(part).ok_or_else(bad)?;
                compared = true;
            }
        }
    }
    if !compared {
        return refuse("entropy without value");
    }
    builder.push_op(ContentOp::Entropy(entropy));
    Ok(())
}

fn comparison(text: &str) -> Option<EntropyCompare> {
    let number = |text: &str| {
        let value: f64 = text.trim().parse().ok()?;
        value.is_finite().then_some(value)
    };
    let range = |text: &str| -> Option<(f64, f64)> {
        let (low, high) = text.split_once("<>").or_else(|| text.split_once('-'))?;
        let (low, high) = (number(low)?, number(high)?);
        (low < high).then_some((low, high))
    };
    Some(if let Some(rest) = text.strip_prefix("<=") {
        EntropyCompare::LessEqual(number(rest)?)
    } else if let Some(rest) = text.strip_prefix(">=") {
        EntropyCompare::GreaterEqual(number(rest)?)
    } else if let Some(rest) = text.strip_prefix('<') {
        EntropyCompare::Less(number(rest)?)
    } else if let Some(rest) = text.strip_prefix('>') {
        EntropyCompare::Greater(number(rest)?)
    } else if let Some(rest) = text.strip_prefix("!=").or_else(|| text.strip_prefix('!')) {
        match range(rest) {
            Some((low, high)) => EntropyCompare::NotRange(low, high),
            None => EntropyCompare::NotEqual(number(rest)?),
        }
    } else if let Some((low, high)) = range(text) {
        EntropyCompare::Range(low, high)
    } else {
        EntropyCompare::Equal(number(text.strip_prefix('=').unwrap_or(text))?)
    })
}
