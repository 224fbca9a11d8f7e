//! `flowbits`, `flowint`, `xbits`, `hostbits`, `flowvar`, `pktvar`.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::bit::{
    Bit, BitCommand, BitRole, BitTrack, ExtendedBit, FlowBit, FlowInt, HostBit, IntOp, IntOperand,
    VariableCheck,
};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::{content, integer};

pub(crate) const FLOWBITS: Keyword = Keyword::new("flowbits", "detect-flowbits", flowbits)
    .doc("bits of the flow")
    .features(Features { prefilter: true, firewall: true, ..Features::META });
pub(crate) const FLOWINT: Keyword =
    Keyword::new("flowint", "detect-flowint", flowint).doc("integers of the flow");
pub(crate) const XBITS: Keyword = Keyword::new("xbits", "detect-xbits", xbits)
    .doc("bits of hosts, pairs of hosts and transactions")
    .features(Features::IP_ONLY.firewall());
pub(crate) const HOSTBITS: Keyword = Keyword::new("hostbits", "detect-hostbits", hostbits)
    .doc("bits of hosts")
    .features(Features::IP_ONLY);
pub(crate) const FLOWVAR: Keyword = Keyword::new("flowvar", "detect-flowvar", flowvar)
    .doc("variable of the flow that a capture has set");
pub(crate) const PKTVAR: Keyword = Keyword::new("pktvar", "detect-pktvar", pktvar)
    .doc("variable of the packet that a capture has set");

fn flowbits(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let (command, name) = match option.value.split_once(',') {
        Some((command, name)) => (command, Some(name.trim())),
        None => (option.value, None),
    };
    if command == "noalert" {
        if name.is_some() {
            return refuse("flowbits:noalert takes no name").map_err(RuleError::silent);
        }
        builder.rule.noalert = true;
        return Ok(());
    }
    let Some(command) = BitCommand::by_name(command) else {
        return refuse(format!("flowbits action \"{command}\" is not supported."))
            .map_err(|e: RuleError| e.advice("set, unset, isset, isnotset or noalert"));
    };
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return refuse("flowbits without a name").map_err(RuleError::silent);
    };
    if command == BitCommand::Toggle {
        builder.warn("flowbits:toggle is deprecated");
    }
    let mut ids = smallvec::SmallVec::new();
    for part in name.split('|').map(str::trim).filter(|part| !part.is_empty()) {
        if part.contains(char::is_whitespace) {
            return refuse(format!("'{part}' can't be the name of a flowbit"));
        }
        ids.push(builder.names.flowbits.intern(part));
    }
    if ids.is_empty() {
        return refuse("flowbits without a name").map_err(RuleError::silent);
    }
    builder.facts.flowbits += 1;
    let most = builder.settings.max_flowbits;
    if most > 0 && builder.facts.flowbits > most {
        return refuse(format!("more than {most} flowbits options in one rule"));
    }
    if command.role() == BitRole::Check || command != BitCommand::Set {
        builder.facts.ip_only = false;
        builder.facts.pd_only = false;
        builder.facts.decoder_only &= command.role() == BitRole::Set;
    }
    builder.push_bit(Bit::Flow(FlowBit { command, ids }));
    Ok(())
}

fn flowint(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || {
        RuleError::new(format!("invalid flowint: '{}'", option.value))
            .advice("flowint:<name>,<op>,<value or name>; names have two or more characters")
    };
    let mut parts = option.value.split(',').map(str::trim);
    let name = parts.next().unwrap_or("");
    let op = parts.next().ok_or_else(bad)?;
    let operand = parts.next();
    let usable = |name: &str| {
        let rest_ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.');
        name.len() >= 2
            && name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
            && name.bytes().all(rest_ok)
    };
    if !usable(name) || parts.next().is_some() {
        return Err(bad());
    }
    let op = match op {
        "=" => IntOp::Assign,
        "+" => IntOp::Add,
        "-" => IntOp::Subtract,
        "<" => IntOp::Less,
        "<=" => IntOp::LessEqual,
        "==" => IntOp::Equal,
        "!=" => IntOp::NotEqual,
        ">=" => IntOp::GreaterEqual,
        ">" => IntOp::Greater,
        "isset" => IntOp::IsSet,
        "notset" | "isnotset" => IntOp::IsNotSet,
        _ => return Err(bad()),
    };
    let id = builder.names.flowints.intern(name);
    let operand = match (op, operand) {
        (IntOp::IsSet | IntOp::IsNotSet, _) => IntOperand::Value(0),
        (_, None) => return Err(bad()),
        (_, Some(text)) => match integer::decimal::<u32>(text) {
            Some(value) => IntOperand::Value(value),
            None if usable(text) => IntOperand::Variable(builder.names.flowints.intern(text)),
            None => return Err(bad()),
        },
    };
    builder.push_bit(Bit::Int(FlowInt { id, op, operand }));
    Ok(())
}

