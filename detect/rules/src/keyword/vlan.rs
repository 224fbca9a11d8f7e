//! `vlan.id`, `vlan.layers`: VLAN tags of a packet.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::{Subject, integer};
use crate::rule::Compare;

/// Which tags must satisfy a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Any of them.
    Any,
    /// All of them, and there must be one.
    All,
    /// The one at this place, outermost 0; negative ones count from the innermost.
    At(i8),
}

/// Comparison of VLAN identifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VlanId {
    /// Comparison.
    pub compare: Compare,
    /// Of which tags.
    pub layer: Layer,
}

impl VlanId {
    /// Whether the packet satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let ids = subject.packet.vlan.as_slice();
        let holds = |id: &u16| self.compare.matches(u64::from(*id));
        match self.layer {
            Layer::Any => ids.iter().any(holds),
            Layer::All => !ids.is_empty() && ids.iter().all(holds),
            Layer::At(at) => {
                let place = if at < 0 {
                    ids.len().checked_sub(usize::from(at.unsigned_abs()))
                } else {
                    Some(usize::from(at.unsigned_abs()))
                };
                place.and_then(|place| ids.get(place)).is_some_and(holds)
            }
        }
    }
}

/// Comparison of the number of tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VlanLayers(pub Compare);

impl VlanLayers {
    /// Whether the packet satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.0.matches(u64::from(subject.packet.vlan.count))
    }
}

pub(crate) const ID: Keyword = Keyword::new("vlan.id", "detect-vlan", id)
    .doc("VLAN identifier")
    .features(Features::PACKET_PREFILTER);
pub(crate) const LAYERS: Keyword = Keyword::new("vlan.layers", "detect-vlan", layers)
    .doc("number of VLAN tags")
    .features(Features::PACKET_PREFILTER);

fn id(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let (value, layer) = match option.value.split_once(',') {
        Some((value, layer)) => (value, layer.trim()),
        None => (option.value, "any"),
    };
    let layer = match layer {
        "any" => Layer::Any,
        "all" => Layer::All,
        _ => match layer.parse::<i8>() {
            Ok(at @ -3..=2) => Layer::At(at),
            _ => return Err(RuleError::new(format!("invalid VLAN layer '{layer}'"))),
        },
    };
    let compare = integer::compare(value, 16, &[])?;
    if let Compare::Equal(id) | Compare::NotEqual(id) = compare
        && id > 4095
    {
        return refuse("VLAN identifiers have 12 bits");
    }
    builder.push_check(VlanId { compare, layer });
    Ok(())
}

fn layers(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let compare = integer::compare(option.value, 8, &[])?;
    if let Compare::Equal(n) | Compare::NotEqual(n) = compare
        && n > 3
    {
        return refuse(format!("number of layers out of range {n}"));
    }
    builder.push_check(VlanLayers(compare));
    Ok(())
}
