//! Checks across the options of a rule.

use decode::Direction;

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::Check;
use crate::rule::{
    BufferMatch, Compare, Content, ContentOp, Operand, Place, Rule, RuleClass, RuleDirection,
    Transform,
};

/// Whether a buffer's name takes a direction in `=>` rules in Suricata 8.
pub(crate) fn takes_direction(name: &str) -> bool {
    matches!(
        name,
        "http.accept"
            | "http.accept_lang"
            | "http.accept_enc"
            | "http.connection"
            | "http.content_len"
            | "http.content_type"
            | "http.referer"
            | "file.data"
            | "file.name"
            | "file.magic"
    )
}

/// Refuses combinations that can't work.
pub(crate) fn validate(builder: &mut Builder<'_>) -> Result<()> {
    streams(builder)?;
    directions(builder)?;
    mixed_places(&builder.rule)?;
    let rule = &builder.rule;
    dsize(rule)?;
    for list in &rule.buffers {
        sizes(list)?;
        absent(list)?;
        transforms(list)?;
    }
    named_buffers(builder)?;
    if builder.rule.protocol.packet_header && builder.rule.class != RuleClass::DeOnly {
        return refuse("pkthdr is for rules with decode-event alone")
            .map_err(|e: RuleError| e.module("detect-parse"));
    }
    Ok(())
}

/// Packet keywords, packets and streams.
fn streams(builder: &Builder<'_>) -> Result<()> {
    let rule = &builder.rule;
    let header_buffers = rule.buffers.iter().any(|b| matches!(b.target.place, Place::Header(_)));
    let on_packets = builder.facts.packet || header_buffers;
    let app = rule.buffers.iter().any(|b| matches!(b.target.place, Place::Buffer(_)));
    if app && on_packets {
        return refuse("Signature combines packet specific matches (like dsize, flags, ttl) with stream / state matching by matching on app layer proto (like using http_* keywords).")
            .map_err(|e: RuleError| e.advice("use bsize for the length of a buffer"));
    }
    if app && (rule.protocol.packet_only || rule.flow.no_stream) {
        return refuse("application buffers need the stream: not with tcp-pkt or no_stream");
    }
    if on_packets && (rule.protocol.stream_only || rule.flow.only_stream) {
        return refuse("packet keywords can't work on reassembled data only");
    }
    if rule.protocol.packet_only && rule.flow.only_stream {
        return refuse("tcp-pkt and flow:only_stream exclude each other");
    }
    Ok(())
}

fn directions(builder: &Builder<'_>) -> Result<()> {
    let rule = &builder.rule;
    let catalogue = builder.catalogue();
    let mut only = [false; 2];
    for list in &rule.buffers {
        if let (Place::Buffer(_), Some(direction)) = (list.target.place, list.target.direction) {
            only[direction.index()] = true;
        }
    }
    for check in &rule.tx_checks {
        match check.directions() {
            [true, false] => only[0] = true,
            [false, true] => only[1] = true,
            _ => {}
        }
    }
    if rule.direction == RuleDirection::Transactional {
        if builder.facts.undirected {
            return refuse("rule => with a buffer of both directions: say which")
                .map_err(|e: RuleError| e.advice("e.g. `http.connection: to_client;`"));
        }
        let body = catalogue.sticky("http.response_body").map(|spec| Place::Buffer(spec.id));
        if rule.buffers.iter().any(|b| Some(b.target.place) == body) {
            return refuse("http.response_body can't be used in => rules");
        }
        return if only == [true, true] {
            Ok(())
        } else {
            refuse("rule => needs parts of both directions")
                .map_err(|e: RuleError| e.advice("write -> instead"))
        };
    }
    if only == [true, true] {
        return refuse("rule mixes keywords of requests and responses")
            .map_err(|e: RuleError| e.advice("write => to match both parts of a transaction"));
    }
    let clash = match rule.flow.direction {
        Some(Direction::ToServer) => only[1],
        Some(Direction::ToClient) => only[0],
        None => false,
    };
    if clash {
        return refuse("flow's direction excludes a keyword of the rule")
            .map_err(|e: RuleError| e.advice("requests go to_server, responses to_client"));
    }
    if let Some((direction, _)) = rule.protocol.hook
        && only[direction.opposite().index()]
    {
        return refuse("the hook's direction excludes a keyword of the rule");
    }
    Ok(())
}

