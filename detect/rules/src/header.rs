//! The header of a rule: action, protocol, addresses, ports, direction.

use protocol::AppProto;

use crate::address::AddressSets;
use crate::error::{Result, RuleError, refuse};
use crate::port::PortSets;
use crate::rule::{Action, ActionScope, HeaderProto, Rule, RuleDirection};
use crate::settings::Settings;
use crate::token::{HeaderWords, Word};

/// Distinct address and port sets of a loader.
#[derive(Debug, Default)]
pub(crate) struct Sets {
    pub(crate) addresses: AddressSets,
    pub(crate) ports: PortSets,
}

/// Reads the header into a new rule.
pub(crate) fn read(words: &HeaderWords<'_>, settings: &Settings, sets: &mut Sets) -> Result<Rule> {
    let mut rule = Rule { gid: 1, priority: 3, ..Rule::default() };
    let at = |word: Word<'_>| move |error: RuleError| error.module("detect-parse").at(word.span);
    (rule.action, rule.written_scope) = action(words.action.text).map_err(at(words.action))?;
    rule.direction = match words.direction.text {
        "->" => RuleDirection::Forward,
        "<>" => RuleDirection::Both,
        "=>" => RuleDirection::Transactional,
        other => {
            return Err(RuleError::new(format!(
                "\"{other}\" is not a valid direction modifier, \"->\", \"=>\" and \"<>\" are supported."
            ))
            .advice("exchange the addresses and write ->")).map_err(at(words.direction));
        }
    };
    rule.protocol = protocol(words.protocol.text, settings).map_err(at(words.protocol))?;
    let variables = &settings.variables;
    let mut address = |word: Word<'_>| {
        sets.addresses.get(word.text, variables).map_err(|error| error.at(word.span))
    };
    rule.src = address(words.src)?;
    rule.dst = address(words.dst)?;
    let mut ports =
        |word: Word<'_>| sets.ports.get(word.text, variables).map_err(|error| error.at(word.span));
    rule.src_ports = ports(words.src_ports)?;
    rule.dst_ports = ports(words.dst_ports)?;
    if rule.protocol.ethertype.is_some() && !(rule.src_ports.is_any() && rule.dst_ports.is_any()) {
        return refuse("frames without IP have no ports").map_err(at(words.src_ports));
    }
    rule.app.clone_from(&rule.protocol.app);
    Ok(rule)
}

fn action(text: &str) -> Result<(Action, Option<ActionScope>)> {
    let (name, scope) = match text.split_once(':') {
        Some((name, scope)) => (name, Some(scope)),
        None => (text, None),
    };
    let action = match name.to_ascii_lowercase().as_str() {
        "alert" => Action::Alert,
        "pass" => Action::Pass,
        "drop" => Action::Drop,
        "reject" | "rejectsrc" => Action::Reject,
        "rejectdst" => Action::RejectDst,
        "rejectboth" => Action::RejectBoth,
        "config" => Action::Config,
        _ => {
            return refuse(format!("An invalid action \"{name}\" was given")).map_err(
                |e: RuleError| e.advice("alert, pass, drop, reject, rejectdst, rejectboth, config"),
            );
        }
    };
    let scope = match (scope, action) {
        (None, _) => None,
        (Some(_), Action::Alert | Action::Config) => {
            return refuse(format!("action {name} takes no scope"));
        }
        (Some("packet"), _) => Some(ActionScope::Packet),
        (Some("flow"), _) => Some(ActionScope::Flow),
        (Some(other), _) => return refuse(format!("invalid action scope '{other}'")),
    };
    Ok((action, scope))
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Reads the protocol with its hook.
fn protocol(text: &str, settings: &Settings) -> Result<HeaderProto> {
    let (name, hook) = match text.split_once(':') {
        Some((name, hook)) => (name, Some(hook)),
        None => (text, None),
    };
    let mut proto = HeaderProto { name: name.to_ascii_lowercase(), ..HeaderProto::default() };
    let mut add = |number: u8| {
        if let Some(word) = proto.ip_protocols.get_mut(usize::from(number / 64)) {
            *word |= 1 << (number % 64);
        }
    };
    match proto.name.as_str() {
        "ip" => {}
        "tcp" => add(TCP),
        "tcp-pkt" => {
            add(TCP);
            proto.packet_only = true;
        }
        "tcp-stream" => {
            add(TCP);
            proto.stream_only = true;
        }
        "udp" => add(UDP),
        "icmp" => {
            add(1);
            add(58);
        }
        "icmpv4" | "icmp4" => add(1),
        "icmpv6" | "icmp6" => add(58),
        "ipv4" | "ip4" => proto.ip_version = Some(4),
        "ipv6" | "ip6" => proto.ip_version = Some(6),
        "sctp" => add(132),
        "pkthdr" => proto.packet_header = true,
        "ether" => proto.ethertype = Some(0),
        "arp" => proto.ethertype = Some(0x0806),
        name => {
            let app = AppProto::by_rule_name(name);
            let usable = |proto: &&AppProto| {
                proto.is_known() && !settings.disabled_protocols.contains(proto)
            };
            proto.app = app.iter().filter(usable).copied().collect();
            if proto.app.is_empty() {
                let reason = if app.is_empty() { "unknown" } else { "disabled" };
                return refuse(format!(
                    "protocol \"{name}\" cannot be used in a signature.  Either detection for this protocol is not yet supported OR detection has been disabled for protocol through the yaml option app-layer.protocols.{name}.detection-enabled"
                ))
                .map_err(|e: RuleError| e.advice(format!("the protocol is {reason}")));
            }
            for app in proto.app.clone() {
                for &number in transports(app) {
                    if let Some(word) = proto.ip_protocols.get_mut(usize::from(number / 64)) {
                        *word |= 1 << (number % 64);
                    }
                }
            }
        }
    }
    if let Some(hook) = hook {
        set_hook(&mut proto, hook, settings)?;
    }
    Ok(proto)
}

fn set_hook(proto: &mut HeaderProto, hook: &str, settings: &Settings) -> Result<()> {
    let unknown = || {
        RuleError::new(format!("protocol \"{}\" does not support hook \"{hook}\"", proto.name))
            .advice("--list-app-layer-hooks lists the hooks of protocols")
    };
    if proto.app.is_empty() {
        // Hooks of packets: the default one is what a rule without hook has.
        return match hook {
            "all" | "filter" => Ok(()),
            "flow_start" => {
                proto.flow_start = true;
                Ok(())
            }
            _ => Err(unknown()),
        };
    }
    let found = proto.app.iter().find_map(|&app| settings.catalogue.hook(app, hook));
    proto.hook = Some(found.ok_or_else(unknown)?);
    Ok(())
}

/// IP protocols over which an application protocol is detected.
const fn transports(app: AppProto) -> &'static [u8] {
    match app {
        AppProto::Dns
        | AppProto::Dcerpc
        | AppProto::Enip
        | AppProto::Krb5
        | AppProto::Nfs
        | AppProto::Sip
        | AppProto::Ldap => &[TCP, UDP],
        AppProto::Dhcp
        | AppProto::Ntp
        | AppProto::Tftp
        | AppProto::Ike
        | AppProto::Quic
        | AppProto::Snmp
        | AppProto::Mdns
        | AppProto::BittorrentDht => &[UDP],
        _ => &[TCP],
    }
}
