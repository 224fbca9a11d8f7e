//! `frame`: ranges that a protocol's parser marks in the stream, such as `tls.pdu`.

use protocol::AppProto;

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::rule::{Place, Target};

pub(crate) const KEYWORD: Keyword = Keyword::new("frame", "detect-frame", setup)
    .doc("a range that a protocol's parser marks")
    .features(Features::STICKY);

/// Frames of the protocols in Suricata 8.
const FRAMES: &[(AppProto, &[&str])] = &[
    (AppProto::Http1, &["stream", "request", "response"]),
    (AppProto::Http2, &["hdr", "data", "pdu"]),
    (
        AppProto::Tls,
        &["stream", "pdu", "hdr", "data", "alert", "heartbeat", "ssl2.hdr", "ssl2.pdu"],
    ),
    (AppProto::Smtp, &["command_line", "data", "response_line"]),
    (AppProto::Ftp, &["stream", "command_line", "response_line"]),
    (AppProto::Ssh, &["record.hdr", "record.data", "record.pdu"]),
    (
        AppProto::Smb,
        &[
            "nbss.pdu",
            "nbss.hdr",
            "nbss.data",
            "smb1.pdu",
            "smb1.hdr",
            "smb1.data",
            "smb2.pdu",
            "smb2.hdr",
            "smb2.data",
            "smb3.pdu",
            "smb3.hdr",
            "smb3.data",
        ],
    ),
    (AppProto::Dns, &["pdu"]),
    (AppProto::Dcerpc, &["pdu", "hdr", "data"]),
    (
        AppProto::Nfs,
        &[
            "rpc.pdu",
            "rpc.hdr",
            "rpc.data",
            "rpc.creds",
            "nfs.pdu",
            "nfs.status",
            "nfs4.pdu",
            "nfs4.hdr",
            "nfs4.ops",
            "nfs4.status",
        ],
    ),
    (
        AppProto::Sip,
        &[
            "pdu",
            "request.line",
            "response.line",
            "request.headers",
            "response.headers",
            "request.body",
            "response.body",
        ],
    ),
    (AppProto::Rfb, &["pdu"]),
    (AppProto::Mqtt, &["pdu", "header", "data"]),
    (AppProto::Telnet, &["pdu", "ctl", "data"]),
    (AppProto::Websocket, &["header", "pdu", "data"]),
    (AppProto::Enip, &["hdr", "data", "pdu"]),
    (AppProto::Quic, &["pdu"]),
    (AppProto::Ldap, &["pdu"]),
    (AppProto::Pgsql, &["pdu"]),
    (AppProto::Modbus, &["pdu"]),
    (AppProto::Imap, &["pdu"]),
    (AppProto::Pop3, &["pdu"]),
    (AppProto::Rdp, &["pdu"]),
];

fn setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let text = option.value;
    let unknown =
        || RuleError::new(format!("unknown frame '{text}'")).advice("frame:<protocol>.<name>");
    // Without a protocol in its name it is of the header's.
    let of_header = builder.rule.protocol.app.clone();
    let (protos, name) = match text.split_once('.') {
        Some((proto, name)) if !AppProto::by_rule_name(proto).is_empty() => {
            (AppProto::by_rule_name(proto), name)
        }
        _ => (of_header.as_slice(), text),
    };
    let known: Vec<AppProto> = protos
        .iter()
        .copied()
        .filter(|proto| {
            let names = FRAMES.iter().find(|(of, _)| of == proto).map_or(&[][..], |f| f.1);
            names.contains(&name)
        })
        .collect();
    if known.is_empty() {
        return Err(unknown());
    }
    builder.restrict(&known)?;
    let full = format!("{}.{name}", known.first().map_or("", |proto| proto.name()));
    let frames = &mut builder.rule.frames;
    let at = frames.iter().position(|frame| *frame == full).unwrap_or_else(|| {
        frames.push(full);
        frames.len() - 1
    });
    let Ok(at) = u16::try_from(at) else { return refuse("too many frames in one rule") };
    let target = Target { place: Place::Frame(at), transforms: Vec::new(), direction: None };
    builder.name_target(target, false, text)
}