fn mixed_places(rule: &Rule) -> Result<()> {
    let frames = rule.buffers.iter().filter(|b| matches!(b.target.place, Place::Frame(_))).count();
    if frames > 0 && frames < rule.buffers.len() {
        return refuse("frames can't be mixed with payload or other buffers");
    }
    Ok(())
}

/// Contents of the payload must fit into the payload that `dsize` allows.
fn dsize(rule: &Rule) -> Result<()> {
    let bound = rule.checks.iter().find_map(|check| match check {
        Check::Dsize(dsize) => dsize.bound(),
        _ => None,
    });
    let Some(bound) = bound else { return Ok(()) };
    let payload = rule.buffers.iter().find(|list| list.target.place == Place::Payload);
    let Some(payload) = payload else { return Ok(()) };
    let (length, offset) = required_length(&payload.ops, bound);
    let too_long = |needed: i64| u64::try_from(needed).is_ok_and(|needed| needed > bound);
    let total = length.saturating_add(offset);
    let needed = if too_long(length) { length } else { total };
    if too_long(needed) {
        return refuse(format!(
            "signature can't match as required content length {needed} exceeds dsize value {bound}"
        ))
        .map_err(|e: RuleError| e.module("detect-content"));
    }
    Ok(())
}

/// How long the contents of a payload are together, as Suricata 8 reckons it, and the offset of
/// the first. Of the others only relative ones count; a negated one needs its whole window.
fn required_length(ops: &[ContentOp], bound: u64) -> (i64, i64) {
    let value = |operand: Option<Operand>| match operand {
        Some(Operand::Value(value)) => value,
        _ => 0,
    };
    let mut contents = ops.iter().filter_map(|op| match op {
        ContentOp::Content(content) => Some(content),
        _ => None,
    });
    let length =
        |content: &Content| i64::try_from(content.bytes.len()).unwrap_or(i64::MAX);
    let Some(first) = contents.next() else { return (0, 0) };
    let offset = value(first.offset);
    let mut total = value(first.distance).saturating_add(length(first));
    let mut needed = total;
    for content in contents.filter(|content| content.is_relative()) {
        let from = total.saturating_add(value(content.distance));
        if content.negated {
            let window = from.saturating_add(value(content.within));
            if u64::try_from(window).is_ok_and(|window| window > bound) {
                return (window, offset);
            }
            needed = needed.max(window);
        } else {
            total = from.saturating_add(length(content));
        }
    }
    (needed.max(total), offset)
}

/// Contents must fit into a size that is given exactly, or bounded by `urilen`.
fn sizes(list: &BufferMatch) -> Result<()> {
    if list.target.place == Place::Payload || !list.target.transforms.is_empty() {
        return Ok(());
    }
    for op in &list.ops {
        let ContentOp::Size(compare) = op else { continue };
        let bound = match *compare {
            Compare::Equal(n) => n,
            _ => continue,
        };
        for content in contents(list) {
            if !content.negated && content.bytes.len() as u64 > bound {
                return refuse(format!(
                    "signature can't match as content's length {} doesn't fit into buffer size {bound}",
                    content.bytes.len()
                ))
                .map_err(|e: RuleError| e.module("detect-bsize"));
            }
        }
    }
    Ok(())
}

fn contents(list: &BufferMatch) -> impl Iterator<Item = &Content> {
    list.ops.iter().filter_map(|op| match op {
        ContentOp::Content(content) => Some(content),
        _ => None,
    })
}

