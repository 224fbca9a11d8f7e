//! Values of `sensor.yaml`: words of a list, names of files, sizes, numbers, networks, CPUs.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use placement::{CpuSet, Selector};
use protocol::AppProto;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::bpf::Filter;
use crate::config::capture;
use crate::config::size;

use super::nearest::known;

/// Records that `events.records` can name.
pub(crate) const RECORDS: &[&str] = &[
    "alert",
    "anomaly",
    "http",
    "dns",
    "mdns",
    "tls",
    "files",
    "smtp",
    "websocket",
    "ftp",
    "rdp",
    "nfs",
    "smb",
    "tftp",
    "ike",
    "dcerpc",
    "krb5",
    "bittorrent-dht",
    "snmp",
    "rfb",
    "sip",
    "quic",
    "ldap",
    "pop3",
    "dhcp",
    "ssh",
    "mqtt",
    "http2",
    "doh2",
    "pgsql",
    "modbus",
    "dnp3",
    "enip",
    "ntp",
    "drop",
    "flow",
    "netflow",
    "metadata",
    "arp",
    "stream",
    "stats",
];

/// Sums that `files.hashes` can name.
const HASHES: &[&str] = &["md5", "sha1", "sha256"];

/// A kind of record.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Record(pub(super) String);

impl TryFrom<String> for Record {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        known(&text, "record", RECORDS.iter().copied())?;
        Ok(Self(text))
    }
}

/// An application protocol by its name.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Protocol(pub(super) String);

impl TryFrom<String> for Protocol {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        known(&text, "protocol", AppProto::ALL.iter().map(|proto| proto.name()))?;
        Ok(Self(text))
    }
}

/// Sums of files.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Hash(pub(super) String);

impl TryFrom<String> for Hash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        known(&text, "hash", HASHES.iter().copied())?;
        Ok(Self(text))
    }
}

/// The name of a file or folder that is written: a number or a truth is none, but a mistake.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct FileName(pub(super) String);

impl TryFrom<String> for FileName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let truth = ["yes", "no", "true", "false", "on", "off", "~", "null", ""];
        if truth.contains(&lower.as_str()) || text.parse::<f64>().is_ok() {
            return Err(format!("`{text}` is no file name: write one such as `eve.json`"));
        }
        Ok(Self(text))
    }
}

/// A size such as `64 MiB`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Size(pub(super) String);

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_bare = text.trim().parse::<f64>().is_ok_and(|number| number != 0.0);
        match size::strict(&text) {
            Some(_) if is_bare => Err(format!("`{text}` has no unit: KiB, MiB or GiB")),
            Some(_) => Ok(Self(text)),
            None => Err(format!("`{text}` is no size: write a number and KiB, MiB or GiB")),
        }
    }
}

/// A whole number from `LOW` to `HIGH`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Within<const LOW: u32, const HIGH: u32>(pub(super) u32);

impl<const LOW: u32, const HIGH: u32> TryFrom<String> for Within<LOW, HIGH> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| (LOW..=HIGH).contains(number));
        number.map(Self).ok_or_else(|| format!("`{text}` is not from {LOW} to {HIGH}"))
    }
}

/// A power of two from `LOW` to `HIGH`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct PowerOfTwo<const LOW: u32, const HIGH: u32>(pub(super) u32);

impl<const LOW: u32, const HIGH: u32> TryFrom<String> for PowerOfTwo<LOW, HIGH> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = |number: &u32| number.is_power_of_two() && (LOW..=HIGH).contains(number);
        let number = text.parse().ok().filter(fits);
        number.map(Self).ok_or_else(|| format!("`{text}` is no power of two from {LOW} to {HIGH}"))
    }
}

/// A size that is a power of two from 4 KiB to 1 GiB, in bytes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct BlockSize(pub(super) u32);

