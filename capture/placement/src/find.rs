//! Finds the interfaces that a user means: by name, PCI address, MAC, device plugin or pod network.

use std::{collections::BTreeMap, fmt, fs, io, path::Path, str::FromStr};

use serde::Deserialize;

use crate::{
    facts::{Facts, FactsError, Sources, Topology, is_pci_address},
    tree::Tree,
};

/// The annotation in which Multus says which network became which interface.
const NETWORK_STATUS: &str = "k8s.v1.cni.cncf.io/network-status";
/// Before the name of a resource in the environment that the SR-IOV device plugin makes.
const DEVICE_PREFIX: &str = "PCIDEVICE_";

/// What a user says of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// Its name or one of its alternative names.
    Name(String),
    /// Its PCI address, `pci:0000:81:00.1` or without the `pci:` or the domain.
    Pci(String),
    /// Its MAC, `mac:52:54:00:12:34:56` or without the `mac:`.
    Mac(String),
    /// A resource of the SR-IOV device plugin, `resource:intel.com/sriov_capture`.
    Resource(String),
    /// A network of the pod, `network:passive` or `network:NAMESPACE/passive`.
    Network(String),
}

/// An interface that may be meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// The name.
    pub name: String,
    /// Alternative names.
    pub altnames: Vec<String>,
    /// The PCI address.
    pub pci: Option<String>,
    /// The MAC.
    pub mac: Option<String>,
}

/// The interfaces of a host or pod, and the PCI functions that have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The interfaces.
    pub interfaces: Vec<Candidate>,
    /// The driver of each PCI network function without an interface here; empty for no driver.
    pub without: BTreeMap<String, String>,
}

/// What a pod is told of its devices and networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// The text of the network-status annotation, or of a file with all annotations.
    pub network_status: Option<String>,
}

/// An interface that was not found, and what there is instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// None has the name, address or MAC.
    #[error("no interface {wanted}; there is {present}")]
    Absent {
        /// What was asked for.
        wanted: String,
        /// What there is.
        present: String,
    },
    /// The PCI function is there but no interface of this namespace.
    #[error("{address} is here, but it is no interface: {reason}")]
    NoInterface {
        /// The PCI address.
        address: String,
        /// Why.
        reason: String,
    },
    /// The pod has no devices of that resource.
    #[error("no devices of resource {resource} ({variable} is not set); there is {present}")]
    NoResource {
        /// The resource.
        resource: String,
        /// The variable that it would be in.
        variable: String,
        /// The resources that there are.
        present: String,
    },
    /// The pod was not told about its networks.
    #[error(
        "the pod's networks are not known: give the text of its annotation {NETWORK_STATUS} or a \
         file that the downward API writes it to"
    )]
    NoNetworkStatus,
    /// What it was told can't be read.
    #[error("the annotation {NETWORK_STATUS} can't be read: {0}")]
    BadNetworkStatus(String),
    /// The pod has no such network.
    #[error("the pod has no network {network}; there is {present}")]
    NoNetwork {
        /// The network.
        network: String,
        /// The networks that there are.
        present: String,
    },
    /// The selector is empty.
    #[error("no interface was named")]
    Empty,
}

impl FromStr for Selector {
    type Err = FindError;

    fn from_str(text: &str) -> Result<Self, FindError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(FindError::Empty);
        }
        let after = |prefix: &str| text.strip_prefix(prefix).map(str::to_owned);
        Ok(if let Some(address) = after("pci:") {
            Self::Pci(address)
        } else if let Some(mac) = after("mac:") {
            Self::Mac(mac)
        } else if let Some(resource) = after("resource:") {
            Self::Resource(resource)
        } else if let Some(network) = after("network:") {
            Self::Network(network)
        } else if is_pci_address(&full_address(text)) {
            Self::Pci(text.to_owned())
        } else if is_mac(text) {
            Self::Mac(text.to_owned())
        } else {
            Self::Name(text.to_owned())
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "named {name}"),
            Self::Pci(address) => write!(f, "at PCI address {address}"),
            Self::Mac(mac) => write!(f, "with MAC {mac}"),
            Self::Resource(resource) => write!(f, "of resource {resource}"),
            Self::Network(network) => write!(f, "of network {network}"),
        }
    }
}

impl Surroundings {
    /// Takes the annotation from a file that the downward API writes.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn read_network_status(&mut self, path: &Path) -> io::Result<()> {
        self.network_status = Some(fs::read_to_string(path)?);
        Ok(())
    }
}

