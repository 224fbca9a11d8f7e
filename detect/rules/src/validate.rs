//! Checks across the options of a rule.

use decode::Direction;

use crate::builder::{Builder, OpRef};
use crate::error::{Result, RuleError, refuse};
use crate::keyword::Check;
use crate::rule::{
    BufferMatch, Compare, Content, ContentOp, Operand, Place, Rule, RuleDirection, Transform,
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
    for (number, list) in rule.buffers.iter().enumerate() {
        transforms(builder, number, list)?;
        sizes(list, builder)?;
        absent(list)?;
    }
    named_buffers(builder)?;
    Ok(())
}

/// Packet keywords, packets and streams.
fn streams(builder: &Builder<'_>) -> Result<()> {
    let rule = &builder.rule;
    let on_packets = builder.facts.packet;
    let on_app = |place: Place| matches!(place, Place::Buffer(_) | Place::Frame(_));
    let app = rule.buffers.iter().any(|list| on_app(list.target.place));
    if app && on_packets {
        return refuse("Signature combines packet specific matches (like dsize, flags, ttl) with stream / state matching by matching on app layer proto (like using http_* keywords).")
            .map_err(|e: RuleError| e.advice("use bsize for the length of a buffer"));
    }
    if app && (rule.protocol.packet_only || rule.flow.no_stream) {
        return refuse("application buffers need the stream: not with tcp-pkt or no_stream");
    }
    let stream_only = rule.protocol.stream_only || rule.flow.only_stream;
    if stream_only && (on_packets || rule.flow.no_stream) {
        return refuse(
            "can't mix packet keywords with tcp-stream or flow:only_stream.  Invalidating signature.",
        );
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
    // Response bodies count as file data, which is there in both directions.
    let body = catalogue.sticky("http.response_body").map(|spec| Place::Buffer(spec.id));
    let bodies = rule.buffers.iter().any(|list| Some(list.target.place) == body);
    let clash = match rule.flow.direction {
        Some(Direction::ToServer) if bodies => false,
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
    let length = |content: &Content| i64::try_from(content.bytes.len()).unwrap_or(i64::MAX);
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

/// Contents must fit into the size that `bsize` gives.
fn sizes(list: &BufferMatch, builder: &Builder<'_>) -> Result<()> {
    if list.target.place == Place::Payload {
        return Ok(());
    }
    let is_uri = match list.target.place {
        Place::Buffer(id) => builder.urilen.contains(&id),
        _ => false,
    };
    if is_uri {
        return urilen(list);
    }
    for op in &list.ops {
        let ContentOp::Size(compare) = op else { continue };
        let (bound, text) = match *compare {
            Compare::Equal(n) | Compare::Less(n) => (n, format!("value: {n}")),
            Compare::Range(low, high) => (high, format!("range: {low}-{high}")),
            _ => continue,
        };
        let (length, offset) = required_length(&list.ops, bound);
        let too_long = |needed: i64| u64::try_from(needed).is_ok_and(|needed| needed > bound);
        let total = length.saturating_add(offset);
        let needed = if too_long(length) { length } else { total };
        if too_long(needed) {
            return refuse(format!(
                "signature can't match as required content length {needed} exceeds bsize {text}"
            ))
            .map_err(|e: RuleError| e.module("detect-bsize"));
        }
    }
    Ok(())
}

/// URIs have `urilen`, which is weaker: only exact lengths count, against single contents.
fn urilen(list: &BufferMatch) -> Result<()> {
    let exact = list.ops.iter().filter_map(|op| match op {
        ContentOp::Size(Compare::Equal(n)) => Some(*n),
        _ => None,
    });
    let Some(bound) = exact.max() else { return Ok(()) };
    let longest = contents(list).map(|content| content.bytes.len() as u64).max().unwrap_or(0);
    if longest > bound {
        return refuse(format!("depth or urilen {bound} smaller than content len {longest}"))
            .map_err(|e: RuleError| e.module("detect-urilen"));
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
    if or_else && list.ops.len() == 1 {
        return refuse(
            "signature with absent: or_else expects other keywords to test on such as content",
        );
    }
    if or_else && contents(list).any(|content| content.fast_pattern.is_some()) {
        return refuse("absent: or_else can't be combined with fast_pattern on the buffer");
    }
    Ok(())
}

/// Contents that a transform makes impossible.
fn transforms(builder: &Builder<'_>, number: usize, list: &BufferMatch) -> Result<()> {
    for (at, op) in list.ops.iter().enumerate() {
        let ContentOp::Content(content) = op else { continue };
        if content.negated {
            continue;
        }
        // What counts is the content as it was written, before `nocase`.
        let capitals = content.bytes.iter().any(u8::is_ascii_uppercase)
            || builder.capitals.contains(&OpRef { buffer: number, op: at, inner: None });
        for transform in &list.target.transforms {
            let (impossible, name) = match transform {
                Transform::ToLowercase => (capitals, "to_lowercase"),
                Transform::ToUppercase => {
                    let small = content.bytes.iter().any(u8::is_ascii_lowercase);
                    (small && !(content.nocase && capitals), "to_uppercase")
                }
                Transform::StripWhitespace => {
                    (content.bytes.iter().any(|b| is_space(*b)), "strip_whitespace")
                }
                Transform::CompressWhitespace => {
                    let double = |pair: &[u8]| pair.iter().all(|b| is_space(*b));
                    (content.bytes.windows(2).any(double), "compress_whitespace")
                }
                _ => continue,
            };
            if impossible {
                return refuse(format!(
                    "content string \"{}\" incompatible with {name} transform",
                    content.bytes.escape_ascii()
                ))
                .map_err(|e: RuleError| e.module("detect-content"));
            }
        }
    }
    Ok(())
}

/// C's `isspace`.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d)
}

/// What single buffers demand of their contents; some are brought into the buffer's case.
fn named_buffers(builder: &mut Builder<'_>) -> Result<()> {
    let catalogue = builder.catalogue();
    let mut warnings = Vec::new();
    for list in &mut builder.rule.buffers {
        let Place::Buffer(id) = list.target.place else { continue };
        if !list.target.transforms.is_empty() {
            continue;
        }
        let Some(spec) = catalogue.buffer(id) else { continue };
        for op in &mut list.ops {
            let ContentOp::Content(content) = op else { continue };
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

fn on_buffer(name: &str, content: &mut Content) -> Result<Option<String>> {
    match name {
        "http.method" => http_method(&content.bytes)?,
        "http.host" => {
            let advice = "write it in lower case and without nocase: the buffer is lower case";
            if content.nocase {
                return refuse("http.host keyword specified along with \"nocase\". The hostname buffer is normalized to lowercase, specifying nocase is redundant.")
                    .map_err(|e: RuleError| e.module("detect-http-host").advice(advice));
            }
            if content.bytes.iter().any(u8::is_ascii_uppercase) {
                return refuse("A pattern with uppercase characters detected for http.host. The hostname buffer is normalized to lowercase.")
                    .map_err(|e: RuleError| e.module("detect-http-host").advice(advice));
            }
        }
        "ja3.hash" | "ja3s.hash" | "ssh.hassh" | "ssh.hassh.server" => {
            if content.bytes.len() != 32 || !content.bytes.iter().all(u8::is_ascii_hexdigit) {
                return refuse(format!(
                    "buffer {name}: Invalid length for md5-like keyword (should be 32 characters long)"
                ));
            }
            content.bytes.make_ascii_lowercase();
            if content.nocase {
                return Ok(Some(format!(
                    "buffer {name}: md5-like keyword should not be used together with nocase"
                )));
            }
        }
        "tls.cert_serial" => {
            if content.bytes.len() > 2 && !content.bytes.contains(&b':') {
                return refuse("No colon delimiters ':' detected in content after tls.cert_serial. This rule will therefore never match.")
                    .map_err(|e: RuleError| e.module("detect-tls-cert-serial"));
            }
            if content.nocase {
                return Ok(Some("tls.cert_serial should not be used together with nocase".into()));
            }
            content.bytes.make_ascii_uppercase();
        }
        "tls.cert_fingerprint" => {
            let shape = content.bytes.len() == 59
                && content.bytes.chunks(3).all(|part| part.get(2).is_none_or(|b| *b == b':'));
            if !shape {
                return refuse("Invalid length of the specified fingerprint. This rule will therefore never match.")
                    .map_err(|e: RuleError| e.module("detect-tls-cert-fingerprint"));
            }
            content.bytes.make_ascii_lowercase();
        }
        _ => {}
    }
    Ok(None)
}

fn http_method(bytes: &[u8]) -> Result<()> {
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
    match found {
        None => Ok(()),
        Some((side, name)) => refuse(format!("http_method pattern with {side} {name}"))
            .map_err(|e: RuleError| e.module("detect-http-method")),
    }
}