impl TryFrom<String> for BlockSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = size::strict(&text).and_then(|bytes| u32::try_from(bytes).ok());
        let fits = |bytes: &u32| bytes.is_power_of_two() && (4096..=1 << 30).contains(bytes);
        let said = || format!("`{text}` is no power of two from 4 KiB to 1 GiB");
        bytes.filter(fits).map(Self).ok_or_else(said)
    }
}

/// A time to wait for the end: seconds, or a span such as `500 ms`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Patience(pub(super) Duration);

impl TryFrom<String> for Patience {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let seconds = text.parse::<u64>().ok().filter(|seconds| *seconds <= 3600);
        let span = match seconds {
            Some(seconds) => Some(Duration::from_secs(seconds)),
            None => Delay::try_from(text.clone()).ok().map(|span| Duration::from_micros(span.0)),
        };
        let said =
            || format!("`{text}` is no time to stop in: write one such as 10 s, 1 h at most");
        span.filter(|span| !span.is_zero()).map(Self).ok_or_else(said)
    }
}

/// A span of time such as `500 us`, in microseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Delay(pub(super) u64);

impl Delay {
    /// In whole milliseconds.
    ///
    /// # Errors
    /// When it has none.
    pub(super) fn milliseconds(self) -> Result<u32, String> {
        let whole = self.0.is_multiple_of(1000).then_some(self.0 / 1000);
        let said = || format!("{} us are no number of milliseconds", self.0);
        whole.and_then(|ms| u32::try_from(ms).ok()).ok_or_else(said)
    }
}

impl TryFrom<String> for Delay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let read = || {
            let end = text.find(|letter: char| !letter.is_ascii_digit())?;
            let (number, unit) = text.split_at_checked(end)?;
            let factor: u64 = match unit.trim() {
                "us" => 1,
                "ms" => 1000,
                "s" => 1_000_000,
                _ => return None,
            };
            number.parse::<u64>().ok()?.checked_mul(factor)
        };
        // An hour is longer than anything here can sensibly take.
        let span = read().filter(|span| *span <= 3_600_000_000);
        let said = || format!("`{text}` is no span of time: write a number and us, ms or s");
        span.map(Self).ok_or_else(said)
    }
}

/// What tells an interface: its name, its address, a resource or network of a pod.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct InterfaceName(pub(super) String);

impl TryFrom<String> for InterfaceName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.parse::<Selector>() {
            Ok(_) => Ok(Self(text)),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// A network such as `10.0.0.0/8`; an address alone is one of its own.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Network(pub(super) capture::Network);

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no network: write one such as 10.0.0.0/8");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text.as_str(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Ok(most), |length| length.parse().map_err(|_| wrong()))?;
        if length > most {
            return Err(wrong());
        }
        let first = first_of(address, length);
        if first != address {
            return Err(format!("`{text}` is no network: the one around it is {first}/{length}"));
        }
        Ok(Self(capture::Network { address, length }))
    }
}

/// The first address of the network around one.
fn first_of(address: IpAddr, length: u8) -> IpAddr {
    let kept = u32::from(length);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(kept)).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(kept)).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

/// A filter as libpcap has them, such as `not host 10.0.0.1`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct PacketFilter(pub(super) String);

impl TryFrom<String> for PacketFilter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match Filter::parse(&text) {
            Ok(_) => Ok(Self(text)),
            Err(error) => Err(format!("`{text}` is no filter, such as `not port 9200`: {error}")),
        }
    }
}

/// CPUs: a number, a range such as `2-5`, or a list of such.
#[derive(Clone, Debug)]
pub(super) struct Cpus(pub(super) CpuSet);

impl<'de> Deserialize<'de> for Cpus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CpusVisitor)
    }
}

struct CpusVisitor;

