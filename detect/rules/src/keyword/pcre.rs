//! `pcre`: regular expressions and where their captures go.

use crate::builder::Builder;
use crate::error::{Result, RuleError, Span, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::transform;
use crate::rule::{Capture, ContentOp, Pcre, Place};
use crate::settings::PatternFault;

pub(crate) const KEYWORD: Keyword = Keyword::new("pcre", "detect-pcre", setup)
    .doc("regular expression")
    .quotes_optional()
    .negatable()
    .features(Features::NONE.firewall());

const NO_PREVIOUS: &str = "pcre with /R (relative) needs preceding match in the same buffer";
/// Most captures of one expression.
const MAX_CAPTURES: usize = 8;

fn setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    // The negation may stand inside the quotes as well; and a closing quote alone is ignored.
    let text = option.value.strip_suffix('"').unwrap_or(option.value);
    let (negated, text) = match text.strip_prefix('!') {
        Some(text) => (!option.negated, text),
        None => (option.negated, text),
    };
    let (pattern, rest) = split(text).ok_or_else(|| {
        RuleError::new(format!("pcre parse error: {}", option.value))
            .advice("write the expression between slashes: pcre:\"/re/flags\"")
    })?;
    let (letters, list) = match rest.trim_end().split_once([',', ' ']) {
        Some((letters, list)) => (letters, Some(list)),
        None => (rest, None),
    };
    let (mut pcre, mut buffer) = flags(builder, pattern, letters)?;
    pcre.negated = negated;
    // A letter for the sticky buffer in force says nothing new; response bodies are file data.
    let names_this = |spec: &protocol::BufferSpec| {
        let file_data = builder.catalogue().sticky("file.data").map(|spec| Place::Buffer(spec.id));
        let place = builder.place();
        place == Place::Buffer(spec.id)
            || spec.pcre_letter == 'Q' && builder.in_buffer() && Some(place) == file_data
    };
    if buffer.is_some_and(names_this) {
        buffer = None;
    }
    check_letters(builder, &pcre, buffer.is_some(), letters)?;
    pcre.captures = captures(pattern, list)?;
    name_captures(builder, pattern, &pcre)?;
    let relative = pcre.relative;
    let op = ContentOp::Pcre(Box::new(pcre));
    match buffer {
        Some(spec) => {
            if relative && !builder.has_match_in(spec) {
                return refuse(NO_PREVIOUS);
            }
            builder.push_op_to(spec, op)?;
        }
        None => {
            builder.push_op(op);
        }
    }
    Ok(())
}

/// The expression with what its letters say, and the buffer that one of them names.
fn flags(
    builder: &Builder<'_>,
    pattern: &str,
    letters: &str,
) -> Result<(Pcre, Option<&'static protocol::BufferSpec>)> {
    let mut pcre = Pcre {
        pattern: pattern.as_bytes().to_vec(),
        negated: false,
        caseless: false,
        dotall: false,
        multiline: false,
        extended: false,
        anchored: false,
        dollar_end_only: false,
        ungreedy: false,
        configured_limits: false,
        relative: false,
        captures: Vec::new(),
    };
    let mut buffer = None;
    for letter in letters.trim().chars() {
        match letter {
            'i' => pcre.caseless = true,
            's' => pcre.dotall = true,
            'm' => pcre.multiline = true,
            'x' => pcre.extended = true,
            'A' => pcre.anchored = true,
            'E' => pcre.dollar_end_only = true,
            'G' => pcre.ungreedy = true,
            'O' => pcre.configured_limits = true,
            'R' => pcre.relative = true,
            // Raw bytes: always so.
            'B' => {}
            _ => {
                let Some(spec) = builder.catalogue().pcre_letter(letter) else {
                    return refuse(format!("unknown regex modifier '{letter}'"));
                };
                if buffer.replace(spec).is_some() {
                    return refuse("only one pcre option to specify a buffer type is allowed");
                }
            }
        }
    }
    Ok((pcre, buffer))
}