impl Inventory {
    /// Lists what there is below a root with `sys`.
    ///
    /// # Errors
    /// The host has no readable CPUs or interfaces.
    pub fn read(root: &Path) -> Result<Self, FactsError> {
        let tree = Tree::new(root);
        let sources = Sources { root: root.to_owned(), topology: Topology::Sysfs };
        // `bonding_masters` and the like are files beside the interfaces.
        let names: Vec<String> = tree
            .names("sys/class/net")
            .into_iter()
            .filter(|name| tree.exists(format!("sys/class/net/{name}/flags")))
            .collect();
        let facts = Facts::gather(&sources, &names)?;
        let interfaces = facts.interfaces.into_iter().map(|interface| Candidate {
            name: interface.name,
            altnames: interface.altnames,
            pci: interface.pci,
            mac: interface.mac,
        });
        let interfaces: Vec<Candidate> = interfaces.collect();
        let without = tree
            .names("sys/bus/pci/devices")
            .into_iter()
            .filter(|address| !interfaces.iter().any(|i| i.pci.as_ref() == Some(address)))
            .filter(|address| {
                // PCI class 02: network controllers.
                let class = tree.text(format!("sys/bus/pci/devices/{address}/class"));
                class.is_some_and(|class| class.starts_with("0x02"))
            })
            .map(|address| {
                let driver = tree.link_name(format!("sys/bus/pci/devices/{address}/driver"));
                (address, driver.unwrap_or_default())
            })
            .collect();
        Ok(Self { interfaces, without })
    }

    /// The names of the interfaces that are meant: one, or more where a resource has several
    /// devices or a network several attachments.
    ///
    /// # Errors
    /// There is none; the error says what there is.
    pub fn find(
        &self,
        selector: &Selector,
        surroundings: &Surroundings,
    ) -> Result<Vec<String>, FindError> {
        match selector {
            Selector::Name(name) => {
                self.one(selector, |c| c.name == *name || c.altnames.contains(name))
            }
            Selector::Mac(mac) => self.one(selector, |candidate| {
                candidate.mac.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(mac))
            }),
            Selector::Pci(address) => Ok(vec![self.at(address)?]),
            Selector::Resource(resource) => {
                let addresses = devices(resource, &surroundings.environment)?;
                addresses.iter().map(|address| self.at(address)).collect()
            }
            Selector::Network(network) => self.of_network(network, surroundings),
        }
    }

    fn one(
        &self,
        selector: &Selector,
        is_it: impl Fn(&Candidate) -> bool,
    ) -> Result<Vec<String>, FindError> {
        match self.interfaces.iter().find(|candidate| is_it(candidate)) {
            Some(found) => Ok(vec![found.name.clone()]),
            None => Err(FindError::Absent {
                wanted: selector.to_string(),
                present: self.present(selector),
            }),
        }
    }

    /// The interface at a PCI address, whose domain may be left out.
    fn at(&self, address: &str) -> Result<String, FindError> {
        let full = full_address(address);
        let is_it = |candidate: &&Candidate| {
            candidate.pci.as_ref().is_some_and(|pci| pci.eq_ignore_ascii_case(&full))
        };
        if let Some(found) = self.interfaces.iter().find(is_it) {
            return Ok(found.name.clone());
        }
        let selector = Selector::Pci(full.clone());
        match self.without.get(&full.to_ascii_lowercase()).map(String::as_str) {
            None => Err(FindError::Absent {
                wanted: selector.to_string(),
                present: self.present(&selector),
            }),
            Some("") => Err(no_interface(full, "it has no driver")),
            Some("vfio-pci") => {
                Err(no_interface(full, "its driver is vfio-pci, which gives it to user space"))
            }
            Some(driver) => Err(no_interface(
                full,
                &format!("its driver is {driver}; the interface is in another network namespace"),
            )),
        }
    }

    fn of_network(
        &self,
        network: &str,
        surroundings: &Surroundings,
    ) -> Result<Vec<String>, FindError> {
        let attachments = attachments(surroundings)?;
        let names: Vec<&Attachment> =
            attachments.iter().filter(|attachment| attachment.is(network)).collect();
        if names.is_empty() {
            let present = attachments.iter().map(Attachment::to_string);
            let network = network.to_owned();
            return Err(FindError::NoNetwork { network, present: listed(present) });
        }
        let mut found = Vec::new();
        for attachment in names {
            // Some CNI plugins leave the name out, but tell the device.
            let name = match (&attachment.interface, attachment.pci()) {
                (Some(name), _) if !name.is_empty() => {
                    let selector = Selector::Name(name.clone());
                    self.one(&selector, |c| c.name == *name || c.altnames.contains(name))?
                }
                (_, Some(address)) => vec![self.at(address)?],
                _ => {
                    let reason = format!("network {} has no interface", attachment.name);
                    return Err(FindError::BadNetworkStatus(reason));
                }
            };
            found.extend(name.into_iter().filter(|name| !found.contains(name)).collect::<Vec<_>>());
        }
        Ok(found)
    }

    /// What there is, with that by which it was looked for.
    fn present(&self, selector: &Selector) -> String {
        let unknown = || "none".to_owned();
        listed(self.interfaces.iter().map(|candidate| match selector {
            Selector::Pci(_) | Selector::Resource(_) => {
                format!("{} ({})", candidate.name, candidate.pci.clone().unwrap_or_else(unknown))
            }
            Selector::Mac(_) => {
                format!("{} ({})", candidate.name, candidate.mac.clone().unwrap_or_else(unknown))
            }
            Selector::Name(_) | Selector::Network(_) if candidate.altnames.is_empty() => {
                candidate.name.clone()
            }
            Selector::Name(_) | Selector::Network(_) => {
                format!("{} ({})", candidate.name, candidate.altnames.join(", "))
            }
        }))
    }
}

