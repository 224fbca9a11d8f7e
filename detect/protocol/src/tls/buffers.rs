//! What rules can ask of a TLS session.

use decode::Direction;

use super::Tls;
use super::hello::Hello;
use super::state::progress;
use crate::app::AppProto;
use crate::buffer::{BufferId, BufferSpec, NumberId, NumberSpec};

/// The family of TLS buffers and numbers.
pub const FAMILY: u8 = 1;

/// `tls.sni`.
pub const TLS_SNI: BufferId = BufferId::new(FAMILY, 0);
/// `tls.alpn`.
pub const TLS_ALPN: BufferId = BufferId::new(FAMILY, 1);
/// `ja3.hash`.
pub const JA3_HASH: BufferId = BufferId::new(FAMILY, 2);
/// `ja3.string`.
pub const JA3_STRING: BufferId = BufferId::new(FAMILY, 3);
/// `ja3s.hash`.
pub const JA3S_HASH: BufferId = BufferId::new(FAMILY, 4);
/// `ja3s.string`.
pub const JA3S_STRING: BufferId = BufferId::new(FAMILY, 5);
/// `ja4.hash`.
pub const JA4_HASH: BufferId = BufferId::new(FAMILY, 6);
/// `tls.random`.
pub const TLS_RANDOM: BufferId = BufferId::new(FAMILY, 7);
/// `tls.random_time`.
pub const TLS_RANDOM_TIME: BufferId = BufferId::new(FAMILY, 8);
/// `tls.random_bytes`.
pub const TLS_RANDOM_BYTES: BufferId = BufferId::new(FAMILY, 9);
/// `tls.certs`.
pub const TLS_CERTS: BufferId = BufferId::new(FAMILY, 10);
/// `tls.cert_subject`.
pub const TLS_CERT_SUBJECT: BufferId = BufferId::new(FAMILY, 11);
/// `tls.cert_issuer`.
pub const TLS_CERT_ISSUER: BufferId = BufferId::new(FAMILY, 12);
/// `tls.cert_serial`.
pub const TLS_CERT_SERIAL: BufferId = BufferId::new(FAMILY, 13);
/// `tls.cert_fingerprint`.
pub const TLS_CERT_FINGERPRINT: BufferId = BufferId::new(FAMILY, 14);
/// `tls.subjectaltname`.
pub const TLS_SUBJECT_ALT_NAME: BufferId = BufferId::new(FAMILY, 15);

/// `tls.cert_chain_len`.
pub const TLS_CERT_CHAIN_LEN: NumberId = NumberId::new(FAMILY, 0);
/// Version of the side that sends in the direction, for `tls.version` and `ssl_version`.
pub const TLS_VERSION: NumberId = NumberId::new(FAMILY, 1);
/// First second of validity of the side's certificate: an `i64` as `u64`.
pub const TLS_CERT_NOT_BEFORE: NumberId = NumberId::new(FAMILY, 2);
/// Last second of validity of the side's certificate: an `i64` as `u64`.
pub const TLS_CERT_NOT_AFTER: NumberId = NumberId::new(FAMILY, 3);
/// Flags (`message_flag`) of the last handshake message, for `ssl_state`.
pub const TLS_MESSAGE_FLAGS: NumberId = NumberId::new(FAMILY, 4);

const TLS: &[AppProto] = &[AppProto::Tls];

const fn spec(
    id: BufferId,
    name: &'static str,
    aliases: &'static [&'static str],
    to_server: Option<u8>,
    to_client: Option<u8>,
    doc: &'static str,
) -> BufferSpec {
    BufferSpec {
        id,
        name,
        aliases,
        modifier: "",
        pcre_letter: '\0',
        protocols: TLS,
        to_server,
        to_client,
        multi: matches!(id, TLS_ALPN | TLS_CERTS | TLS_SUBJECT_ALT_NAME),
        streaming: false,
        priority: 2,
        doc,
    }
}

const HELLO: Option<u8> = Some(progress::HELLO);
const CERTIFICATE: Option<u8> = Some(progress::CERTIFICATE);

