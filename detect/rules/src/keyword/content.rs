//! `content` and what stands behind it: position, case, fast pattern, replacement.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::integer;
use crate::rule::{Content, ContentOp, Operand};

/// Largest magnitude of `distance`, `within` and their kind.
const MAX_POSITION: i64 = 1_048_576;
/// Longest content.
const MAX_LENGTH: usize = 8192;

const MODIFIER: Features = Features::NONE;

pub(crate) const CONTENT: Keyword = Keyword::new("content", "detect-content", content)
    .doc("bytes to look for")
    .quoted()
    .negatable()
    .features(Features::NONE.firewall());
pub(crate) const URICONTENT: Keyword = Keyword::new("uricontent", "detect-uricontent", uricontent)
    .doc("bytes to look for in the URI (old)")
    .quoted()
    .negatable();
pub(crate) const NOCASE: Keyword = Keyword::new("nocase", "detect-nocase", nocase)
    .doc("case of the content before does not matter")
    .no_value()
    .features(MODIFIER);
pub(crate) const DEPTH: Keyword = Keyword::new("depth", "detect-depth", depth)
    .doc("where the window for the content before ends")
    .features(MODIFIER);
pub(crate) const OFFSET: Keyword = Keyword::new("offset", "detect-offset", offset)
    .doc("where the window for the content before begins")
    .features(MODIFIER);
pub(crate) const DISTANCE: Keyword = Keyword::new("distance", "detect-distance", distance)
    .doc("distance of the content before from the previous match")
    .features(MODIFIER);
pub(crate) const WITHIN: Keyword = Keyword::new("within", "detect-within", within)
    .doc("window for the content before from the previous match on")
    .features(MODIFIER);
pub(crate) const STARTSWITH: Keyword = Keyword::new("startswith", "detect-startswith", startswith)
    .doc("the content before must be at the beginning")
    .no_value()
    .features(MODIFIER);
pub(crate) const ENDSWITH: Keyword = Keyword::new("endswith", "detect-endswith", endswith)
    .doc("the content before must be at the end")
    .no_value()
    .features(MODIFIER);
pub(crate) const RAWBYTES: Keyword = Keyword::new("rawbytes", "detect-rawbytes", rawbytes)
    .doc("accepted for old rules")
    .no_value()
    .features(MODIFIER);
pub(crate) const FAST_PATTERN: Keyword =
    Keyword::new("fast_pattern", "detect-fast-pattern", fast_pattern)
        .doc("the prefilter is to look for the content before")
        .optional_value()
        .features(MODIFIER);
pub(crate) const REPLACE: Keyword = Keyword::new("replace", "detect-replace", replace)
    .doc("bytes that take the place of the content before (inline)")
    .quoted()
    .negatable()
    .features(MODIFIER);

fn content(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bytes = pattern(option.value, "content")?;
    let content = Content { bytes, negated: option.negated, ..Content::default() };
    builder.push_op(ContentOp::Content(content));
    Ok(())
}

fn uricontent(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    content(builder, option)?;
    match builder.catalogue().modifier("http_uri") {
        Some(spec) => builder.move_content(spec),
        None => refuse("keyword uricontent is not supported"),
    }
}

