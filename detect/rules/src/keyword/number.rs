//! Numbers of protocols, such as `dns.opcode`: one reader for all of them.

use protocol::NumberSpec;

use crate::builder::Builder;
use crate::error::{Result, RuleError};
use crate::keyword::contract::OptionText;
use crate::keyword::{InstanceCheck, Instances, NumberSet, TxCheck, file, integer};
use crate::rule::{Compare, NumberCheck};

/// Reads the value of a number's keyword: a comparison, a list of values, or a comparison with
/// the instances that must satisfy it.
pub(crate) fn setup(
    builder: &mut Builder<'_>,
    spec: &'static NumberSpec,
    option: &OptionText<'_>,
) -> Result<()> {
    use decode::Direction::{ToClient, ToServer};
    let (written, value) = file::direction(option.value);
    let direction = match (spec.to_server, spec.to_client) {
        (Some(_), None) => Some(ToServer),
        (None, Some(_)) => Some(ToClient),
        _ => {
            builder.note_direction(written);
            written
        }
    };
    let number = spec.id;
    let check = match value.split_once(',') {
        None => {
            let compare = integer::compare(value, spec.bits, spec.names)?;
            TxCheck::Number(NumberCheck { number, compare, direction })
        }
        Some((first, rest))
            if spec.multi && integer::compare(rest, spec.bits, spec.names).is_err() =>
        {
            let compare = integer::compare(first, spec.bits, spec.names)?;
            let instances = instances(rest.trim())?;
            TxCheck::Instances(InstanceCheck { number, compare, instances, direction })
        }
        Some(_) => {
            let (negated, list) = match value.strip_prefix('!') {
                Some(list) => (true, list),
                None => (false, value),
            };
            let ranges = list
                .split(',')
                .map(|part| range(integer::compare(part, spec.bits, spec.names)?, option))
                .collect::<Result<Vec<_>>>()?;
            TxCheck::NumberSet(NumberSet { number, ranges, negated, direction })
        }
    };
    builder.push_tx_check(check, spec.protocols)
}

/// A member of a list as a range with its bounds.
fn range(compare: Compare, option: &OptionText<'_>) -> Result<(u64, u64)> {
    match compare {
        Compare::Equal(n) => Ok((n, n)),
        // Lists of operation numbers count their bounds in.
        Compare::Range(low, high) => Ok((low, high)),
        Compare::Less(n) => Ok((0, n.saturating_sub(1))),
        Compare::LessEqual(n) => Ok((0, n)),
        Compare::Greater(n) => Ok((n.saturating_add(1), u64::MAX)),
        Compare::GreaterEqual(n) => Ok((n, u64::MAX)),
        _ => Err(RuleError::new(format!("invalid list in {}: '{}'", option.name, option.value))),
    }
}

/// `any`, `all`, `all1`, `or_absent`, `nb<comparison>` or a place.
fn instances(text: &str) -> Result<Instances> {
    Ok(match text {
        "any" => Instances::Any,
        "all" => Instances::AllOrNone,
        "all1" => Instances::All,
        _ => {
            if let Some(count) = text.strip_prefix("nb") {
                Instances::Count(integer::compare(count.trim(), 32, &[])?)
            } else {
                let place = text.parse::<i32>();
                let bad = |_| RuleError::new(format!("'{text}' does not name instances"));
                Instances::At(place.map_err(bad)?)
            }
        }
    })
}
