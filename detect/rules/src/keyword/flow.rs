//! `flow`: direction and state of the flow.

use decode::Direction;

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::rule::{FlowSpec, RuleDirection};

pub(crate) const KEYWORD: Keyword = Keyword::new("flow", "detect-flow", setup)
    .doc("direction and state of the flow")
    .features(Features { prefilter: true, firewall: true, ..Features::IP_ONLY });

fn setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    if builder.facts.flow_beyond_direction {
        return refuse("A signature may have only one flow option.")
            .map_err(|e: RuleError| e.advice("put all words into one `flow`"));
    }
    let this = words(option.value)?;
    if this.direction.is_some() && builder.rule.direction == RuleDirection::Transactional {
        return refuse("rule => with flow to_server or to_client: can only work both ways");
    }
    // Direction and the choice of packets or stream are marks of the rule, not conditions.
    let marks = FlowSpec {
        direction: this.direction,
        only_stream: this.only_stream,
        no_stream: this.no_stream,
        ..FlowSpec::default()
    };
    let beyond = marks != this;
    builder.facts.flow_beyond_direction |= beyond;
    let before = builder.rule.flow;
    if before.direction.is_some_and(|before| this.direction.is_some_and(|now| now != before)) {
        return refuse("cannot set more than one of to_server, to_client");
    }
    builder.rule.flow = FlowSpec {
        direction: this.direction.or(before.direction),
        established: this.established || before.established,
        not_established: this.not_established || before.not_established,
        stateless: this.stateless || before.stateless,
        only_stream: this.only_stream || before.only_stream,
        no_stream: this.no_stream || before.no_stream,
        only_frag: this.only_frag || before.only_frag,
        no_frag: this.no_frag || before.no_frag,
    };
    builder.facts.ip_only &= !beyond;
    Ok(())
}

/// The words of one option, which must go together.
fn words(text: &str) -> Result<FlowSpec> {
    let mut this = FlowSpec::default();
    for word in text.split(',').map(str::trim) {
        let word = word.to_ascii_lowercase();
        let slot = match word.as_str() {
            "to_server" | "from_client" => {
                direction(&mut this, Direction::ToServer)?;
                continue;
            }
            "to_client" | "from_server" => {
                direction(&mut this, Direction::ToClient)?;
                continue;
            }
            "established" => &mut this.established,
            "not_established" => &mut this.not_established,
            "stateless" => &mut this.stateless,
            "only_stream" => &mut this.only_stream,
            "no_stream" => &mut this.no_stream,
            "only_frag" => &mut this.only_frag,
            "no_frag" => &mut this.no_frag,
            _ => {
                return refuse(format!("invalid flow option \"{word}\"")).map_err(
                    |e: RuleError| {
                        e.advice("to_server, to_client, established, not_established, stateless")
                    },
                );
            }
        };
        if std::mem::replace(slot, true) {
            return refuse(format!("{word} is given twice"));
        }
    }
    let states = [this.established, this.not_established, this.stateless];
    if states.iter().filter(|state| **state).count() > 1 {
        return refuse("cannot set more than one of established, not_established and stateless");
    }
    if this.only_stream && this.no_stream {
        return refuse("cannot set both only_stream and no_stream");
    }
    if this.only_frag && this.no_frag {
        return refuse("cannot set both only_frag and no_frag");
    }
    Ok(this)
}

fn direction(spec: &mut FlowSpec, direction: Direction) -> Result<()> {
    if spec.direction.replace(direction).is_some() {
        return refuse("cannot set more than one of to_server, to_client in one flow option");
    }
    Ok(())
}
