//! TLS sessions.

use super::Event;
use super::envelope::{COMMON, ON_PACKET, ORIGIN};
use crate::field::make::*;
use crate::field::{Field, Kind};

pub(super) const EVENT: Event = Event {
    name: "tls",
    doc: "the handshake of a TLS session",
    groups: &[COMMON, ORIGIN, ON_PACKET, OBJECT],
};

/// In other records as well.
pub(super) const OBJECT: &[Field] = &[object("tls", TLS, "the TLS session")];

const TLS: &[Field] = &[
    keyword("subject", "whom the server's certificate is for").ecs("tls.server.subject"),
    keyword("issuerdn", "who issued it").ecs("tls.server.issuer"),
    keywords("subjectaltname", "other names that it is for"),
    boolean("session_resumed", "an earlier session goes on").ecs("tls.resumed"),
    keyword("serial", "serial number of the certificate"),
    keyword("fingerprint", "SHA-1 of the certificate").ecs("tls.server.hash.sha1"),
    keyword("sni", "name of the server that the client asks for").ecs("tls.client.server_name"),
    word("version", "version of TLS").ecs("tls.version"),
    date("notbefore", "from when on the certificate is valid").ecs("tls.server.not_before"),
    date("notafter", "until when it is valid").ecs("tls.server.not_after"),
    base64("certificate", "the server's certificate").ecs("tls.server.certificate"),
    field("chain", Kind::List(&Kind::Bytes), "all its certificates")
        .ecs("tls.server.certificate_chain"),
    object("ja3", JA3, "JA3 of the client"),
    object("ja3s", JA3, "JA3 of the server"),
    keyword("ja4", "JA4 of the client"),
    keywords("client_alpns", "protocols that the client offers")
        .ecs("tls.client.supported_protocols"),
    keywords("server_alpns", "protocol that the server takes").ecs("tls.next_protocol"),
    object("client_handshake", CLIENT_HANDSHAKE, "what the client offers"),
    object("server_handshake", SERVER_HANDSHAKE, "what the server takes"),
    object("client", CLIENT, "the client's certificate"),
    word("from_proto", "protocol that changed over to TLS"),
];

const JA3: &[Field] = &[keyword("hash", "MD5 of the text"), keyword("string", "the text").always()];

const CLIENT_HANDSHAKE: &[Field] = &[
    word("version", "highest version offered"),
    numbers16("ciphers", "ciphers offered"),
    numbers16("exts", "extensions"),
    numbers16("sig_algs", "signature algorithms"),
];

const SERVER_HANDSHAKE: &[Field] = &[
    word("version", "version taken"),
    u16("cipher", "cipher taken").always(),
    numbers16("exts", "extensions"),
];

const CLIENT: &[Field] = &[
    keyword("subject", "whom it is for").always().ecs("tls.client.subject"),
    keyword("issuerdn", "who issued it").always().ecs("tls.client.issuer"),
    keyword("fingerprint", "SHA-1 of it").ecs("tls.client.hash.sha1"),
    keyword("serial", "its serial number").always(),
    date("notbefore", "from when on it is valid").ecs("tls.client.not_before"),
    date("notafter", "until when it is valid").ecs("tls.client.not_after"),
    base64("certificate", "the certificate itself").ecs("tls.client.certificate"),
    field("chain", Kind::List(&Kind::Bytes), "all certificates")
        .ecs("tls.client.certificate_chain"),
];
