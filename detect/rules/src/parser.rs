//! One rule from text to its type.

use std::borrow::Cow;

use crate::builder::Builder;
use crate::error::{Result, RuleError, RuleWarning, Span};
use crate::header::{self, Sets};
use crate::index::{Index, Reader};
use crate::keyword::contract::{OptionText, QuoteRule, ValueRule};
use crate::keyword::{self, Features};
use crate::names::Names;
use crate::requires::{self, Verdict};
use crate::rule::{Place, Rule};
use crate::settings::Settings;
use crate::token::{self, Options, RawOption};
use crate::{classify, describe, fast_pattern, validate};

/// What came of the text of a rule.
pub(crate) enum Parsed {
    /// A rule.
    Rule(Box<Rule>, Vec<RuleWarning>),
    /// Not for this sensor: why.
    Skipped(String),
}

/// Tables that the rules of a loader share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) names: Names,
    pub(crate) sets: Sets,
    pub(crate) index: Index,
}

/// Parses one rule.
pub(crate) fn parse(text: &str, settings: &Settings, shared: &mut Shared) -> Result<Parsed> {
    let whole = Span::new(0, text.len());
    // First without looking for the place: that is several times faster.
    let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    let clean = text.as_bytes().iter().fold(true, |clean, byte| clean & !is_control(byte));
    if !clean && let Some(at) = text.as_bytes().iter().position(is_control) {
        return Err(RuleError::new("control character in a rule")
            .module("detect-parse")
            .at(Span::new(at, at + 1)));
    }
    let words = token::header(text)?;
    if let Verdict::Skip(reason) = requirements(text, &words, settings, &shared.index)? {
        return Ok(Parsed::Skipped(reason));
    }
    let mut rule = header::read(&words, settings, &mut shared.sets)?;
    let header_end = words.dst_ports.span.end;
    rule.header_span = Span { start: words.action.span.start, end: header_end };
    let mut builder = Builder::new(rule, text, settings, &mut shared.names);
    for option in Options::new(text, words.options, words.end) {
        read_option(&mut builder, &option?, &shared.index)?;
    }
    builder.module = "detect-parse";
    builder.span = whole;
    finish(builder)
        .map_err(|error| error.at(whole))
        .map(|(rule, warnings)| Parsed::Rule(Box::new(rule), warnings))
}

/// All `requires` options, wherever they stand.
fn requirements(
    text: &str,
    words: &token::HeaderWords<'_>,
    settings: &Settings,
    index: &Index,
) -> Result<Verdict> {
    let body = text.get(words.options..words.end).unwrap_or("");
    if !body.contains("requires") {
        return Ok(Verdict::Met);
    }
    for option in Options::new(text, words.options, words.end) {
        let Ok(option) = option else { break };
        if option.name.text != "requires" {
            continue;
        }
        let value = option.value.map_or("", |value| value.text);
        if value.starts_with('"') {
            // The common check refuses it, with the common words.
            break;
        }
        let knows = |name: &str| index.get(name).is_some();
        let verdict = requires::evaluate(value, settings, knows)
            .map_err(|error| error.module("detect-requires").at(option.span))?;
        if verdict != Verdict::Met {
            return Ok(verdict);
        }
    }
    Ok(Verdict::Met)
}

fn read_option(builder: &mut Builder<'_>, option: &RawOption<'_>, index: &Index) -> Result<()> {
    let name = option.name.text;
    builder.span = option.span;
    let Some(reader) = index.get(name) else {
        return Err(unknown_keyword(name).at(option.span));
    };
    builder.module = match &reader {
        Reader::Member(member) => member.module,
        _ => "detect-parse",
    };
    let result = match reader {
        Reader::Member(member) => read_member(builder, member, option),
        Reader::Sticky(spec) => read_sticky(builder, spec, option),
        Reader::Modifier(spec) => {
            note_features(builder, &Features::NONE);
            let value = option.value.filter(|value| !value.text.is_empty());
            match value {
                Some(value) => Err(unexpected_value(name, value.text)),
                None => builder.move_content(spec),
            }
        }
        Reader::Number(spec) => {
            note_features(builder, &Features::NONE);
            let text = needed_value(option).and_then(|value| plain(option, value, false));
            text.and_then(|text| keyword::setup_number(builder, spec, &text))
        }
    };
    let module = builder.module;
    result.map_err(|error| {
        let error = error.at(option.span);
        if error.module.is_empty() { error.module(module) } else { error }
    })
}

fn unknown_keyword(name: &str) -> RuleError {
    if describe::is_known(name) {
        return RuleError::new(format!("keyword {name} is not supported")).module("detect-parse");
    }
    RuleError::new(format!("unknown rule keyword '{name}'."))
        .module("detect-parse")
        .advice("`bateleur list keywords` lists the keywords")
}

fn unexpected_value(name: &str, value: &str) -> RuleError {
    RuleError::new(format!("unexpected option to {name} keyword: '{value}'"))
        .module("detect-parse")
        .advice(format!("write `{name};`"))
}

fn needed_value<'t>(option: &RawOption<'t>) -> Result<&'t str> {
    match option.value {
        Some(value) if !value.text.is_empty() => Ok(value.text),
        _ => Err(RuleError::new(format!(
            "invalid formatting or malformed option to {} keyword: value is missing",
            option.name.text
        ))
        .module("detect-parse")),
    }
}

