//! The `tls` object of records and alerts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use decode::Direction;
use json::Writer;

use super::Tls;
use super::fingerprint::Ja3;
use super::hello::Hello;
use super::state::{Side, version};
use super::time;
use crate::parser::LogOptions;

/// Parts of the object, in the order in which they are written.
mod field {
    pub(super) const SUBJECT: u32 = 1;
    pub(super) const ISSUER: u32 = 1 << 1;
    pub(super) const SUBJECT_ALT_NAME: u32 = 1 << 2;
    pub(super) const SESSION_RESUMED: u32 = 1 << 3;
    pub(super) const SERIAL: u32 = 1 << 4;
    pub(super) const FINGERPRINT: u32 = 1 << 5;
    pub(super) const SNI: u32 = 1 << 6;
    pub(super) const VERSION: u32 = 1 << 7;
    pub(super) const NOT_BEFORE: u32 = 1 << 8;
    pub(super) const NOT_AFTER: u32 = 1 << 9;
    pub(super) const CERTIFICATE: u32 = 1 << 10;
    pub(super) const CHAIN: u32 = 1 << 11;
    pub(super) const JA3: u32 = 1 << 12;
    pub(super) const JA3S: u32 = 1 << 13;
    pub(super) const JA4: u32 = 1 << 14;
    pub(super) const CLIENT_ALPNS: u32 = 1 << 15;
    pub(super) const SERVER_ALPNS: u32 = 1 << 16;
    pub(super) const CLIENT_HANDSHAKE: u32 = 1 << 17;
    pub(super) const SERVER_HANDSHAKE: u32 = 1 << 18;
    pub(super) const CLIENT: u32 = 1 << 19;
    pub(super) const CLIENT_CERTIFICATE: u32 = 1 << 20;
    pub(super) const CLIENT_CHAIN: u32 = 1 << 21;

    /// Without `extended`.
    pub(super) const BASIC: u32 = SUBJECT | ISSUER | SUBJECT_ALT_NAME;

    /// With `extended`.
    pub(super) const EXTENDED: u32 = BASIC
        | SERIAL
        | FINGERPRINT
        | SNI
        | VERSION
        | NOT_BEFORE
        | NOT_AFTER
        | JA3
        | JA3S
        | JA4
        | CLIENT_ALPNS
        | SERVER_ALPNS
        | CLIENT;

    /// By the name in `custom`; 0: no such field.
    pub(super) fn by_name(name: &str) -> u32 {
        match name {
            "subject" => SUBJECT,
            "issuer" => ISSUER,
            "subjectaltname" => SUBJECT_ALT_NAME,
            "session_resumed" => SESSION_RESUMED,
            "serial" => SERIAL,
            "fingerprint" => FINGERPRINT,
            "sni" => SNI,
            "version" => VERSION,
            "not_before" => NOT_BEFORE,
            "not_after" => NOT_AFTER,
            "certificate" => CERTIFICATE,
            "chain" => CHAIN,
            "ja3" => JA3,
            "ja3s" => JA3S,
            "ja4" => JA4,
            "client_alpns" => CLIENT_ALPNS,
            "server_alpns" => SERVER_ALPNS,
            "client_handshake" => CLIENT_HANDSHAKE,
            "server_handshake" => SERVER_HANDSHAKE,
            "client" => CLIENT,
            "client_certificate" => CLIENT | CLIENT_CERTIFICATE,
            "client_chain" => CLIENT | CLIENT_CHAIN,
            _ => 0,
        }
    }
}

/// Part that `session-resumption: no` switches off.
const SESSION_RESUMPTION: &str = "session-resumption";

/// True when `custom` may name this field.
pub fn is_custom_field(name: &str) -> bool {
    field::by_name(name) != 0
}