/// Makes the names of its captures known, for which it must have as many groups.
fn name_captures(builder: &mut Builder<'_>, pattern: &str, pcre: &Pcre) -> Result<()> {
    let groups = match builder.settings.pattern_check {
        Some(check) => check(pcre).map_err(|fault| not_compiled(builder, pattern, &fault))?,
        None => transform::captures(pattern),
    };
    if groups > 0 && (groups as usize) < pcre.captures.len() {
        return refuse("more pkt/flow var capture names than capturing substrings");
    }
    for capture in &pcre.captures {
        match capture {
            Capture::Flow(name) => {
                builder.names.flowvars.intern(name);
            }
            Capture::Packet(name) => {
                builder.names.pktvars.intern(name);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The error for an expression that does not compile, at the place where it stops to make sense.
pub(crate) fn not_compiled(
    builder: &Builder<'_>,
    pattern: &str,
    fault: &PatternFault,
) -> RuleError {
    let PatternFault { offset, message } = fault;
    let error = RuleError::new(format!(
        "pcre2 compile of \"{pattern}\" failed at offset {offset}: {message}"
    ));
    match builder.place_of(pattern) {
        Some(span) => {
            let at = (span.start as usize).saturating_add(*offset);
            error.at(Span::new(at, at.saturating_add(1)))
        }
        None => error,
    }
}

fn check_letters(builder: &Builder<'_>, pcre: &Pcre, buffer: bool, letters: &str) -> Result<()> {
    if buffer && builder.in_buffer() {
        return refuse("Expression seen with a sticky buffer still set; either (1) reset sticky buffer with pkt_data or (2) use a sticky buffer providing the wanted one.")
            .map_err(|e: RuleError| e.advice("drop the buffer's letter: the sticky buffer holds"));
    }
    let in_payload = builder.place() == Place::Payload && !builder.in_buffer();
    let before = builder.current_ops().iter();
    let matched = before.clone().any(|op| matches!(op, ContentOp::Content(_) | ContentOp::Pcre(_)));
    if pcre.relative && !buffer && in_payload && !builder.in_base64() && !matched {
        return refuse(NO_PREVIOUS);
    }
    if letters.contains('W') && !pcre.caseless {
        let mut escaped = false;
        for &byte in &pcre.pattern {
            let upper = byte.is_ascii_uppercase() && !escaped;
            escaped = byte == b'\\' && !escaped;
            if upper {
                return refuse(
                    "pcre host(\"W\") specified has an uppercase char.  Since the hostname buffer we match against is lowercase only, please specify an all lowercase based pcre.",
                );
            }
        }
    }
    Ok(())
}

/// The expression between the first slash and the last unescaped one, and what follows.
fn split(text: &str) -> Option<(&str, &str)> {
    let rest = text.trim_start().strip_prefix('/')?;
    let bytes = rest.as_bytes();
    let escaped = |at: usize| {
        let before = bytes.get(..at).unwrap_or(&[]);
        before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
    };
    let end = memchr::memrchr_iter(b'/', bytes).find(|&at| !escaped(at))?;
    Some((rest.get(..end)?, rest.get(end + 1..)?))
}

/// Named groups `flow_x` and `pkt_x`, or the list behind the letters.
fn captures(pattern: &str, list: Option<&str>) -> Result<Vec<Capture>> {
    let mut captures = Vec::new();
    if let Some(list) = list {
        for part in list.split(',').map(str::trim) {
            let capture = match part.split_once(':') {
                Some(("flow", name)) => Capture::Flow(name.trim().to_owned()),
                Some(("alert", name)) => Capture::Alert(name.trim().to_owned()),
                Some(("pkt", "key")) => Capture::PacketKey,
                Some(("pkt", "value")) => Capture::PacketValue,
                Some(("pkt", name)) => Capture::Packet(name.trim().to_owned()),
                _ if part.eq_ignore_ascii_case("pkt:key") => Capture::PacketKey,
                _ => return refuse(format!("'{part}' is not a place for a capture")),
            };
            captures.push(capture);
        }
    } else {
        let mut rest = pattern;
        while let Some(at) = rest.find("(?P<") {
            rest = rest.get(at + 4..).unwrap_or("");
            let Some((name, behind)) = rest.split_once('>') else { break };
            if let Some(name) = name.strip_prefix("flow_") {
                captures.push(Capture::Flow(name.to_owned()));
            } else if let Some(name) = name.strip_prefix("pkt_") {
                captures.push(Capture::Packet(name.to_owned()));
            } else if let Some(name) = name.strip_prefix("alert_") {
                captures.push(Capture::Alert(name.to_owned()));
            }
            rest = behind;
        }
    }
    if captures.len() > MAX_CAPTURES {
        return refuse(format!("more than {MAX_CAPTURES} captures into variables"));
    }
    Ok(captures)
}
