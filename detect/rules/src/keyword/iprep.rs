//! `iprep`: reputation of the packet's addresses.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::{Subject, integer};
use crate::rule::Compare;

/// Whose reputation counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Source or destination.
    Any,
    /// The source.
    Src,
    /// The destination.
    Dst,
    /// Source and destination.
    Both,
}

/// What is asked of the reputation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Comparison of its value, which must be there.
    Value(Compare),
    /// It is there.
    IsSet,
    /// It is not there.
    IsNotSet,
}

/// A question about the reputation in a category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpReputation {
    /// Whose.
    pub side: Side,
    /// Number of the category.
    pub category: u8,
    /// What.
    pub question: Question,
}

impl IpReputation {
    /// Whether the packet's addresses satisfy it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let Some(knowledge) = subject.knowledge else { return false };
        let packet = subject.packet;
        let holds = |address| {
            let value = knowledge.reputation(address, self.category);
            match (self.question, value) {
                (Question::Value(compare), Some(value)) => compare.matches(u64::from(value)),
                (Question::Value(_), None) => false,
                (Question::IsSet, value) => value.is_some(),
                (Question::IsNotSet, value) => value.is_none(),
            }
        };
        packet.is_ip()
            && match self.side {
                Side::Any => holds(packet.src) || holds(packet.dst),
                Side::Src => holds(packet.src),
                Side::Dst => holds(packet.dst),
                Side::Both => holds(packet.src) && holds(packet.dst),
            }
    }
}

pub(crate) const KEYWORD: Keyword = Keyword::new("iprep", "detect-iprep", setup)
    .doc("reputation of the addresses")
    .features(Features { packet: true, ..Features::IP_ONLY.firewall() });

fn setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || {
        RuleError::new(format!("invalid iprep: '{}'", option.value))
            .advice("iprep:any|src|dst|both,<category>,<op>,<value> or ,isset or ,isnotset")
    };
    let parts: Vec<&str> = option.value.split(',').map(str::trim).collect();
    let (side, category, op, value) = match parts.as_slice() {
        [side, category, op] => (*side, *category, *op, None),
        [side, category, op, value] => (*side, *category, *op, Some(*value)),
        _ => return Err(bad()),
    };
    let side = match side {
        "any" => Side::Any,
        "src" => Side::Src,
        "dst" => Side::Dst,
        "both" => Side::Both,
        _ => return Err(bad()),
    };
    let Some(&category) = builder.settings.reputation_categories.get(category) else {
        return refuse(format!("unknown iprep category \"{category}\"")).map_err(|e: RuleError| {
            e.advice(
                "categories are those of the file that suricata.yaml names as \
                 `reputation-categories-file`; sensor.yaml has no key for it",
            )
        });
    };
    let question = match (op, value) {
        ("isset", None) => Question::IsSet,
        ("isnotset", None) => Question::IsNotSet,
        (op, Some(value)) => {
            let value: u8 = integer::decimal(value).filter(|v| *v <= 127).ok_or_else(bad)?;
            Question::Value(integer::compare(&format!("{op}{value}"), 8, &[])?)
        }
        _ => return Err(bad()),
    };
    builder.push_check(IpReputation { side, category, question });
    Ok(())
}
