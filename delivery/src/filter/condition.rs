//! Conditions on the fields of a record, evaluated on its JSON.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Any of them.
    Any(Vec<Self>),
    /// All of them.
    All(Vec<Self>),
    /// The opposite.
    Not(Box<Self>),
    /// A field, by its dotted path, and what is asked of it; of a list, one element is enough.
    Field(Vec<String>, Test),
}

/// What is asked of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// It is there, and neither false nor null.
    Exists,
    /// It is one of these.
    In(Vec<Literal>),
    /// It is less.
    Less(f64),
    /// It is less, or equal.
    AtMost(f64),
    /// It is greater.
    Greater(f64),
    /// It is greater, or equal.
    AtLeast(f64),
    /// Its text has this in it.
    Contains(String),
}

/// A value in a condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// A number.
    Number(f64),
    /// Text, or true or false.
    Text(String),
    /// Addresses that begin with so many bits.
    Network(IpAddr, u8),
}

impl Condition {
    /// Shows all fields that it asks about, and what it asks.
    pub fn each_field(&self, show: &mut impl FnMut(&[String], &Test)) {
        match self {
            Self::Any(parts) | Self::All(parts) => {
                for part in parts {
                    part.each_field(show);
                }
            }
            Self::Not(part) => part.each_field(show),
            Self::Field(path, test) => show(path, test),
        }
    }

    /// Whether it is true of a record.
    pub fn holds(&self, record: &Value) -> bool {
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.holds(record)),
            Self::All(parts) => parts.iter().all(|part| part.holds(record)),
            Self::Not(part) => !part.holds(record),
            Self::Field(path, test) => found(record, path, test),
        }
    }
}

fn found(value: &Value, path: &[String], test: &Test) -> bool {
    if let Value::Array(elements) = value {
        return elements.iter().any(|element| found(element, path, test));
    }
    match path.split_first() {
        None => test.holds(value),
        Some((name, rest)) => value.get(name).is_some_and(|child| found(child, rest, test)),
    }
}

impl Test {
    /// The texts that the field may be.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let list = if let Self::In(list) = self { list.as_slice() } else { &[] };
        list.iter().filter_map(|literal| match literal {
            Literal::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    fn holds(&self, value: &Value) -> bool {
        let compared = |holds: fn(f64, f64) -> bool, limit: f64| {
            value.as_f64().is_some_and(|number| holds(number, limit))
        };
        match self {
            Self::Exists => !matches!(value, Value::Null | Value::Bool(false)),
            Self::In(literals) => literals.iter().any(|literal| literal.is(value)),
            Self::Less(limit) => compared(|a, b| a < b, *limit),
            Self::AtMost(limit) => compared(|a, b| a <= b, *limit),
            Self::Greater(limit) => compared(|a, b| a > b, *limit),
            Self::AtLeast(limit) => compared(|a, b| a >= b, *limit),
            Self::Contains(text) => value.as_str().is_some_and(|own| own.contains(text.as_str())),
        }
    }
}

impl Literal {
    fn is(&self, value: &Value) -> bool {
        match self {
            Self::Number(number) => value.as_f64() == Some(*number),
            Self::Text(text) => match value {
                Value::String(own) => own == text,
                Value::Bool(own) => text == if *own { "true" } else { "false" },
                _ => false,
            },
            Self::Network(network, bits) => {
                let address = value.as_str().and_then(|text| text.parse().ok());
                address.is_some_and(|address| lies_in(address, *network, *bits))
            }
        }
    }
}

fn lies_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let wide = |address: IpAddr| match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let ((one, family), (other, same)) = (wide(address), wide(network));
    family == same && (bits == 0 || (one ^ other) >> (128 - u32::from(bits)) == 0)
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        super::parse::parse(&text).map_err(serde::de::Error::custom)
    }
}