/// Writes `"tls":{...}`; false when the session yields no record.
pub(super) fn write(tls: &Tls, options: &LogOptions, out: &mut Writer<'_>) -> bool {
    let fields = if options.embedded {
        field::EXTENDED
    } else {
        let resumption = !options.off.iter().any(|name| name == SESSION_RESUMPTION);
        let worthy = tls.server().has_certificate()
            || (tls.flags.resumed && resumption)
            || tls.flags.log_without_certificate;
        if !worthy {
            return false;
        }
        selected(options) | if resumption { field::SESSION_RESUMED } else { 0 }
    };
    out.key("tls").open();
    server_certificate(tls, fields, out);
    names_and_versions(tls, fields, out);
    certificates(tls.server(), fields & field::CERTIFICATE != 0, fields & field::CHAIN != 0, out);
    fingerprints(tls, fields, out);
    protocols(tls, fields, out);
    handshakes(tls, fields, out);
    if fields & field::CLIENT != 0 {
        client_certificate(tls, fields, out);
    }
    if let Some(origin) = tls.origin.filter(|_| !options.embedded) {
        out.field_str("from_proto", origin.name());
    }
    out.close();
    true
}

fn selected(options: &LogOptions) -> u32 {
    if !options.custom.is_empty() {
        return options.custom.iter().fold(0, |fields, name| fields | field::by_name(name));
    }
    if options.extended { field::EXTENDED } else { field::BASIC }
}

fn server_certificate(tls: &Tls, fields: u32, out: &mut Writer<'_>) {
    if let Some(certificate) = tls.certificate(Direction::ToClient) {
        if fields & field::SUBJECT != 0 {
            out.field_str("subject", &certificate.subject);
        }
        if fields & field::ISSUER != 0 {
            out.field_str("issuerdn", &certificate.issuer);
        }
        if fields & field::SUBJECT_ALT_NAME != 0 && !certificate.alt_names.list.is_empty() {
            out.key("subjectaltname").open_array();
            for name in &certificate.alt_names.list {
                out.str(name);
            }
            out.close_array();
        }
    }
    if fields & field::SESSION_RESUMED != 0 && is_resumed(tls) {
        out.field_bool("session_resumed", true);
    }
    if let Some(serial) = tls.serial(Direction::ToClient).filter(|_| fields & field::SERIAL != 0) {
        out.field_str("serial", serial);
    }
    if fields & field::FINGERPRINT != 0
        && let Some(fingerprint) = tls.fingerprint(Direction::ToClient)
    {
        out.field_str("fingerprint", fingerprint);
    }
}

/// A session counts as resumed when the server showed no certificate where one was due.
fn is_resumed(tls: &Tls) -> bool {
    tls.flags.resumed
        && tls.flags.server_hello
        && !tls.flags.log_without_certificate
        && !tls.server().has_certificate()
}

fn names_and_versions(tls: &Tls, fields: u32, out: &mut Writer<'_>) {
    if let Some(name) = tls.server_name().filter(|_| fields & field::SNI != 0) {
        out.field_text("sni", name);
    }
    if fields & field::VERSION != 0 {
        let number = tls.version(Direction::ToClient).or(tls.version(Direction::ToServer));
        out.field_str("version", &version::name(number.unwrap_or(0)));
    }
    let [not_before, not_after] = [field::NOT_BEFORE, field::NOT_AFTER].map(|f| fields & f != 0);
    validity(tls, Direction::ToClient, not_before, not_after, out);
}

fn validity(tls: &Tls, side: Direction, before: bool, after: bool, out: &mut Writer<'_>) {
    let dates =
        [("notbefore", before, tls.not_before(side)), ("notafter", after, tls.not_after(side))];
    let mut text = String::new();
    for (key, wanted, seconds) in dates {
        // The epoch itself counts as no date (Suricata 8).
        if let Some(seconds) = seconds.filter(|seconds| wanted && *seconds != 0) {
            text.clear();
            time::write(seconds, &mut text);
            out.field_str(key, &text);
        }
    }
}

