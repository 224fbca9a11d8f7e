//! Transforms: what happens to the bytes of a buffer before contents look at them.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::integer;
use crate::keyword::pcre::not_compiled;
use crate::rule::Transform;

macro_rules! plain {
    ($($constant:ident $setup:ident $name:literal $variant:ident $doc:literal),+ $(,)?) => {
        $(pub(crate) const $constant: Keyword =
            Keyword::new($name, concat!("detect-transform-", $name), $setup)
                .doc($doc)
                .no_value()
                .features(Features::TRANSFORM);

        fn $setup(builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
            builder.push_transform(Transform::$variant)
        })+
    };
}

plain! {
    COMPRESS_WHITESPACE compress_whitespace "compress_whitespace" CompressWhitespace
        "runs of white space become one blank",
    STRIP_WHITESPACE strip_whitespace "strip_whitespace" StripWhitespace
        "white space is left out",
    STRIP_PSEUDO_HEADERS strip_pseudo_headers "strip_pseudo_headers" StripPseudoHeaders
        "lines of HTTP/2 pseudo headers are left out",
    TO_MD5 to_md5 "to_md5" ToMd5 "MD5 of the buffer",
    TO_SHA1 to_sha1 "to_sha1" ToSha1 "SHA-1 of the buffer",
    TO_SHA256 to_sha256 "to_sha256" ToSha256 "SHA-256 of the buffer",
    DOTPREFIX dotprefix "dotprefix" Dotprefix "a dot before the buffer",
    URL_DECODE url_decode "url_decode" UrlDecode "percent encoding is decoded",
    TO_LOWERCASE to_lowercase "to_lowercase" ToLowercase "letters become small",
    TO_UPPERCASE to_uppercase "to_uppercase" ToUppercase "letters become capital",
    HEADER_LOWERCASE header_lowercase "header_lowercase" HeaderLowercase
        "header names become small",
    DOMAIN domain "domain" Domain "registered domain of a name",
    TLD tld "tld" Tld "public suffix of a name",
}

pub(crate) const XOR: Keyword = Keyword::new("xor", "detect-transform-xor", xor)
    .doc("XOR with a key")
    .quoted()
    .features(Features::TRANSFORM);
pub(crate) const PCREXFORM: Keyword =
    Keyword::new("pcrexform", "detect-transform-pcrexform", pcrexform)
        .doc("first capture of an expression")
        .quoted()
        .features(Features::TRANSFORM);
pub(crate) const FROM_BASE64: Keyword =
    Keyword::new("from_base64", "detect-transform-from-base64", from_base64)
        .doc("base64 is decoded")
        .optional_value()
        .features(Features::TRANSFORM);
pub(crate) const GUNZIP: Keyword = Keyword::new("gunzip", "detect-transform-gunzip", gunzip)
    .doc("gzip is inflated")
    .optional_value()
    .features(Features::TRANSFORM);
pub(crate) const ZLIB_DEFLATE: Keyword =
    Keyword::new("zlib_deflate", "detect-transform-zlib_deflate", zlib_deflate)
        .doc("zlib is inflated")
        .optional_value()
        .features(Features::TRANSFORM);

/// What inflating gives at most when the rule does not say.
const DEFAULT_MAX_SIZE: u32 = 1024;
/// The most that a rule may say.
const MAX_SIZE: u32 = 16 << 20;

fn xor(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || {
        RuleError::new(format!("XOR transform key must be hexadecimal, not '{}'", option.value))
            .advice("an even number of hexadecimal digits")
    };
    let digits = option.value.as_bytes();
    if digits.is_empty() || digits.len() % 2 == 1 || digits.len() > 510 {
        return Err(bad());
    }
    let key: Option<Vec<u8>> = digits
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => {
                let high = char::from(*high).to_digit(16)?;
                let low = char::from(*low).to_digit(16)?;
                u8::try_from(high << 4 | low).ok()
            }
            _ => None,
        })
        .collect();
    builder.push_transform(Transform::Xor(key.ok_or_else(bad)?))
}

fn pcrexform(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let groups = match builder.settings.pattern_check {
        Some(check) => check(&plain_pattern(option.value))
            .map_err(|fault| not_compiled(builder, option.value, &fault))?,
        None => captures(option.value),
    };
    if groups != 1 {
        return refuse(format!("pcrexform needs exactly one substring capture, found {groups}"));
    }
    builder.push_transform(Transform::Pcre(option.value.to_owned()))
}

fn plain_pattern(text: &str) -> crate::rule::Pcre {
    crate::rule::Pcre {
        pattern: text.as_bytes().to_vec(),
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
    }
}

/// Counts the capturing groups of an expression.
pub(crate) fn captures(pattern: &str) -> u32 {
    let mut count = 0;
    let mut in_class = false;
    let mut bytes = pattern.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'[' => in_class = true,
            b']' => in_class = false,
            b'(' if !in_class => match bytes.peek() {
                Some(b'*') => {}
                Some(b'?') => {
                    bytes.next();
                    // Named groups capture, look-around and modifiers do not.
                    match bytes.next() {
                        Some(b'P') if bytes.peek() == Some(&b'<') => count += 1,
                        Some(b'<') if !matches!(bytes.peek(), Some(b'=' | b'!')) => count += 1,
                        Some(b'\'') => count += 1,
                        _ => {}
                    }
                }
                _ => count += 1,
            },
            _ => {}
        }
    }
    count
}

fn from_base64(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || {
        RuleError::new(format!("invalid from_base64: '{}'", option.value))
            .advice("from_base64[:bytes n][, offset n][, mode rfc4648|rfc2045|strict]")
    };
    let (mut bytes, mut offset, mut mode) = (None, None, None);
    for word in option.value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let (key, value) = word.split_once(char::is_whitespace).ok_or_else(bad)?;
        let value = value.trim();
        let fresh = match key {
            "bytes" => bytes.replace(integer::decimal::<u16>(value).ok_or_else(bad)?).is_none(),
            "offset" => offset.replace(integer::decimal::<u16>(value).ok_or_else(bad)?).is_none(),
            "mode" => {
                let number = match value {
                    "rfc4648" => 0,
                    "rfc2045" => 1,
                    "strict" => 2,
                    _ => return Err(bad()),
                };
                mode.replace(number).is_none()
            }
            _ => false,
        };
        if !fresh {
            return Err(bad());
        }
    }
    builder.push_transform(Transform::FromBase64 {
        bytes: u32::from(bytes.unwrap_or(0)),
        offset: u32::from(offset.unwrap_or(0)),
        mode: mode.unwrap_or(0),
    })
}

fn gunzip(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let size = max_size(option)?;
    builder.push_transform(Transform::Gunzip(size))
}

fn zlib_deflate(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let size = max_size(option)?;
    builder.push_transform(Transform::ZlibDeflate(size))
}

fn max_size(option: &OptionText<'_>) -> Result<u32> {
    if option.value.is_empty() {
        return Ok(DEFAULT_MAX_SIZE);
    }
    let value = option.value.strip_prefix("max-size").map(str::trim);
    let size = value.and_then(integer::with_unit).and_then(|n| u32::try_from(n).ok());
    let bad = || RuleError::new(format!("invalid {}: '{}'", option.name, option.value));
    size.filter(|n| (1..=MAX_SIZE).contains(n)).ok_or_else(bad)
}