/// Text with hexadecimal parts between bars to bytes.
pub(crate) fn pattern(text: &str, keyword: &str) -> Result<Vec<u8>> {
    if text.is_empty() {
        return refuse(format!("invalid {keyword} option: it must not be empty"));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut hex = false;
    let mut half: Option<u8> = None;
    let mut escaped = false;
    for &byte in text.as_bytes() {
        if escaped {
            if !matches!(byte, b':' | b';' | b'\\' | b'"') {
                return refuse(format!("'{}' can't be escaped", char::from(byte)));
            }
            bytes.push(byte);
            escaped = false;
        } else if hex {
            match (byte, char::from(byte).to_digit(16)) {
                (b'|', _) if half.is_none() => hex = false,
                (b'|', _) => return refuse("odd number of hexadecimal digits between bars"),
                (b' ', _) => {}
                (_, Some(digit)) => match half.take() {
                    None => half = Some(digit as u8),
                    Some(high) => bytes.push(high << 4 | digit as u8),
                },
                // Accepted as a separator, as by Suricata 8.
                (b',', _) => {}
                _ => {
                    return refuse(format!(
                        "'{}' is not a hexadecimal digit in {keyword}",
                        char::from(byte)
                    ));
                }
            }
        } else {
            match byte {
                b'|' => hex = true,
                b'\\' => escaped = true,
                b'"' | b';' => {
                    return refuse(format!("'{}' has to be escaped", char::from(byte)))
                        .map_err(|e: RuleError| e.advice("write a backslash before it"));
                }
                _ => bytes.push(byte),
            }
        }
    }
    if hex {
        return refuse("'|' without its partner");
    }
    if bytes.is_empty() || bytes.len() > MAX_LENGTH {
        return refuse(format!("{keyword} must have 1 to {MAX_LENGTH} bytes"));
    }
    Ok(bytes)
}

/// The content that a modifier is about.
fn target<'b>(builder: &'b mut Builder<'_>, keyword: &str) -> Result<&'b mut Content> {
    let missing = || {
        RuleError::new(format!("{keyword} needs preceding content option"))
            .advice("put a content before it")
    };
    builder.last_content().ok_or_else(missing)
}

fn nocase(builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
    let content = target(builder, "nocase")?;
    if content.nocase {
        return refuse("can't use multiple nocase modifiers with the same content");
    }
    content.nocase = true;
    let had_capitals = content.bytes.iter().any(u8::is_ascii_uppercase);
    content.bytes.make_ascii_lowercase();
    if had_capitals {
        builder.note_capitals();
    }
    Ok(())
}

const ABSOLUTE_AND_RELATIVE: &str = "can't use a relative keyword like within/distance with a \
    absolute relative keyword like depth/offset for the same content.";
const NEGATED_FAST: &str = "can't have a relative negated keyword set along with 'fast_pattern'.";

/// Which of the four positions is being set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Offset,
    Depth,
    Distance,
    Within,
}

impl Position {
    const fn name(self) -> &'static str {
        match self {
            Self::Offset => "offset",
            Self::Depth => "depth",
            Self::Distance => "distance",
            Self::Within => "within",
        }
    }

    const fn plural(self) -> &'static str {
        match self {
            Self::Offset => "offsets",
            Self::Depth => "depths",
            Self::Distance => "distances",
            Self::Within => "withins",
        }
    }

    const fn is_relative(self) -> bool {
        matches!(self, Self::Distance | Self::Within)
    }
}

fn offset(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    position(builder, option, Position::Offset)
}

fn depth(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    position(builder, option, Position::Depth)
}

fn distance(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    position(builder, option, Position::Distance)
}

fn within(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    position(builder, option, Position::Within)
}

fn position(builder: &mut Builder<'_>, option: &OptionText<'_>, which: Position) -> Result<()> {
    let content = target(builder, which.name())?;
    let slot = match which {
        Position::Offset => &content.offset,
        Position::Depth => &content.depth,
        Position::Distance => &content.distance,
        Position::Within => &content.within,
    };
    if content.startswith {
        return refuse(format!("can't use {} with startswith for the same content.", which.name()));
    }
    if slot.is_some() {
        let plural = which.plural();
        return refuse(format!("can't use multiple {plural} for the same content."));
    }
    let absolute = content.offset.is_some() || content.depth.is_some();
    if which.is_relative() && absolute || !which.is_relative() && content.is_relative() {
        return refuse(ABSOLUTE_AND_RELATIVE);
    }
    if content.negated && content.fast_pattern.is_some() {
        return refuse(NEGATED_FAST);
    }
    if builder.only_fast_pattern() {
        return refuse("can't have a relative keyword set along with 'fast_pattern:only;'.");
    }
    let operand = operand(builder, option.value, which)?;
    let content = target(builder, which.name())?;
    let length = i64::try_from(content.bytes.len()).unwrap_or(i64::MAX);
    match which {
        Position::Offset => content.offset = Some(operand),
        Position::Distance => content.distance = Some(operand),
        Position::Depth => {
            if let Operand::Value(depth) = operand
                && depth < length
            {
                return refuse(format!("depth:{depth} smaller than content of length {length}."))
                    .map_err(|e: RuleError| e.advice("depth counts from the offset on"));
            }
            content.depth = Some(operand);
        }
        Position::Within => {
            if let Operand::Value(within) = operand
                && within < length
            {
                return refuse(format!("within:{within} smaller than content of length {length}."))
                    .map_err(|e: RuleError| e.advice("within must leave room for the content"));
            }
            content.within = Some(operand);
        }
    }
    Ok(())
}