/// A pod's attachment to a network, as Multus reports it.
#[derive(Debug, Deserialize)]
struct Attachment {
    name: String,
    interface: Option<String>,
    #[serde(rename = "device-info")]
    device: Option<DeviceInfo>,
}

#[derive(Debug, Deserialize)]
struct DeviceInfo {
    pci: Option<PciInfo>,
}

#[derive(Debug, Deserialize)]
struct PciInfo {
    #[serde(rename = "pci-address")]
    address: Option<String>,
}

impl Attachment {
    /// Whether this is the network, with or without its namespace.
    fn is(&self, network: &str) -> bool {
        let short = self.name.rsplit_once('/').map_or(self.name.as_str(), |(_, name)| name);
        self.name == network || short == network
    }

    fn pci(&self) -> Option<&str> {
        self.device.as_ref()?.pci.as_ref()?.address.as_deref()
    }
}

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.interface {
            Some(interface) => write!(f, "{} ({interface})", self.name),
            None => f.write_str(&self.name),
        }
    }
}

fn attachments(surroundings: &Surroundings) -> Result<Vec<Attachment>, FindError> {
    let text = surroundings.network_status.as_deref().ok_or(FindError::NoNetworkStatus)?.trim();
    let json = if text.starts_with('[') {
        text.to_owned()
    } else {
        annotation(text).ok_or(FindError::NoNetworkStatus)??
    };
    serde_json::from_str(&json).map_err(|error| FindError::BadNetworkStatus(error.to_string()))
}

/// The annotation's value in a file with all annotations, one `name="quoted value"` per line.
fn annotation(text: &str) -> Option<Result<String, FindError>> {
    let row =
        |line: &str| line.trim().strip_prefix(NETWORK_STATUS)?.strip_prefix('=').map(str::to_owned);
    let quoted = text.lines().find_map(row)?;
    let value = serde_json::from_str(&quoted);
    Some(value.map_err(|error| FindError::BadNetworkStatus(error.to_string())))
}

/// The PCI addresses of a resource's devices: the plugin passes them in a variable that is named
/// for the resource in capitals with `_` for other characters.
fn devices(
    resource: &str,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<String>, FindError> {
    let name: String = resource
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect();
    let variable = format!("{DEVICE_PREFIX}{name}");
    let addresses: Vec<String> = environment
        .get(&variable)
        .map(|value| value.split(',').map(str::trim).filter(|a| !a.is_empty()).collect::<Vec<_>>())
        .unwrap_or_default()
        .into_iter()
        .map(str::to_owned)
        .collect();
    if !addresses.is_empty() {
        return Ok(addresses);
    }
    // The plugin also sets PCIDEVICE_…_INFO, with JSON.
    let present = environment
        .iter()
        .filter(|(name, _)| name.starts_with(DEVICE_PREFIX) && !name.ends_with("_INFO"))
        .map(|(name, value)| format!("{name}={value}"));
    let (resource, present) = (resource.to_owned(), listed(present));
    Err(FindError::NoResource { resource, variable, present })
}

fn no_interface(address: String, reason: &str) -> FindError {
    FindError::NoInterface { address, reason: reason.to_owned() }
}

fn full_address(address: &str) -> String {
    let with_domain = format!("0000:{address}");
    if is_pci_address(&with_domain) { with_domain } else { address.to_owned() }
}

fn is_mac(text: &str) -> bool {
    let octet = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
    text.split(':').count() == 6 && text.split(':').all(octet)
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}
