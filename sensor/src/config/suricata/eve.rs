//! `eve-log` and its `types`.

use ::detect::settings::{
    AlertSettings, AnomalySettings, DropSettings, EveSettings, FilesSettings, OutputSettings,
    Settings, StreamLogSettings,
};
use protocol::{AppProto, LogOptions};

use crate::config::process::ProcessSettings;
use crate::config::size;
use crate::config::tree::Node;
use crate::config::{boolean, integer};

use super::{Config, Fatal, eve_target, stats, xff};

const MODULE: &str = "output-json";

/// Options of alerts that do nothing any more.
const OLD_ALERT_FLAGS: &[&str] = &["http", "tls", "ssh", "smtp", "dnp3", "app-layer", "flow"];

pub(super) fn read(
    config: Config<'_>,
    node: &Node,
    detector: &mut Settings,
    process: &mut ProcessSettings,
) -> Result<(), Fatal> {
    let file = eve_target::read(config, node, process)?;
    let mut eve = header(config, node);
    let place = detector.outputs.len();
    if let Some(types) = node.child("types") {
        if !types.is_sequence {
            return Err(config.fail(MODULE, "output types should be a sequence"));
        }
        for item in &types.children {
            let Some((name, options)) = item.item() else { continue };
            if options.and_then(|options| options.truth("enabled")) == Some(false) {
                continue;
            }
            if name == "stats" {
                let form = stats::eve_form(config, options)?;
                process.statistics.eve.push((place, form));
                continue;
            }
            record_type(config, name, options, &mut eve, detector)?;
        }
    }
    detector.outputs.push(OutputSettings::Eve(Box::new(eve)));
    process.files.push(file);
    Ok(())
}

fn header(config: Config<'_>, node: &Node) -> EveSettings {
    let truth = |key: &str, default: bool| node.truth(key).unwrap_or(default);
    let mut eve = EveSettings {
        metadata: truth("metadata", true),
        ethernet: truth("ethernet", false),
        ipv6_compress: truth("ipv6-compress", false),
        prefix: node.text("prefix").unwrap_or_default().to_owned(),
        xff: xff::read(config, Some(node)),
        host: config.text("sensor-name").map(str::to_owned),
        ..EveSettings::default()
    };
    if !eve.prefix.is_empty() {
        config.log.info(MODULE, format!("Using prefix '{}' for JSON messages", eve.prefix));
    }
    if truth("suricata-version", false) {
        eve.version = Some(crate::version::SURICATA.to_owned());
    }
    if truth("community-id", false) {
        let seed = node.text("community-id-seed").unwrap_or("0");
        eve.community_id = Some(seed.parse().unwrap_or_else(|_| {
            config.log.error(
                MODULE,
                format!(
                    "Failed to initialize JSON output, invalid \
                community-id-seed: {seed}"
                ),
            );
            0
        }));
    }
    eve.sensor_id =
        node.text("sensor-id").and_then(integer::any_base).and_then(|id| u64::try_from(id).ok());
    if truth("pcap-file", false) {
        eve.pcap_files = Some(config.mode.inputs.clone());
    }
    eve
}

fn record_type(
    config: Config<'_>,
    name: &str,
    options: Option<&Node>,
    eve: &mut EveSettings,
    detector: &mut Settings,
) -> Result<(), Fatal> {
    match name {
        "alert" => {
            let alert = alert(config, options)?;
            detector.protocol.keep_bodies |= alert.http_body || alert.http_body_printable;
            eve.alert = Some(alert);
        }
        "anomaly" => eve.anomaly = Some(anomaly(config, options)),
        "drop" => eve.drop = Some(drop(options)),
        "files" => {
            eve.files = Some(files(config, options));
            if let Some(options) = options {
                force_hash(config, options, detector);
            }
        }
        "flow" => eve.flow = true,
        "netflow" => eve.netflow = true,
        "metadata" => eve.metadata_records = true,
        "arp" => eve.arp = true,
        "stream" => eve.stream = Some(stream(options)),
        "frame" => {
            config.log.warning(MODULE, "eve-log.frame is not available and stays off");
        }
        "ikev2" => {
            config.log.warning(MODULE, "eve-log.ikev2 is now called eve-log.ike");
            eve.protocols.push((AppProto::Ike, protocol_options(config, AppProto::Ike, options)));
        }
        // Two protocols have records only where the configuration speaks of them at all.
        "pgsql" | "bittorrent-dht"
            if config.root.get(&format!("app-layer.protocols.{name}")).is_none() =>
        {
            return unknown(config, name);
        }
        "template" => {}
        _ => match AppProto::ALL.iter().find(|proto| proto.name() == name) {
            Some(&proto) if !matches!(proto, AppProto::Imap | AppProto::Telnet) => {
                eve.protocols.push((proto, protocol_options(config, proto, options)));
                if proto == AppProto::Http1 {
                    eve.http_xff = xff::read(config, options);
                }
            }
            _ => return unknown(config, name),
        },
    }
    Ok(())
}

