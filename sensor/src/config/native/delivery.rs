//! `events`: where records go, over which network, and the spool in between.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use delivery::duration::Size;
use delivery::network::Network;
use delivery::settings::{DeliverySettings, QUEUE, SpoolSection};
use delivery::sinks::SinkSettings;
use delivery::volume::VolumeSettings;
use schemars::JsonSchema;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::checks::known_type;
use super::words::{FileName, Record};

/// The section.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Section {
    /// Name of the file of records, or `off`.
    file: Option<File>,
    /// Records that are written; all but drop when absent.
    pub(super) records: Option<Vec<Record>>,
    /// Lines of alerts beside the records.
    pub(super) alert_lines: Option<FileName>,
    /// The data, in alerts.
    pub(super) payload: bool,
    /// The packet, in alerts.
    pub(super) packet: bool,
    /// What became of the packet, in alerts.
    pub(super) verdict: bool,
    /// The seed of community flow identifiers; none: there are none.
    pub(super) community_id: Option<u16>,
    /// The interface that records leave by.
    interface: Option<String>,
    /// Addresses that they come from.
    source_address: Addresses,
    /// Mark of their packets.
    fwmark: Option<u32>,
    /// Bytes of records that may wait between workers and the spool.
    queue: Option<Size>,
    /// What is done about too many records for sinks.
    volume: VolumeSettings,
    /// Where records wait for sinks, on disk.
    spool: SpoolSection,
    /// Where records go besides the file.
    sinks: Vec<SinkSettings>,
}

impl Section {
    /// True when no file of records is wanted.
    pub(super) fn is_file_off(&self) -> bool {
        matches!(self.file, Some(File::Off))
    }

    /// Name of the file of records, if one is given.
    pub(super) fn file_name(&self) -> Option<&str> {
        match &self.file {
            Some(File::Name(FileName(name))) => Some(name),
            _ => None,
        }
    }

    /// Where event traffic goes out.
    pub(super) fn network(&self) -> Network {
        Network {
            interface: self.interface.clone(),
            source_address: self.source_address.0.clone(),
            fwmark: self.fwmark,
            marker: None,
        }
    }

    /// The sinks.
    pub(super) fn sinks(&self) -> &[SinkSettings] {
        &self.sinks
    }

    /// What is to be delivered where; none without sinks. Relative folders lie below `base`. The
    /// network may be there for other traffic, too. A replay has a spool of its own below `base`,
    /// unless it is told to use another one, which is not its own.
    ///
    /// # Errors
    /// With what does not fit together.
    pub(super) fn delivery(
        &self,
        base: &Path,
        has_other_traffic: bool,
        is_replay: bool,
    ) -> Result<Option<DeliverySettings>, String> {
        if self.sinks.is_empty() {
            let is_for_sinks = !has_other_traffic;
            let said = [
                ("interface", is_for_sinks && self.interface.is_some()),
                ("source-address", is_for_sinks && !self.source_address.0.is_empty()),
                ("fwmark", is_for_sinks && self.fwmark.is_some()),
                ("volume", self.volume != VolumeSettings::default()),
                ("spool", self.spool != SpoolSection::default()),
            ];
            return match said.iter().find(|(_, said)| *said) {
                Some((key, _)) => Err(format!("events.{key} needs a sink in events.sinks")),
                None if self.is_file_off() => {
                    Err("events.file is off, and there is no sink in events.sinks".to_owned())
                }
                None => Ok(None),
            };
        }
        self.volume.check().map_err(|why| format!("events.volume: {why}"))?;
        if let Some(why) = self.volume.types().find_map(|name| known_type(name).err()) {
            return Err(format!("events.volume: {why}"));
        }
        let mut settings = DeliverySettings {
            network: self.network(),
            queue: self.queue.map_or(QUEUE, |size| usize::try_from(size.0).unwrap_or(QUEUE)),
            volume: self.volume.clone(),
            spool: self.spool.settings(base).map_err(|why| format!("events.{why}"))?,
            sinks: self.sinks.clone(),
            keeps_others: is_replay && self.spool.has_directory(),
        };
        if is_replay && !self.spool.has_directory() {
            settings.spool.directory = base.join("spool");
        }
        settings.check().map_err(|why| format!("events.sinks: {why}"))?;
        Ok(Some(settings))
    }
}

/// A file of records, or none.
#[derive(Clone, Debug)]
enum File {
    Off,
    Name(FileName),
}

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "off" => Ok(Self::Off),
            _ => FileName::try_from(text).map(Self::Name).map_err(D::Error::custom),
        }
    }
}

::delivery::described! {
    File, "File": {
        "description": "The name of a file, or `off`.",
        "type": "string", "minLength": 1,
        "not": {"pattern": "^([Yy][Ee][Ss]|[Nn][Oo]|[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Oo][Nn]|~|[Nn][Uu][Ll][Ll]|[-+]?[0-9]+(\\.[0-9]+)?)$"},
    };
    Addresses, "Addresses": {
        "description": "An address, or a list of them: one for IPv4, one for IPv6.",
        "anyOf": [
            {"type": "string", "pattern": "^([0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)$"},
            {"type": "array", "items": {"type": "string", "pattern": "^([0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)$"}},
        ],
    };
}

/// One address, or a list of them.
#[derive(Clone, Debug, Default)]
struct Addresses(Vec<IpAddr>);

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AddressesVisitor)
    }
}

#[derive(Clone, Copy)]
struct AddressesVisitor;

impl<'de> Visitor<'de> for AddressesVisitor {
    type Value = Addresses;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an address, or a list of them: one for IPv4, one for IPv6")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Addresses, E> {
        let address = text.parse().map_err(|_| E::custom(format!("{text} is no IP address")))?;
        Ok(Addresses(vec![address]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Addresses, A::Error> {
        let mut addresses = Vec::new();
        while let Some(text) = list.next_element::<String>()? {
            addresses.extend(self.visit_str::<A::Error>(&text)?.0);
        }
        Ok(Addresses(addresses))
    }
}
