//! `decoder`, `defrag` and `host-os-policy`.

use ::decode::settings::{DecodeSettings, DefragSettings, OsPolicies, OsPolicy, TunnelPorts};
use rules::port::PortSet;
use rules::variables::Variables;

use super::{Config, Fatal};

pub(super) fn read(
    config: Config<'_>,
    variables: &Variables,
    settings: &mut DecodeSettings,
) -> Result<(), Fatal> {
    settings.max_layers = config.number("decoder.max-layers", settings.max_layers);
    settings.teredo = ports(config, variables, "teredo", settings.teredo);
    settings.vxlan = ports(config, variables, "vxlan", settings.vxlan);
    settings.geneve = ports(config, variables, "geneve", settings.geneve);
    if config.text("decoder.erspan.typeI.enabled").is_some() {
        let said = "ERSPAN Type I is no longer configurable and it is always enabled; \
                    ignoring configuration setting.";
        config.log.warning("decode-erspan", said);
    }
    defrag(config, &mut settings.defrag)?;
    settings.os_policies = os_policies(config)?;
    Ok(())
}

fn ports(
    config: Config<'_>,
    variables: &Variables,
    tunnel: &str,
    default: TunnelPorts,
) -> TunnelPorts {
    if !config.truth(&format!("decoder.{tunnel}.enabled"), true) {
        return TunnelPorts::Off;
    }
    let path = format!("decoder.{tunnel}.ports");
    let Some(node) = config.root.get(&path) else { return default };
    let texts = node.texts();
    if texts.is_empty() {
        return default;
    }
    let Ok(set) = PortSet::parse(&format!("[{}]", texts.join(",")), variables) else {
        let module = format!("decode-{tunnel}");
        config.log.warning(&module, format!("failed to parse ports of {path}"));
        return default;
    };
    if set.is_any() {
        return TunnelPorts::Any;
    }
    let listed = set.ranges().iter().flat_map(|&(first, last)| first..=last);
    let ports: Vec<u16> = listed.take(TunnelPorts::MAX + 1).collect();
    if ports.len() > TunnelPorts::MAX {
        let said = format!("more than {} {tunnel} ports defined", TunnelPorts::MAX);
        config.log.warning(&format!("decode-{tunnel}"), said);
    }
    TunnelPorts::list(&ports)
}

fn defrag(config: Config<'_>, settings: &mut DefragSettings) -> Result<(), Fatal> {
    settings.memcap = config.size("defrag.memcap", settings.memcap)?;
    settings.hash_size = config.number("defrag.hash-size", settings.hash_size);
    settings.trackers = config.number("defrag.trackers", settings.trackers);
    settings.max_frags = config.number("defrag.max-frags", settings.max_frags);
    settings.prealloc = config.truth("defrag.prealloc", settings.prealloc);
    let timeout = config.number("defrag.timeout", settings.timeout);
    match DefragSettings::TIMEOUTS.contains(&timeout) {
        true => settings.timeout = timeout,
        false => config.log.warning("defrag-config", "defrag.timeout is out of range"),
    }
    let hosts = config.root.get("defrag.host-config").map_or(&[][..], |node| &node.children);
    for host in hosts.iter().filter_map(|item| item.item().and_then(|(_, options)| options)) {
        let timeout = host.text("timeout").and_then(|text| text.parse().ok());
        let Some(timeout) = timeout else { continue };
        let addresses = host.get("address").map(|node| node.texts()).unwrap_or_default();
        for address in addresses {
            match address.trim().parse() {
                Ok(network) => settings.host_timeouts.insert(network, timeout),
                Err(_) => {
                    let said = format!("defrag.host-config: bad address \"{address}\"");
                    config.log.error("defrag-config", said);
                }
            }
        }
    }
    Ok(())
}

fn os_policies(config: Config<'_>) -> Result<OsPolicies, Fatal> {
    let mut policies = OsPolicies::default();
    let nodes = config.root.get("host-os-policy").map_or(&[][..], |node| &node.children);
    for node in nodes {
        let Ok(policy) = node.name.parse::<OsPolicy>() else {
            let said = format!("unknown host os policy \"{}\"", node.name);
            return Err(config.fail("host-os-info", &said));
        };
        for text in node.texts() {
            let text = text.trim().trim_start_matches('[').trim_end_matches(']');
            for network in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
                if policies.insert(network, policy).is_err() {
                    let said = format!(
                        "Failed to add host \"{network}\" with policy \"{}\" to \
                                        host info database",
                        node.name
                    );
                    return Err(config.fail("host-os-info", &said));
                }
            }
        }
    }
    Ok(policies)
}
