//! TLS keywords with a syntax of their own.

use decode::Direction;
use protocol::tls::{TLS_CERT_NOT_AFTER, TLS_CERT_NOT_BEFORE, TLS_MESSAGE_FLAGS, TLS_VERSION};
use protocol::{AppProto, NumberId};

use crate::builder::Builder;
use crate::date::parse_date;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Keyword, OptionText};
use crate::keyword::{NumberSet, TxCheck, content};
use crate::rule::{Compare, Content, ContentOp, NumberCheck};

pub(crate) const VERSION: Keyword =
    Keyword::new("tls.version", "detect-tls-version", version).doc("version of TLS");
pub(crate) const SSL_VERSION: Keyword =
    Keyword::new("ssl_version", "detect-ssl-version", ssl_version).doc("versions of SSL and TLS");
pub(crate) const SSL_STATE: Keyword = Keyword::new("ssl_state", "detect-ssl-state", ssl_state)
    .doc("messages of the handshake that were seen");
pub(crate) const NOT_BEFORE: Keyword =
    Keyword::new("tls_cert_notbefore", "detect-tls-cert-validity", not_before)
        .doc("when the certificate becomes valid");
pub(crate) const NOT_AFTER: Keyword =
    Keyword::new("tls_cert_notafter", "detect-tls-cert-validity", not_after)
        .doc("when the certificate expires");
pub(crate) const EXPIRED: Keyword =
    Keyword::new("tls_cert_expired", "detect-tls-cert-validity", expired)
        .doc("the certificate has expired")
        .no_value();
pub(crate) const VALID: Keyword = Keyword::new("tls_cert_valid", "detect-tls-cert-validity", valid)
    .doc("the certificate is within its time")
    .no_value();
pub(crate) const SUBJECT: Keyword = Keyword::new("tls.subject", "detect-tls", subject)
    .doc("subject of the certificate (old)")
    .quoted()
    .negatable();
pub(crate) const ISSUERDN: Keyword = Keyword::new("tls.issuerdn", "detect-tls", issuerdn)
    .doc("issuer of the certificate (old)")
    .quoted()
    .negatable();
pub(crate) const FINGERPRINT: Keyword = Keyword::new("tls.fingerprint", "detect-tls", fingerprint)
    .doc("SHA-1 of the certificate (old)")
    .quoted()
    .negatable();

const TLS: &[AppProto] = &[AppProto::Tls];

/// Names of versions with their numbers on the wire.
const VERSIONS: &[(&str, u64)] = &[
    ("sslv2", 0x0200),
    ("sslv3", 0x0300),
    ("tls1.0", 0x0301),
    ("tls1.1", 0x0302),
    ("tls1.2", 0x0303),
    ("tls1.3", 0x0304),
];

fn version(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let value = match option.value {
        "1.0" => 0x0301,
        "1.1" => 0x0302,
        "1.2" => 0x0303,
        "1.3" => 0x0304,
        text => {
            let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
            let number = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
            match number {
                Some(number) => u64::from(number),
                None => {
                    return refuse(format!("Invalid value: {text}"))
                        .map_err(|e: RuleError| e.advice("1.0, 1.1, 1.2, 1.3 or 0x0303"));
                }
            }
        }
    };
    compare(builder, TLS_VERSION, Compare::Equal(value))
}

fn ssl_version(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    // A `!` before the first version turns the whole list over.
    let (negated, list) = match option.value.strip_prefix('!') {
        Some(list) => (true, list),
        None => (false, option.value),
    };
    let mut ranges = Vec::new();
    for name in list.split(',').map(str::trim) {
        match VERSIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, value)) => ranges.push((*value, *value)),
            None => return refuse("Invalid unknown value"),
        }
    }
    let set = NumberSet { number: TLS_VERSION, ranges, negated, direction: None };
    builder.push_tx_check(TxCheck::NumberSet(set), TLS)
}