/// Buffers of TLS.
pub const BUFFERS: &[BufferSpec] = &[
    spec(TLS_SNI, "tls.sni", &["tls_sni"], HELLO, None, "Server name that the client asks for"),
    spec(TLS_ALPN, "tls.alpn", &[], HELLO, HELLO, "Application protocols offered or chosen"),
    spec(JA3_HASH, "ja3.hash", &["ja3_hash"], HELLO, None, "JA3 hash of the client"),
    spec(JA3_STRING, "ja3.string", &["ja3_string"], HELLO, None, "JA3 string of the client"),
    spec(JA3S_HASH, "ja3s.hash", &[], None, HELLO, "JA3S hash of the server"),
    spec(JA3S_STRING, "ja3s.string", &[], None, HELLO, "JA3S string of the server"),
    spec(JA4_HASH, "ja4.hash", &["ja4_hash"], HELLO, None, "JA4 of the client"),
    spec(TLS_RANDOM, "tls.random", &[], HELLO, HELLO, "Random value of the hello, 32 bytes"),
    spec(TLS_RANDOM_TIME, "tls.random_time", &[], HELLO, HELLO, "Its first 4 bytes"),
    spec(TLS_RANDOM_BYTES, "tls.random_bytes", &[], HELLO, HELLO, "Its last 28 bytes"),
    spec(TLS_CERTS, "tls.certs", &[], CERTIFICATE, CERTIFICATE, "Certificates as sent (DER)"),
    spec(
        TLS_CERT_SUBJECT,
        "tls.cert_subject",
        &["tls_cert_subject"],
        CERTIFICATE,
        CERTIFICATE,
        "Subject of the certificate on one line",
    ),
    spec(
        TLS_CERT_ISSUER,
        "tls.cert_issuer",
        &["tls_cert_issuer"],
        CERTIFICATE,
        CERTIFICATE,
        "Issuer of the certificate on one line",
    ),
    spec(
        TLS_CERT_SERIAL,
        "tls.cert_serial",
        &["tls_cert_serial"],
        CERTIFICATE,
        CERTIFICATE,
        "Serial number: upper-case hexadecimal pairs with colons",
    ),
    spec(
        TLS_CERT_FINGERPRINT,
        "tls.cert_fingerprint",
        &["tls_cert_fingerprint"],
        CERTIFICATE,
        CERTIFICATE,
        "SHA-1 of the certificate: lower-case hexadecimal pairs with colons",
    ),
    spec(
        TLS_SUBJECT_ALT_NAME,
        "tls.subjectaltname",
        &[],
        None,
        CERTIFICATE,
        "Other names of the server's certificate",
    ),
];

/// Numbers of TLS that have the common syntax; the others are fetched by keywords of their own.
pub const NUMBERS: &[NumberSpec] = &[NumberSpec {
    id: TLS_CERT_CHAIN_LEN,
    name: "tls.cert_chain_len",
    aliases: &[],
    protocols: TLS,
    to_server: CERTIFICATE,
    to_client: CERTIFICATE,
    multi: false,
    bits: 32,
    names: &[],
    doc: "Number of certificates in the chain",
}];

/// The `index`-th instance of a buffer.
pub(super) fn bytes(
    tls: &Tls,
    buffer: BufferId,
    direction: Direction,
    index: usize,
) -> Option<&[u8]> {
    match buffer {
        TLS_ALPN => return tls.side(direction).hellos().flat_map(Hello::protocols).nth(index),
        TLS_CERTS => return tls.side(direction).chain.as_ref()?.nth(index),
        TLS_SUBJECT_ALT_NAME => {
            let names = &tls.certificate(Direction::ToClient)?.alt_names.list;
            return names.get(index).map(String::as_bytes);
        }
        _ if index > 0 => return None,
        _ => {}
    }
    let text = match buffer {
        TLS_SNI => return tls.server_name(),
        TLS_RANDOM => return random(tls, direction),
        TLS_RANDOM_TIME => return random(tls, direction)?.get(..4),
        TLS_RANDOM_BYTES => return random(tls, direction)?.get(4..),
        JA3_HASH => tls.ja3(Direction::ToServer)?.hash.as_ref()?,
        JA3_STRING => &tls.ja3(Direction::ToServer)?.string,
        JA3S_HASH => tls.ja3(Direction::ToClient)?.hash.as_ref()?,
        JA3S_STRING => &tls.ja3(Direction::ToClient)?.string,
        JA4_HASH => {
            tls.client().hello.as_ref().filter(|_| tls.settings.ja4.is_on())?;
            tls.ja4()
        }
        TLS_CERT_SUBJECT => tls.subject(direction)?,
        TLS_CERT_ISSUER => tls.issuer(direction)?,
        TLS_CERT_SERIAL => tls.serial(direction)?,
        TLS_CERT_FINGERPRINT => tls.fingerprint(direction)?,
        _ => return None,
    };
    Some(text.as_bytes())
}

fn random(tls: &Tls, direction: Direction) -> Option<&[u8]> {
    tls.side(direction).hello.as_ref().map(Hello::random)
}

/// A number.
pub(super) fn number(tls: &Tls, number: NumberId, direction: Direction) -> Option<u64> {
    match number {
        TLS_CERT_CHAIN_LEN => {
            let length = tls.side(direction).chain.as_ref()?.len();
            u64::try_from(length).ok()
        }
        TLS_VERSION => tls.version(direction).map(u64::from),
        TLS_CERT_NOT_BEFORE => tls.not_before(direction).map(i64::cast_unsigned),
        TLS_CERT_NOT_AFTER => tls.not_after(direction).map(i64::cast_unsigned),
        TLS_MESSAGE_FLAGS => Some(u64::from(tls.message_flags())),
        _ => None,
    }
}
