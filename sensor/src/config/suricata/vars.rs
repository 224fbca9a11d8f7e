//! `vars`: address and port groups.

use rules::address::AddressSet;
use rules::port::PortSet;
use rules::variables::Variables;

use super::{Config, Fatal};

pub(super) fn read(config: Config<'_>, variables: &mut Variables) -> Result<(), Fatal> {
    let groups = |path: &str| config.root.get(path).map_or(&[][..], |node| &node.children);
    let addresses = groups("vars.address-groups");
    let ports = groups("vars.port-groups");
    for node in addresses {
        variables.set_address(&node.name, node.value.clone().unwrap_or_default());
    }
    for node in ports {
        variables.set_port(&node.name, node.value.clone().unwrap_or_default());
    }
    let refuse = |kind: &str, name: &str, value: &str| {
        let said = format!(
            "failed to parse {kind} var \"{name}\" with value \"{value}\". \
             Please check its syntax"
        );
        config.log.error("detect-engine", said);
        let said = format!(
            "basic {kind} vars test failed. Please check {} for errors",
            config.mode.config_file
        );
        config.fail("detect-engine", &said)
    };
    for node in addresses {
        let value = node.value.as_deref().unwrap_or_default();
        if AddressSet::parse(value, variables).is_err() {
            return Err(refuse("address", &node.name, value));
        }
    }
    for node in ports {
        let value = node.value.as_deref().unwrap_or_default();
        if PortSet::parse(value, variables).is_err() {
            return Err(refuse("port", &node.name, value));
        }
    }
    Ok(())
}