fn ssl_state(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let (mut wanted, mut unwanted) = (0, 0);
    let (turned, list) = match option.value.strip_prefix('!') {
        Some(list) => (true, list),
        None => (false, option.value),
    };
    for part in list.split([',', '|']).map(str::trim) {
        let (negated, part) = match part.strip_prefix('!') {
            Some(part) => (true, part.trim_start()),
            None => (turned, part),
        };
        let side = if negated { &mut unwanted } else { &mut wanted };
        *side |= match part {
            "client_hello" => 1,
            "server_hello" => 2,
            "client_keyx" => 4,
            "server_keyx" => 8,
            "unknown" => 16,
            _ => return refuse(format!("unknown ssl_state '{part}'")),
        };
    }
    // Only one message is the last one: if one is wanted, the unwanted ones say nothing.
    let check = match wanted {
        0 => Compare::Mask(unwanted, 0),
        _ => Compare::NotMask(wanted, 0),
    };
    compare(builder, TLS_MESSAGE_FLAGS, check)
}

fn not_before(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let check = date(option)?;
    on_certificate(builder, TLS_CERT_NOT_BEFORE, check)
}

fn not_after(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let check = date(option)?;
    on_certificate(builder, TLS_CERT_NOT_AFTER, check)
}

fn expired(builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
    builder.push_tx_check(certificate_time(true), TLS)
}

fn valid(builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
    builder.push_tx_check(certificate_time(false), TLS)
}

const fn certificate_time(expired: bool) -> TxCheck {
    let (not_before, not_after) = (TLS_CERT_NOT_BEFORE, TLS_CERT_NOT_AFTER);
    TxCheck::CertificateTime { not_before, not_after, expired }
}

/// `2015`, `<2016-10`, `>2012-03-04 10:20:30`, `a<>b`: seconds since the epoch.
fn date(option: &OptionText<'_>) -> Result<Compare> {
    let bad = || {
        RuleError::new(format!("invalid date in {}: '{}'", option.name, option.value))
            .advice("[<>]YYYY[-MM[-DD[ HH[:MM[:SS]]]]], or two dates with <> between")
    };
    let text = option.value;
    let when = |text: &str| parse_date(text.trim()).ok_or_else(bad);
    if let Some((low, high)) = text.split_once("<>") {
        let (low, high) = (when(low)?, when(high)?);
        return if low < high { Ok(Compare::Range(low, high)) } else { Err(bad()) };
    }
    if let Some(rest) = text.strip_prefix('<') {
        return Ok(Compare::Less(when(rest)?));
    }
    if let Some(rest) = text.strip_prefix('>') {
        return Ok(Compare::Greater(when(rest)?));
    }
    Ok(Compare::Equal(when(text)?))
}

fn compare(builder: &mut Builder<'_>, number: NumberId, compare: Compare) -> Result<()> {
    builder.push_tx_check(TxCheck::Number(NumberCheck { number, compare, direction: None }), TLS)
}

/// The certificate of the server.
fn on_certificate(builder: &mut Builder<'_>, number: NumberId, compare: Compare) -> Result<()> {
    let direction = Some(Direction::ToClient);
    builder.push_tx_check(TxCheck::Number(NumberCheck { number, compare, direction }), TLS)
}

fn unsupported(option: &OptionText<'_>) -> Result<()> {
    refuse(format!("keyword {} is not supported", option.name))
}

fn subject(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    on_buffer(builder, "tls.cert_subject", option)
}

fn issuerdn(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    on_buffer(builder, "tls.cert_issuer", option)
}

fn fingerprint(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    on_buffer(builder, "tls.cert_fingerprint", option)
}

/// The old keywords are contents of the buffers that came after them.
fn on_buffer(builder: &mut Builder<'_>, buffer: &str, option: &OptionText<'_>) -> Result<()> {
    let bytes = content::pattern(option.value, option.name)?;
    let content = Content { bytes, negated: option.negated, ..Content::default() };
    let Some(spec) = builder.catalogue().sticky(buffer) else { return unsupported(option) };
    builder.push_op_to(spec, ContentOp::Content(content))
}