fn unknown(config: Config<'_>, name: &str) -> Result<(), Fatal> {
    config.warn_or_fail("runmodes", &format!("No output module named eve-log.{name}"))
}

fn alert(config: Config<'_>, options: Option<&Node>) -> Result<AlertSettings, Fatal> {
    let mut alert = AlertSettings::default();
    let Some(node) = options else { return Ok(alert) };
    let truth = |key: &str| node.truth(key).unwrap_or(false);
    for (key, flag) in [
        ("payload", &mut alert.payload),
        ("payload-printable", &mut alert.payload_printable),
        ("payload-length", &mut alert.payload_length),
        ("packet", &mut alert.packet),
        ("http-body", &mut alert.http_body),
        ("http-body-printable", &mut alert.http_body_printable),
        ("tagged-packets", &mut alert.tagged_packets),
        ("verdict", &mut alert.verdict),
    ] {
        *flag = truth(key);
    }
    if let Some(text) = node.text("payload-buffer-size") {
        let wanted = size::strict(text).and_then(|size| usize::try_from(size).ok());
        match wanted {
            Some(size) if size > 0 => alert.payload_buffer_size = size,
            _ => {
                let said = format!("Error parsing payload-buffer-size - {text}. Killing engine");
                return Err(config.fail("output-json-alert", &said));
            }
        }
    }
    alert_metadata(node, &mut alert);
    for key in OLD_ALERT_FLAGS.iter().filter(|key| node.child(key).is_some()) {
        let said =
            format!("Found deprecated eve-log.alert flag \"{key}\", this flag has no effect");
        config.log.warning("output-json-alert", said);
    }
    if (alert.http_body || alert.http_body_printable) && !alert.app_layer {
        let said = "HTTP body logging has been configured, however, metadata logging has not \
                    been enabled. HTTP body logging will be disabled.";
        config.log.warning("output-json-alert", said);
        alert.http_body = false;
        alert.http_body_printable = false;
    }
    alert.xff = xff::read(config, options);
    Ok(alert)
}

fn alert_metadata(node: &Node, alert: &mut AlertSettings) {
    let Some(metadata) = node.child("metadata") else { return };
    if metadata.value.as_deref().is_some_and(boolean::is_false) {
        alert.app_layer = false;
        alert.flow = false;
        alert.rule_metadata = false;
        return;
    }
    if metadata.is_false("rule") {
        alert.rule_metadata = false;
    }
    for (path, flag) in [
        ("app-layer", &mut alert.app_layer),
        ("flow", &mut alert.flow),
        ("rule.metadata", &mut alert.rule_metadata),
        ("rule.raw", &mut alert.rule_raw),
        ("rule.reference", &mut alert.rule_reference),
    ] {
        if let Some(on) = metadata.truth(path) {
            *flag = on;
        }
    }
}

fn anomaly(config: Config<'_>, options: Option<&Node>) -> AnomalySettings {
    let mut anomaly = AnomalySettings::default();
    let Some(node) = options else { return anomaly };
    for (path, flag) in [
        ("types.decode", &mut anomaly.decode),
        ("types.stream", &mut anomaly.stream),
        ("types.applayer", &mut anomaly.app_layer),
        ("packethdr", &mut anomaly.packet_header),
    ] {
        if let Some(on) = node.truth(path) {
            *flag = on;
        }
    }
    if anomaly.packet_header && !anomaly.decode {
        let said = "Anomaly logging configured to include packet headers, however decode type \
                    logging has not been selected. Packet headers will not be logged.";
        config.log.warning("output-json-anomaly", said);
        anomaly.packet_header = false;
    }
    anomaly
}

fn stream(options: Option<&Node>) -> StreamLogSettings {
    let truth = |key: &str| options.and_then(|node| node.truth(key)).unwrap_or(false);
    StreamLogSettings {
        all: truth("all"),
        event_set: truth("event-set"),
        state_update: truth("state-update"),
        spurious_retransmission: truth("spurious-retransmission"),
    }
}

