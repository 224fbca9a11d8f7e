//! `entropy`: Shannon entropy of a buffer.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Keyword, OptionText};
use crate::keyword::{header, integer};
use crate::rule::{ContentOp, Place};

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
#[derive(Clone, Debug, PartialEq)]
pub struct Entropy {
    /// The buffer's name in records.
    pub buffer: Box<str>,
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
    /// The entropy of the bytes of `data` that it is about; none without any.
    pub fn measure(&self, data: &[u8]) -> Option<f64> {
        let data = data.get(self.offset as usize..)?;
        let data = match self.bytes {
            0 => data,
            bytes => data.get(..bytes as usize).unwrap_or(data),
        };
        (!data.is_empty()).then(|| shannon(data))
    }

    /// Whether an entropy is one that is wanted.
    pub fn holds(&self, entropy: f64) -> bool {
        match self.compare {
            EntropyCompare::Equal(v) => entropy == v,
            EntropyCompare::NotEqual(v) => entropy != v,
            EntropyCompare::Less(v) => entropy < v,
            EntropyCompare::LessEqual(v) => entropy <= v,
            EntropyCompare::Greater(v) => entropy > v,
            EntropyCompare::GreaterEqual(v) => entropy >= v,
            EntropyCompare::Range(a, b) => entropy > a && entropy < b,
            EntropyCompare::NotRange(a, b) => entropy <= a || entropy >= b,
        }
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
    let buffer = buffer_name(builder).into();
    let compare = EntropyCompare::Equal(0.0);
    let mut entropy = Entropy { buffer, bytes: 0, offset: 0, compare };
    let mut seen = [false; 3];
    for part in option.value.split(',').map(str::trim) {
        let (key, value) = part.split_once(char::is_whitespace).ok_or_else(bad)?;
        let value = value.trim();
        let place = ["bytes", "offset", "value"].iter().position(|known| *known == key);
        let seen = place.and_then(|at| seen.get_mut(at)).ok_or_else(bad)?;
        if std::mem::replace(seen, true) {
            return refuse(format!("entropy with '{key}' twice"));
        }
        match key {
            "bytes" => entropy.bytes = integer::decimal(value).ok_or_else(bad)?,
            "offset" => {
                let offset: u16 = integer::decimal(value).ok_or_else(bad)?;
                entropy.offset = u32::from(offset);
            }
            _ => entropy.compare = comparison(value).ok_or_else(bad)?,
        }
    }
    if !seen[2] {
        return refuse("entropy without value");
    }
    builder.push_op(ContentOp::Entropy(entropy));
    Ok(())
}

/// The name that records give the buffer in force, which is Suricata 8's internal one.
fn buffer_name(builder: &Builder<'_>) -> String {
    match builder.place() {
        Place::Payload => "content".to_owned(),
        Place::Header(id) => header::NAMES.get(usize::from(id)).copied().unwrap_or("").to_owned(),
        Place::Frame(_) => "frame".to_owned(),
        Place::Buffer(id) => builder.catalogue().buffer(id).map_or_else(String::new, internal),
    }
}

/// Old buffers of HTTP and the query of DNS kept the names of their content modifiers.
fn internal(spec: &protocol::BufferSpec) -> String {
    match spec.name {
        "file.data" | "http.response_body" => "file_data".to_owned(),
        "dns.query" => "dns_query".to_owned(),
        "http.location" | "http.server" => spec.name.to_owned(),
        _ if !spec.modifier.is_empty() => spec.modifier.to_owned(),
        name if name.starts_with("http.") => name.replace('.', "_"),
        name => name.to_owned(),
    }
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
    } else if let Some(rest) = text.strip_prefix("!=") {
        EntropyCompare::NotEqual(number(rest)?)
    } else if let Some(rest) = text.strip_prefix('!') {
        let (low, high) = range(rest)?;
        EntropyCompare::NotRange(low, high)
    } else if let Some((low, high)) = range(text) {
        EntropyCompare::Range(low, high)
    } else {
        EntropyCompare::Equal(number(text.strip_prefix('=').unwrap_or(text))?)
    })
}