fn xbits(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || {
        RuleError::new(format!("\"{}\" is not a valid setting for xbits.", option.value))
            .advice("xbits:<command>,<name>,track ip_src|ip_dst|ip_pair|tx[,expire <seconds>]")
    };
    let mut parts = option.value.split(',').map(str::trim);
    let command = match parts.next() {
        Some("noalert") => {
            builder.rule.noalert = true;
            return Ok(());
        }
        command => command.and_then(BitCommand::by_name).ok_or_else(bad)?,
    };
    let name = parts.next().filter(|name| !name.is_empty()).ok_or_else(bad)?;
    if name.contains(char::is_whitespace) {
        return Err(bad());
    }
    let mut track = None;
    let mut expire = 30;
    for part in parts {
        let (key, value) = part.split_once(char::is_whitespace).ok_or_else(bad)?;
        match (key, value.trim()) {
            ("track", "ip_src") => track = Some(BitTrack::Source),
            ("track", "ip_dst") => track = Some(BitTrack::Destination),
            ("track", "ip_pair") => track = Some(BitTrack::Pair),
            ("track", "tx") => track = Some(BitTrack::Transaction),
            ("expire", seconds) => {
                expire = integer::decimal(seconds).filter(|n| *n > 0).ok_or_else(bad)?;
            }
            _ => return Err(bad()),
        }
    }
    let track = track.unwrap_or(BitTrack::Source);
    if track == BitTrack::Transaction && !matches!(command, BitCommand::Set | BitCommand::IsSet) {
        return refuse("xbits with track tx can only set and isset");
    }
    let id = builder.names.xbits.intern(name);
    builder.push_bit(Bit::Extended(ExtendedBit { command, id, track, expire }));
    Ok(())
}

fn hostbits(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || {
        RuleError::new(format!("\"{}\" is not a valid setting for hostbits.", option.value))
            .advice("hostbits:<command>,<name>[,src|dst]")
    };
    let mut parts = option.value.split(',').map(str::trim);
    let command = parts.next().and_then(BitCommand::by_name).ok_or_else(bad)?;
    let name = parts.next().filter(|name| !name.is_empty()).ok_or_else(bad)?;
    if name.contains(char::is_whitespace) {
        return Err(bad());
    }
    let destination = match parts.next() {
        None | Some("src") => false,
        Some("dst") => true,
        Some(_) => return Err(bad()),
    };
    if parts.next().is_some() {
        return Err(bad());
    }
    let id = builder.names.hostbits.intern(name);
    builder.push_bit(Bit::Host(HostBit { command, id, destination, expire: 300 }));
    Ok(())
}

fn flowvar(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let (name, bytes, negated) = variable(option)?;
    let id = builder.names.flowvars.intern(name);
    builder.push_bit(Bit::FlowVar(VariableCheck { id, bytes, negated }));
    Ok(())
}

fn pktvar(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let (name, bytes, negated) = variable(option)?;
    let id = builder.names.pktvars.intern(name);
    builder.push_bit(Bit::PacketVar(VariableCheck { id, bytes, negated }));
    Ok(())
}

/// `name,value` with the value in quotes or not, `!` before it.
fn variable<'t>(option: &OptionText<'t>) -> Result<(&'t str, Vec<u8>, bool)> {
    let bad = || RuleError::new(format!("invalid {}: '{}'", option.name, option.value));
    let (name, value) = option.value.split_once(',').ok_or_else(bad)?;
    let (negated, value) = (option.negated, value.trim());
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let bytes = content::pattern(inner.unwrap_or(value), option.name)?;
    Ok((name.trim(), bytes, negated))
}