fn certificates(side: &Side, first: bool, all: bool, out: &mut Writer<'_>) {
    let Some(chain) = side.chain.as_ref().filter(|chain| chain.len() > 0) else {
        return;
    };
    if let Some(certificate) = chain.nth(0).filter(|_| first) {
        out.field_str("certificate", &BASE64.encode(certificate));
    }
    if all {
        out.key("chain").open_array();
        for certificate in chain.certificates() {
            out.str(&BASE64.encode(certificate));
        }
        out.close_array();
    }
}

fn fingerprints(tls: &Tls, fields: u32, out: &mut Writer<'_>) {
    let kinds =
        [("ja3", field::JA3, Direction::ToServer), ("ja3s", field::JA3S, Direction::ToClient)];
    for (key, wanted, side) in kinds {
        if fields & wanted != 0
            && let Some(Ja3 { string, hash }) = tls.ja3(side)
        {
            out.key(key).open();
            if let Some(hash) = hash {
                out.field_str("hash", hash);
            }
            out.field_str("string", string).close();
        }
    }
    if fields & field::JA4 != 0 {
        out.field_str("ja4", tls.ja4());
    }
}

fn protocols(tls: &Tls, fields: u32, out: &mut Writer<'_>) {
    let sides = [
        ("client_alpns", field::CLIENT_ALPNS, tls.client()),
        ("server_alpns", field::SERVER_ALPNS, tls.server()),
    ];
    for (key, wanted, side) in sides {
        let mut names = side.hellos().flat_map(Hello::protocols).peekable();
        if fields & wanted != 0 && names.peek().is_some() {
            out.key(key).open_array();
            for name in names {
                out.text(name);
            }
            out.close_array();
        }
    }
}

fn handshakes(tls: &Tls, fields: u32, out: &mut Writer<'_>) {
    let client = tls.client();
    if fields & field::CLIENT_HANDSHAKE != 0 && client.hello.is_some() {
        out.key("client_handshake").open();
        highest_version(client, out);
        numbers("ciphers", client.hellos().flat_map(Hello::ciphers), out);
        numbers("exts", extensions(client), out);
        numbers("sig_algs", client.hellos().flat_map(Hello::signature_algorithms), out);
        out.close();
    }
    let server = tls.server();
    if fields & field::SERVER_HANDSHAKE != 0 && server.hello.is_some() {
        out.key("server_handshake").open();
        highest_version(server, out);
        let cipher = server.hellos().flat_map(Hello::ciphers).next();
        out.field_u64("cipher", u64::from(cipher.unwrap_or(0)));
        numbers("exts", extensions(server), out);
        out.close();
    }
}

fn highest_version(side: &Side, out: &mut Writer<'_>) {
    let number = side.hellos().map(|hello| hello.highest_version).max().unwrap_or(0);
    if version::is_known(number) {
        out.field_str("version", &version::name(number));
    }
}

fn extensions(side: &Side) -> impl Iterator<Item = u16> {
    side.hellos().flat_map(|hello| hello.extensions().map(|(number, _)| number))
}

fn numbers(key: &str, list: impl Iterator<Item = u16>, out: &mut Writer<'_>) {
    let mut list = list.peekable();
    if list.peek().is_none() {
        return;
    }
    out.key(key).open_array();
    for number in list {
        out.u64(u64::from(number));
    }
    out.close_array();
}

fn client_certificate(tls: &Tls, fields: u32, out: &mut Writer<'_>) {
    let Some(certificate) = tls.certificate(Direction::ToServer) else {
        return;
    };
    out.key("client").open();
    out.field_str("subject", &certificate.subject).field_str("issuerdn", &certificate.issuer);
    if let Some(fingerprint) = tls.fingerprint(Direction::ToServer) {
        out.field_str("fingerprint", fingerprint);
    }
    out.field_str("serial", &certificate.serial);
    validity(tls, Direction::ToServer, true, true, out);
    let first = fields & field::CLIENT_CERTIFICATE != 0;
    certificates(tls.client(), first, fields & field::CLIENT_CHAIN != 0, out);
    out.close();
}