fn drop(options: Option<&Node>) -> DropSettings {
    let truth = |key: &str| options.and_then(|node| node.truth(key)).unwrap_or(false);
    DropSettings {
        alerts: truth("alerts"),
        verdict: truth("verdict"),
        all: options.and_then(|node| node.text("flows")) == Some("all"),
    }
}

fn files(config: Config<'_>, options: Option<&Node>) -> FilesSettings {
    let mut files = FilesSettings::default();
    let Some(node) = options else { return files };
    if node.truth("force-magic").unwrap_or(false) {
        config.log.warning("output-json-file", "file types are not found out: no magic here");
    }
    for text in hashes(node) {
        if let Some(at) = ["md5", "sha1", "sha256"].iter().position(|name| *name == text)
            && let Some(hash) = files.force_hash.get_mut(at)
        {
            *hash = true;
        }
    }
    files.xff = xff::read(config, options);
    files
}

/// `force-hash` of files records and of the file store.
pub(super) fn force_hash(config: Config<'_>, node: &Node, detector: &mut Settings) {
    let file = &mut detector.protocol.file;
    for text in hashes(node) {
        match text {
            "md5" => file.md5 = true,
            "sha1" => file.sha1 = true,
            "sha256" => file.sha256 = true,
            other => {
                let said = format!("unknown hash \"{other}\" in force-hash");
                config.log.warning("util-file", said);
            }
        }
    }
}

fn hashes(node: &Node) -> Vec<&str> {
    node.child("force-hash").map(Node::texts).unwrap_or_default()
}

/// Options of the records of one protocol.
fn protocol_options(config: Config<'_>, proto: AppProto, options: Option<&Node>) -> LogOptions {
    let truth =
        |key: &str, default: bool| options.and_then(|node| node.truth(key)).unwrap_or(default);
    let texts = |key: &str| -> Vec<String> {
        let list = options.and_then(|node| node.child(key)).map(Node::texts).unwrap_or_default();
        list.into_iter().map(str::to_owned).collect()
    };
    let mut out = LogOptions {
        extended: truth("extended", false),
        custom: texts("custom"),
        types: texts("types").iter().map(|name| name.to_ascii_lowercase()).collect(),
        ..LogOptions::default()
    };
    match proto {
        AppProto::Dns | AppProto::Doh2 | AppProto::Mdns => dns_options(config, options, &mut out),
        AppProto::Http1 => match options.and_then(|node| node.text("dump-all-headers")) {
            Some("both") => {
                out.dump_request_headers = true;
                out.dump_response_headers = true;
            }
            Some("request") => out.dump_request_headers = true,
            Some("response") => out.dump_response_headers = true,
            _ => {}
        },
        // Suricata 8: on unless switched off, but only where `tls` has options at all.
        AppProto::Tls if !truth("session-resumption", options.is_some()) => {
            out.off.push("session-resumption".to_owned());
        }
        AppProto::Mqtt | AppProto::Pgsql if !truth("passwords", false) => {
            out.off.push("passwords".to_owned());
        }
        AppProto::Smtp => {
            // `extended` does nothing in Suricata 8; sums of texts go with the other fields.
            out.extended = false;
            out.custom.extend(texts("md5").iter().map(|part| format!("md5-{part}")));
        }
        _ => {}
    }
    out
}

fn dns_options(config: Config<'_>, options: Option<&Node>, out: &mut LogOptions) {
    let variable = std::env::var("SURICATA_EVE_DNS_VERSION").ok();
    let text = options.and_then(|node| node.text("version")).or(variable.as_deref());
    out.version = match text {
        None | Some("3") => 3,
        Some("2") => {
            let said = "DNS EVE v2 logging has been deprecated and will be removed in a later \
                        version. Please use version 3.";
            config.log.notice("output-json-dns", said);
            2
        }
        Some(other) => {
            let said = format!("invalid eve-log dns version \"{other}\", will use version 3");
            config.log.warning("output-json-dns", said);
            3
        }
    };
    let Some(node) = options else { return };
    for key in ["requests", "responses"] {
        if node.truth(key) == Some(false) {
            out.off.push(key.to_owned());
        }
    }
    let formats = node.child("formats").map(Node::texts).unwrap_or_default();
    // A list without members is as good as none.
    if !formats.is_empty() {
        for key in ["detailed", "grouped"] {
            if !formats.iter().any(|format| format.eq_ignore_ascii_case(key)) {
                out.off.push(key.to_owned());
            }
        }
    }
}