fn operand(builder: &mut Builder<'_>, text: &str, which: Position) -> Result<Operand> {
    let name = which.name();
    let begins_as_number = text
        .strip_prefix('-')
        .unwrap_or(text)
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_digit());
    if !begins_as_number {
        let Some(variable) = builder.variable(text) else {
            return refuse(format!("unknown byte_ keyword var seen in {name} - {text}."))
                .map_err(|e: RuleError| e.advice("define it by byte_extract or byte_math before"));
        };
        return Ok(Operand::Variable(variable));
    }
    let invalid = || match which {
        Position::Depth | Position::Offset => format!("invalid value for {name}: {text}."),
        Position::Distance | Position::Within => format!("invalid value for {name}: {text}"),
    };
    let Some(value) = integer::c_signed(text) else { return refuse(invalid()) };
    let fits = match which {
        Position::Offset | Position::Depth => (0..=65_535).contains(&value),
        Position::Distance | Position::Within => value.abs() <= MAX_POSITION,
    };
    if fits { Ok(Operand::Value(value)) } else { refuse(invalid()) }
}

fn startswith(builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
    if builder.only_fast_pattern() {
        return refuse("can't have startswith set along with 'fast_pattern:only;'.");
    }
    let content = target(builder, "startswith")?;
    if content.startswith {
        return refuse("can't use multiple startswith's with the same content");
    }
    if content.offset.is_some() || content.depth.is_some() || content.is_relative() {
        return refuse(
            "can't use startswith with depth/offset/distance/within for the same content",
        );
    }
    if content.negated && content.fast_pattern.is_some() {
        return refuse(NEGATED_FAST);
    }
    content.startswith = true;
    content.offset = Some(Operand::Value(0));
    content.depth = Some(Operand::Value(i64::try_from(content.bytes.len()).unwrap_or(i64::MAX)));
    Ok(())
}

fn endswith(builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
    target(builder, "endswith")?.endswith = true;
    Ok(())
}

fn rawbytes(builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
    target(builder, "rawbytes")?;
    if builder.note_rawbytes() {
        return refuse("can't use multiple rawbytes modifiers for the same content.");
    }
    Ok(())
}

fn fast_pattern(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    if builder.last_content_in_base64() {
        return refuse("fast_pattern cannot be used with base64_data")
            .map_err(|e: RuleError| e.advice("give it to a content before base64_decode"));
    }
    if builder.has_fast_pattern() {
        return refuse("fast_pattern can be used on only one content in a rule");
    }
    let content = target(builder, "fast_pattern")?;
    let positioned = content.offset.is_some() || content.depth.is_some() || content.is_relative();
    if content.negated && positioned {
        return refuse(NEGATED_FAST);
    }
    let slice = match option.value {
        "" => None,
        "only" => {
            if content.negated || positioned {
                return refuse(
                    "fast_pattern:only cannot be used with negated or positioned contents",
                );
            }
            content.fast_pattern = Some(None);
            builder.set_only_fast_pattern();
            return Ok(());
        }
        slice => {
            let bad = || RuleError::new(format!("invalid fast_pattern slice: '{slice}'"));
            let (offset, len) = slice.split_once(',').ok_or_else(bad)?;
            let offset: u16 = integer::decimal(offset).ok_or_else(bad)?;
            let len: u16 = integer::decimal(len).ok_or_else(bad)?;
            if usize::from(offset) + usize::from(len) > content.bytes.len() {
                return refuse(format!(
                    "fast_pattern slice {offset},{len} exceeds the content of length {}",
                    content.bytes.len()
                ));
            }
            Some((offset, len))
        }
    };
    content.fast_pattern = Some(slice);
    Ok(())
}

fn replace(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    if !builder.settings.inline {
        builder.warn("Can't use 'replace' keyword in non IPS mode: the keyword is ignored");
        return Ok(());
    }
    if option.negated {
        return refuse("replace can't be negated");
    }
    let bytes = pattern(option.value, "replace")?;
    let content = target(builder, "replace")?;
    if content.negated {
        return refuse("can't have replace on a negated content");
    }
    if content.replace.is_some() {
        return refuse("can't use multiple replace modifiers with the same content");
    }
    if content.bytes.len() != bytes.len() {
        return refuse("replace must have the length of the content");
    }
    content.replace = Some(bytes);
    Ok(())
}