fn absent(list: &BufferMatch) -> Result<()> {
    let Some(at) = list.ops.iter().position(|op| matches!(op, ContentOp::Absent { .. })) else {
        return Ok(());
    };
    if at > 0 {
        return refuse("absent must come first after the name of a sticky buffer");
    }
    let or_else = matches!(list.ops.first(), Some(ContentOp::Absent { or_else: true }));
    if !or_else && list.ops.len() > 1 {
        return refuse("absent can't be combined with other options on the buffer")
            .map_err(|e: RuleError| e.advice("absent: or_else"));
    }
    if or_else && contents(list).any(|content| content.fast_pattern.is_some()) {
        return refuse("absent: or_else can't be combined with fast_pattern on the buffer");
    }
    Ok(())
}

/// Contents that a transform makes impossible.
fn transforms(list: &BufferMatch) -> Result<()> {
    for transform in &list.target.transforms {
        let impossible: fn(&Content) -> bool = match transform {
            Transform::ToLowercase => {
                |c| !c.nocase && c.bytes.iter().any(u8::is_ascii_uppercase)
            }
            Transform::ToUppercase => {
                |c| !c.nocase && c.bytes.iter().any(u8::is_ascii_lowercase)
            }
            Transform::StripWhitespace => |c| c.bytes.iter().any(|b| is_space(*b)),
            Transform::CompressWhitespace => {
                |c| c.bytes.windows(2).any(|pair| pair.iter().all(|b| is_space(*b)))
            }
            _ => continue,
        };
        if contents(list).any(impossible) {
            return refuse("content can't match after the transform");
        }
    }
    Ok(())
}

/// C's `isspace`.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d)
}

/// What single buffers demand of their contents.
fn named_buffers(builder: &mut Builder<'_>) -> Result<()> {
    let catalogue = builder.catalogue();
    let mut warnings = Vec::new();
    for list in &builder.rule.buffers {
        let Place::Buffer(id) = list.target.place else { continue };
        if !list.target.transforms.is_empty() {
            continue;
        }
        let Some(spec) = catalogue.buffer(id) else { continue };
        for content in contents(list) {
            if let Some(warning) = on_buffer(spec.name, content)? {
                warnings.push(warning);
            }
        }
    }
    for warning in warnings {
        builder.warn(warning);
    }
    Ok(())
}

fn on_buffer(name: &str, content: &Content) -> Result<Option<&'static str>> {
    let bytes = content.bytes.as_slice();
    match name {
        "http.method" => {
            let blank = |byte: Option<&u8>| match byte {
                Some(b' ') => Some("space"),
                Some(b'\t') => Some("tab"),
                _ => None,
            };
            let found = match (blank(bytes.last()), blank(bytes.first())) {
                (Some(name), _) => Some(("trailing", name)),
                (None, Some(name)) => Some(("leading", name)),
                (None, None) => None,
            };
            if let Some((side, name)) = found {
                return refuse(format!("http_method pattern with {side} {name}"))
                    .map_err(|e: RuleError| e.module("detect-http-method"));
            }
        }
        "http.host" => {
            if content.nocase {
                return Ok(Some("http.host keyword specified along with \"nocase\". The hostname buffer is normalized to lowercase, specifying nocase is redundant."));
            }
            if bytes.iter().any(u8::is_ascii_uppercase) {
                return Ok(Some("rule content for http.host has uppercase letters: the hostname buffer is lowercase"));
            }
        }
        "ja3.hash" | "ja3s.hash" | "ssh.hassh" | "ssh.hassh.server" => {
            if bytes.len() != 32 || !bytes.iter().all(u8::is_ascii_hexdigit) {
                return refuse(format!("{name} holds an MD5: content must be 32 hexadecimal digits"));
            }
        }
        "tls.cert_serial" => {
            if bytes.len() > 2 && !bytes.contains(&b':') {
                return Ok(Some("tls.cert_serial content without ':': the serial has colons"));
            }
        }
        "tls.cert_fingerprint" => {
            if bytes.len() != 59 {
                return Ok(Some("tls.cert_fingerprint has 59 characters: the content can't match it all"));
            }
        }
        _ => {}
    }
    Ok(None)
}
