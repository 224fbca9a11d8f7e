//! What `sensor.yaml` says and cannot be done, told by its own keys.

use detect::settings::Settings;
use placement::CpuSet;
use rules::address::AddressSet;
use rules::port::PortSet;
use rules::variables::Variables;

use crate::config::size;
use crate::config::tree::Node;

use super::words::Size;
use super::{NativeError, Sensor};

/// Bytes that a row of the table of flows counts for, as Suricata 8 has it.
const FLOW_ROW: u64 = 64;

const NETWORK: &str = "write one such as 10.0.0.0/8, 10.0.0.1-10.0.0.9, or one with ! before it";
const PORTS: &str = "write one such as 80, 8000:8010 or [80,443]";

impl Sensor {
    /// Looks at what the keys say together with the defaults, in a tree that has both.
    ///
    /// # Errors
    /// With the key that is to be changed.
    pub(super) fn check(&self, root: &Node) -> Result<(), NativeError> {
        self.check_networks(root)?;
        self.check_flow_memory(root)
    }

    /// Whether workers can run where `capture.cpus` says, if the process may use these CPUs.
    ///
    /// # Errors
    /// With the first CPU that is missing.
    pub(crate) fn check_cpus(&self, usable: &[usize]) -> Result<(), NativeError> {
        let usable: CpuSet = usable.iter().filter_map(|cpu| u32::try_from(*cpu).ok()).collect();
        let wanted = self.capture.cpus();
        let missing = wanted.and_then(|wanted| wanted.iter().find(|cpu| !usable.contains(*cpu)));
        let Some(cpu) = missing else { return Ok(()) };
        let said = format!("CPU {cpu} is not there, or not for this process: it may use {usable}");
        Err(self.wrong("capture.cpus", &said))
    }

    fn check_networks(&self, root: &Node) -> Result<(), NativeError> {
        let mut variables = Variables::default();
        let groups = |path: &str| root.get(path).map_or(&[][..], |node| &node.children);
        for node in groups("vars.address-groups") {
            variables.set_address(&node.name, node.value.clone().unwrap_or_default());
        }
        for node in groups("vars.port-groups") {
            variables.set_port(&node.name, node.value.clone().unwrap_or_default());
        }
        let address =
            |text: &str| AddressSet::parse(text, &variables).map_err(|error| error.message);
        let home = format!("[{}]", self.networks.home.join(","));
        if !self.networks.home.is_empty()
            && let Err(why) = address(&home)
        {
            // One alone may be what all others are taken from.
            let is_bad = |one: &String| address(one.trim().trim_start_matches('!')).err();
            let items = self.networks.home.iter().enumerate();
            let bad =
                items.map(|(number, one)| (number, is_bad(one))).find(|(_, bad)| bad.is_some());
            let (key, why) = match bad {
                Some((number, Some(why))) => (format!("networks.home.{number}"), why),
                _ => ("networks.home".to_owned(), why),
            };
            return Err(self.wrong(&key, &format!("{why}: {NETWORK}")));
        }
        for (name, value) in &self.networks.addresses {
            if let Err(why) = address(value) {
                let key = format!("networks.addresses.{name}");
                return Err(self.wrong(&key, &format!("{why}: {NETWORK}")));
            }
        }
        for (name, value) in &self.networks.ports {
            if let Err(error) = PortSet::parse(value, &variables) {
                let key = format!("networks.ports.{name}");
                return Err(self.wrong(&key, &format!("{}: {PORTS}", error.message)));
            }
        }
        Ok(())
    }

    /// The table of flows is there from the start and counts as well.
    fn check_flow_memory(&self, root: &Node) -> Result<(), NativeError> {
        let Some(Size(text)) = &self.limits.flow_memory else { return Ok(()) };
        let configured = root.text("flow.hash-size").and_then(|text| text.parse().ok());
        let rows = configured.unwrap_or_else(|| Settings::default().flow.hash_size);
        let least = u64::from(rows).saturating_mul(FLOW_ROW);
        if size::strict(text).is_none_or(|bytes| bytes >= least) {
            return Ok(());
        }
        let said = format!(
            "`{text}` is too little: the table of flows alone takes {} MiB ({rows} rows of \
             {FLOW_ROW} bytes): write more than that",
            least.div_ceil(1 << 20)
        );
        Err(self.wrong("limits.flow-memory", &said))
    }
}