impl<'de> Visitor<'de> for CpusVisitor {
    type Value = Cpus;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CPUs such as 2-5 or [0, 2-5]")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Cpus, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Cpus, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Cpus, E> {
        let cpus: CpuSet = text.parse().map_err(E::custom)?;
        if cpus.is_empty() {
            Err(E::custom("there is no CPU in this list"))
        } else {
            Ok(Cpus(cpus))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Cpus, A::Error> {
        let mut cpus = CpuSet::new();
        while let Some(text) = list.next_element::<String>()? {
            cpus = cpus.union(&text.parse().map_err(A::Error::custom)?);
        }
        self.visit_str(&cpus.to_string())
    }
}

::delivery::described! {
    Record, "Record": {
        "description": "A kind of record.", "type": "string", "enum": RECORDS,
    };
    Protocol, "Protocol": {
        "description": "An application protocol.", "type": "string",
        "enum": AppProto::ALL.iter().map(|proto| proto.name()).collect::<Vec<_>>(),
    };
    Hash, "Hash": {
        "description": "A sum of files.", "type": "string", "enum": HASHES,
    };
    FileName, "FileName": {
        "description": "The name of a file or folder.",
        "type": "string", "minLength": 1,
        "not": {"pattern": "^([Yy][Ee][Ss]|[Nn][Oo]|[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Oo][Nn]|[Oo][Ff][Ff]|~|[Nn][Uu][Ll][Ll]|[-+]?[0-9]+(\\.[0-9]+)?)$"},
    };
    Size, "SizeOfMemory": {
        "description": "A size: a number and KiB, MiB or GiB.",
        "anyOf": [
            {"type": "string", "pattern": "^\\s*[0-9]+(\\.[0-9]+)?\\s*(KiB|MiB|GiB|[kKmMgG][bB])\\s*$"},
            {"const": 0},
        ],
        "examples": ["64 MiB"],
    };
    BlockSize, "BlockSize": {
        "description": "A size that is a power of two from 4 KiB to 1 GiB.",
        "type": "string", "pattern": "^\\s*[0-9]+\\s*(KiB|MiB|GiB|[kKmMgG][bB])\\s*$", "examples": ["1 MiB"],
    };
    Patience, "Patience": {
        "description": "Seconds, or a time such as 500 ms; an hour at most.",
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": 3600},
            {"type": "string", "pattern": "^\\s*[0-9]+\\s*(us|ms|s)?\\s*$"},
        ],
    };
    Delay, "ShortDelay": {
        "description": "A time: a number and us, ms or s; an hour at most.",
        "type": "string", "pattern": "^[0-9]+\\s*(us|ms|s)$", "examples": ["500 us"],
    };
    InterfaceName, "InterfaceName": {
        "description": "An interface: its name, PCI address or MAC address, resource:NAME of a device \
                        plugin, network:NAME of a pod.",
        "type": "string", "minLength": 1,
    };
    PacketFilter, "PacketFilter": {
        "description": "A filter as for tcpdump, e.g. not port 9200.",
        "type": "string",
    };
    Network, "Network": {
        "description": "A network such as 10.0.0.0/8, or one address.",
        "type": "string", "pattern": "^([0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)(/[0-9]{1,3})?$",
    };
    Cpus, "Cpus": {
        "description": "CPUs: a number, a range such as 2-5, or a list of such.",
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": "^[0-9]"},
            {"type": "array", "minItems": 1, "items": {"type": ["integer", "string"]}},
        ],
    };
}

impl<const LOW: u32, const HIGH: u32> schemars::JsonSchema for Within<LOW, HIGH> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("From{LOW}To{HIGH}").into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "integer", "minimum": LOW, "maximum": HIGH})
    }
}

impl<const LOW: u32, const HIGH: u32> schemars::JsonSchema for PowerOfTwo<LOW, HIGH> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("PowerOfTwoFrom{LOW}To{HIGH}").into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let powers = (0..32).map(|bit| 1u32 << bit);
        let all: Vec<u32> = powers.filter(|power| (LOW..=HIGH).contains(power)).collect();
        schemars::json_schema!({"description": "A power of two.", "type": "integer", "enum": all})
    }
}