/// Buffers of protocols: no value but, in `=>` rules, a direction.
fn read_sticky(
    builder: &mut Builder<'_>,
    spec: &protocol::BufferSpec,
    option: &RawOption<'_>,
) -> Result<()> {
    note_features(builder, &Features::STICKY);
    let value = option.value.map_or("", |value| value.text);
    let directed = spec.to_server.is_some() && spec.to_client.is_some();
    let direction = match value {
        "" => None,
        "to_server" if directed && validate::takes_direction(spec.name) => {
            Some(decode::Direction::ToServer)
        }
        "to_client" if directed && validate::takes_direction(spec.name) => {
            Some(decode::Direction::ToClient)
        }
        _ => return Err(unexpected_value(option.name.text, value)),
    };
    builder.name_buffer(spec, direction)
}

fn read_member(
    builder: &mut Builder<'_>,
    member: &keyword::Keyword,
    option: &RawOption<'_>,
) -> Result<()> {
    let value = option.value.map_or("", |value| value.text);
    let value = match member.value {
        ValueRule::None if !value.is_empty() => {
            return Err(unexpected_value(option.name.text, value));
        }
        ValueRule::None => "",
        ValueRule::Required => needed_value(option)?,
        ValueRule::Optional => value,
    };
    let (negated, value) = match value.strip_prefix('!') {
        Some(rest) if member.negatable => (true, rest.trim_start()),
        _ => (false, value),
    };
    let mut text = plain(option, value, negated)?;
    text.value = unquote(member, option.name.text, value)?;
    // Flags of the keyword before decide whether `prefilter` may stand here.
    if member.name != "prefilter" {
        note_features(builder, &member.features);
    }
    (member.setup)(builder, &text)
}

fn unquote<'t>(member: &keyword::Keyword, name: &str, value: &'t str) -> Result<&'t str> {
    let quoted = value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
    let inner = || value.get(1..value.len() - 1).unwrap_or("");
    if quoted && value.len() == 2 && member.quotes != QuoteRule::Forbidden {
        return Err(RuleError::new(format!("bad input for keyword {name}: '\"'"))
            .module("detect-parse")
            .advice("put something between the quotes"));
    }
    match member.quotes {
        QuoteRule::Required if quoted => Ok(inner()),
        QuoteRule::Required => Err(RuleError::new(format!(
            "invalid formatting to {name} keyword: value must be double quoted '{name}'"
        ))
        .module("detect-parse")
        .advice(format!("{name}:\"{}\"", value.trim_matches('"')))),
        QuoteRule::Optional if quoted => Ok(inner()),
        QuoteRule::Optional => Ok(value),
        QuoteRule::Forbidden if value.starts_with('"') => Err(RuleError::new(format!(
            "quotes on {name} keyword that doesn't support them: '{name}'"
        ))
        .module("detect-parse")
        .advice("leave the quotes out")),
        QuoteRule::Forbidden => Ok(value),
    }
}

fn plain<'t>(option: &RawOption<'t>, value: &'t str, negated: bool) -> Result<OptionText<'t>> {
    Ok(OptionText {
        name: option.name.text,
        value,
        negated,
        span: option.span,
        value_span: option.value.map_or(option.span, |value| value.span),
    })
}

fn note_features(builder: &mut Builder<'_>, features: &Features) {
    let facts = &mut builder.facts;
    facts.ip_only &= features.ip_only;
    facts.decoder_only &= features.decoder_only;
    facts.packet |= features.packet;
    // What is about the rule only does not come between a keyword and its `prefilter`.
    if *features != Features::META && *features != Features::META.firewall() {
        facts.last_can_prefilter = features.prefilter;
        facts.last_is_content = matches!(builder.module, "detect-content" | "detect-nocase");
    }
    // `flow` and `app-layer-protocol` are what such rules are made of.
    let part_of_pd = matches!(builder.module, "detect-flow" | "detect-app-layer-protocol");
    facts.pd_only &= features.ip_only || part_of_pd;
}

fn finish(mut builder: Builder<'_>) -> Result<(Rule, Vec<RuleWarning>)> {
    builder.finish_rule()?;
    if !builder.facts.sid {
        return Err(RuleError::new("Signature missing required value \"sid\".")
            .module("detect-parse")
            .advice("every rule needs `sid:<number>;`"));
    }
    drop_empty_lists(&mut builder);
    if !builder.facts.priority {
        builder.rule.priority = builder.facts.class_priority.unwrap_or(3);
    }
    builder.rule.class = classify::classify(&builder.rule, &builder.facts);
    validate::validate(&mut builder)?;
    builder.rule.fast_pattern = fast_pattern::choose(&builder.rule, builder.catalogue());
    let mut warnings = builder.warnings;
    for warning in &mut warnings {
        if warning.module.is_empty() {
            warning.module = Cow::Borrowed("detect-parse");
        }
    }
    Ok((builder.rule, warnings))
}

/// Old modifiers may have moved all contents away from the payload.
fn drop_empty_lists(builder: &mut Builder<'_>) {
    let lists = &mut builder.rule.buffers;
    let Some(empty) =
        lists.iter().position(|list| list.ops.is_empty() && list.target.place == Place::Payload)
    else {
        return;
    };
    lists.remove(empty);
    for (place, _) in &mut builder.op_spans {
        if place.buffer > empty {
            place.buffer -= 1;
        }
    }
}
