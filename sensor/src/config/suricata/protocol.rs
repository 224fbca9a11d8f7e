//! `app-layer.protocols`.

use std::sync::Arc;

use protocol::settings::{
    DetectionPorts, EncryptionHandling, Fingerprints, PortRanges, ProtocolSettings, Switch,
};
use protocol::{AppProto, Transport};
use rules::port::PortSet;
use rules::variables::Variables;

use crate::config::boolean;
use crate::config::tree::Node;

use super::{Config, Fatal, http};

const MODULE: &str = "app-layer-parser";
const TRANSPORTS: [(Transport, &str); 2] = [(Transport::Tcp, "tcp"), (Transport::Udp, "udp")];

pub(super) fn read(
    config: Config<'_>,
    loader: &rules::settings::Settings,
    settings: &mut ProtocolSettings,
) -> Result<(), Fatal> {
    settings.midstream = config.truth("stream.midstream", false);
    let Some(protocols) = config.root.get("app-layer.protocols") else { return Ok(()) };
    for &proto in AppProto::ALL {
        let Some(node) = protocols.child(proto.name()) else { continue };
        switches(config, proto, node, settings)?;
        ports(config, proto, node, &loader.variables, settings);
    }
    encryption(config, settings)?;
    for (key, place) in [
        ("ssh.hassh", &mut settings.ssh.hassh),
        ("tls.ja3-fingerprints", &mut settings.tls.ja3),
        ("tls.ja4-fingerprints", &mut settings.tls.ja4),
    ] {
        *place = match config.text(&format!("app-layer.protocols.{key}")) {
            Some(text) if boolean::is_true(text) => Fingerprints::Yes,
            Some(text) if boolean::is_false(text) => Fingerprints::No,
            _ => Fingerprints::Auto,
        };
    }
    settings.ranges = http::byterange(config);
    settings.http = Arc::new(http::default_config(config)?);
    settings.http_servers = http::servers(config)?;
    Ok(())
}

/// The protocol's own word counts; those of its transports only without one (Suricata 8).
fn switches(
    config: Config<'_>,
    proto: AppProto,
    node: &Node,
    settings: &mut ProtocolSettings,
) -> Result<(), Fatal> {
    if let Some(switch) = switch(config, proto, node, "enabled")? {
        settings.set_switch(proto, None, switch);
        return Ok(());
    }
    for (transport, name) in TRANSPORTS {
        if let Some(switch) = switch(config, proto, node, &format!("{name}.enabled"))? {
            settings.set_switch(proto, Some(transport), switch);
        }
    }
    Ok(())
}

fn switch(
    config: Config<'_>,
    proto: AppProto,
    node: &Node,
    path: &str,
) -> Result<Option<Switch>, Fatal> {
    match node.text(path) {
        None => Ok(None),
        Some(text) if boolean::is_true(text) => Ok(Some(Switch::On)),
        Some(text) if boolean::is_false(text) => Ok(Some(Switch::Off)),
        Some("detection-only") => Ok(Some(Switch::DetectionOnly)),
        Some(_) => {
            let name = proto.name();
            let said = format!("Invalid value found for app-layer.protocols.{name}.{path}.");
            Err(config.fail(MODULE, &said))
        }
    }
}

fn ports(
    config: Config<'_>,
    proto: AppProto,
    node: &Node,
    variables: &Variables,
    settings: &mut ProtocolSettings,
) {
    let mut add = |ports: &Node, transport: Option<Transport>| {
        let list = |keys: [&str; 2]| -> PortRanges {
            let node = keys.into_iter().find_map(|key| ports.child(key));
            let texts = node.map(Node::texts).unwrap_or_default();
            if texts.is_empty() {
                return PortRanges::new();
            }
            match PortSet::parse(&format!("[{}]", texts.join(",")), variables) {
                Ok(set) => set.ranges().to_vec(),
                Err(error) => {
                    let said = format!("detection-ports of {}: {error}", proto.name());
                    config.log.error(MODULE, said);
                    PortRanges::new()
                }
            }
        };
        let (server, client) = (list(["dp", "toserver"]), list(["sp", "toclient"]));
        settings.ports.push(DetectionPorts { proto, transport, server, client });
    };
    match node.child("detection-ports") {
        Some(ports) => add(ports, None),
        None => {
            for (transport, name) in TRANSPORTS {
                if let Some(ports) = node.get(&format!("{name}.detection-ports")) {
                    add(ports, Some(transport));
                }
            }
        }
    }
}

/// What becomes of encrypted sessions. A wrong word ends the start for TLS alone (Suricata 8).
fn encryption(config: Config<'_>, settings: &mut ProtocolSettings) -> Result<(), Fatal> {
    const KEYS: [&str; 2] = [
        "app-layer.protocols.ssh.encryption-handling",
        "app-layer.protocols.tls.encryption-handling",
    ];
    let [ssh, tls] = KEYS.map(|key| {
        let word = config.text(key)?;
        Some(EncryptionHandling::by_name(word).ok_or(format!("invalid value for {key}: {word}")))
    });
    match ssh {
        Some(Ok(how)) => settings.ssh.encryption_handling = how,
        Some(Err(wrong)) => config.warn_or_fail("app-layer-ssh", &wrong)?,
        None => {}
    }
    match tls {
        Some(Ok(how)) => settings.tls.encryption_handling = how,
        Some(Err(wrong)) => return Err(config.fail("app-layer-ssl", &wrong)),
        None => {}
    }
    Ok(())
}
