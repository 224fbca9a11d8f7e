//! `app-layer-protocol`: which protocol was detected on a flow.

use decode::Direction;
use protocol::AppProto;

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::{Check, Subject};

/// Which detection counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// That of the packet's direction.
    Direction,
    /// That of the data to the server.
    ToServer,
    /// That of the data to the client.
    ToClient,
    /// Either of them.
    Either,
    /// The protocol after a change.
    Final,
    /// The protocol before a change.
    Original,
}

/// A protocol that must (not) have been detected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppProtocol {
    /// The protocols that the name stands for.
    pub protos: &'static [AppProto],
    /// None of them.
    pub negated: bool,
    /// Which detection counts.
    pub mode: Mode,
}

impl AppProtocol {
    /// Whether the flow of the packet satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let Some(flow) = subject.flow else { return false };
        let [to_server, to_client] = flow.proto_by_direction;
        match self.mode {
            Mode::Direction => match subject.direction {
                Direction::ToServer => self.holds(to_server),
                Direction::ToClient => self.holds(to_client),
            },
            Mode::ToServer => self.holds(to_server),
            Mode::ToClient => self.holds(to_client),
            Mode::Final => self.holds(flow.final_proto),
            Mode::Original => self.holds(flow.original_proto),
            Mode::Either => {
                // A negation wants both, and at least one of them known.
                if self.negated {
                    let known = to_server != AppProto::Unknown || to_client != AppProto::Unknown;
                    known && !self.protos.contains(&to_server) && !self.protos.contains(&to_client)
                } else {
                    self.holds(to_server) || self.holds(to_client)
                }
            }
        }
    }

    /// Never holds for a negation while the protocol is unknown.
    fn holds(&self, proto: AppProto) -> bool {
        if self.negated {
            let asked_for_unknown = self.protos.contains(&AppProto::Unknown);
            (proto != AppProto::Unknown || asked_for_unknown) && !self.protos.contains(&proto)
        } else {
            self.protos.contains(&proto)
        }
    }
}

pub(crate) const KEYWORD: Keyword =
    Keyword::new("app-layer-protocol", "detect-app-layer-protocol", setup)
        .doc("protocol detected on the flow")
        .quotes_optional()
        .negatable()
        .features(Features { prefilter: true, firewall: true, ..Features::NONE });

fn setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let (name, mode) = match option.value.split_once(',') {
        Some((name, mode)) => (name.trim(), mode.trim()),
        None => (option.value, "direction"),
    };
    if !builder.rule.protocol.app.is_empty() || !builder.rule.app.is_empty() {
        return refuse("Either we already have the rule match on an app layer protocol set through other keywords that match on this protocol, or have already seen a non-negated app-layer-protocol.")
            .map_err(|e: RuleError| e.advice("use the plain transport protocol in the header"));
    }
    let protos = AppProto::by_rule_name(name);
    if protos.is_empty() {
        return refuse(format!(
            "app-layer-protocol keyword supplied with unknown protocol \"{name}\""
        ));
    }
    let mode = match mode {
        "direction" => Mode::Direction,
        "to_server" => Mode::ToServer,
        "to_client" => Mode::ToClient,
        "either" => Mode::Either,
        "final" => Mode::Final,
        "original" => Mode::Original,
        _ => {
            return refuse(format!(
                "app-layer-protocol keyword supplied with unknown mode \"{mode}\""
            ));
        }
    };
    let check = AppProtocol { protos, negated: option.negated, mode };
    let clash = builder.rule.checks.iter().any(|other| match other {
        Check::AppProtocol(other) if other.mode == mode => {
            !other.negated && !check.negated
                || other.negated != check.negated
                || other.negated && check.negated && other.protos == check.protos
        }
        _ => false,
    });
    if clash {
        return refuse("conflicting app-layer-protocol options in one rule");
    }
    builder.push_check(check);
    Ok(())
}
