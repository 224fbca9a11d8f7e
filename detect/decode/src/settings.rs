//! What of decoding can be configured, with the defaults of a configuration that says nothing.

use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

use crate::prefix::{Network, NetworkError, PrefixMap};

/// `decoder.*`, `defrag.*` and `host-os-policy`.
#[derive(Clone, Debug)]
pub struct DecodeSettings {
    /// Layers of a packet at which its decoding stops.
    pub max_layers: u8,
    /// UDP ports (either one) tried as Teredo.
    pub teredo: TunnelPorts,
    /// UDP destination ports tried as VXLAN.
    pub vxlan: TunnelPorts,
    /// UDP ports (either one) tried as Geneve.
    pub geneve: TunnelPorts,
    /// Frames come from a live capture: one shorter than it was on the wire gets an event.
    pub live: bool,
    /// Defragmentation.
    pub defrag: DefragSettings,
    /// How the protected hosts put overlapping data together.
    pub os_policies: OsPolicies,
}

impl Default for DecodeSettings {
    fn default() -> Self {
        Self {
            max_layers: 16,
            teredo: TunnelPorts::Any,
            vxlan: TunnelPorts::list(&[4789]),
            geneve: TunnelPorts::list(&[6081]),
            live: false,
            defrag: DefragSettings::default(),
            os_policies: OsPolicies::default(),
        }
    }
}

/// On which UDP ports a tunnel protocol is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelPorts {
    /// On none: the tunnel is not decoded.
    Off,
    /// On every port.
    Any,
    /// On these.
    List {
        /// The ports; only the first `count` are set.
        ports: [u16; 4],
        /// How many there are.
        count: u8,
    },
}

impl TunnelPorts {
    /// At most this many ports can be listed.
    pub const MAX: usize = 4;

    /// The first four of `ports`.
    pub fn list(ports: &[u16]) -> Self {
        let mut kept = [0; Self::MAX];
        let count = ports.len().min(Self::MAX);
        kept[..count].copy_from_slice(&ports[..count]);
        Self::List { ports: kept, count: count as u8 }
    }

    /// True if the tunnel is tried on `port`.
    pub fn contains(&self, port: u16) -> bool {
        match self {
            Self::Off => false,
            Self::Any => true,
            Self::List { ports, count } => {
                ports.iter().take(usize::from(*count)).any(|&listed| listed == port)
            }
        }
    }
}

/// `defrag.*`.
#[derive(Clone, Debug)]
pub struct DefragSettings {
    /// Bytes that trackers and their fragments may take.
    pub memcap: u64,
    /// Rows of the tracker table.
    pub hash_size: u32,
    /// Trackers allocated at the start, if `prealloc` is on.
    pub trackers: u32,
    /// Fragments that may be held at a time.
    pub max_frags: u32,
    /// Allocate trackers at the start.
    pub prealloc: bool,
    /// Seconds after its latest fragment that a tracker is given up.
    pub timeout: u32,
    /// Timeouts of particular destinations.
    pub host_timeouts: PrefixMap<u32>,
    /// Key of the table's hash, so that senders cannot choose the row.
    pub hash_seed: u64,
}

impl DefragSettings {
    /// The timeout's lowest and highest value, seconds.
    pub const TIMEOUTS: std::ops::RangeInclusive<u32> = 1..=86_400;
}

impl Default for DefragSettings {
    fn default() -> Self {
        Self {
            memcap: 16 << 20,
            hash_size: 4096,
            trackers: 1000,
            max_frags: 65_535,
            prealloc: false,
            timeout: 60,
            host_timeouts: PrefixMap::default(),
            hash_seed: 0x9e37_79b9_7f4a_7c15,
        }
    }
}

/// An operating system's way with overlapping fragments and segments; `host-os-policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OsPolicy {
    /// BSD, also where nothing is configured.
    #[default]
    Bsd,
    /// BSD that prefers the data further right.
    BsdRight,
    /// Linux before 2.4.
    OldLinux,
    /// Linux.
    Linux,
    /// Solaris before 9.
    OldSolaris,
    /// Solaris.
    Solaris,
    /// HP-UX 10.
    Hpux10,
    /// HP-UX 11.
    Hpux11,
    /// IRIX.
    Irix,
    /// Mac OS.
    Macos,
    /// Windows Vista and later.
    Vista,
    /// Windows before 2003.
    Windows,
    /// Windows Server 2003.
    Windows2k3,
}

impl OsPolicy {
    /// Every policy.
    pub const ALL: [Self; 13] = [
        Self::Bsd,
        Self::BsdRight,
        Self::OldLinux,
        Self::Linux,
        Self::OldSolaris,
        Self::Solaris,
        Self::Hpux10,
        Self::Hpux11,
        Self::Irix,
        Self::Macos,
        Self::Vista,
        Self::Windows,
        Self::Windows2k3,
    ];

    /// The name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bsd => "bsd",
            Self::BsdRight => "bsd-right",
            Self::OldLinux => "old-linux",
            Self::Linux => "linux",
            Self::OldSolaris => "old-solaris",
            Self::Solaris => "solaris",
            Self::Hpux10 => "hpux10",
            Self::Hpux11 => "hpux11",
            Self::Irix => "irix",
            Self::Macos => "macos",
            Self::Vista => "vista",
            Self::Windows => "windows",
            Self::Windows2k3 => "windows2k3",
        }
    }
}

/// A name that is no policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{0}\" is not an operating system policy")]
pub struct OsPolicyError(
    /// The text as it was given.
    pub String,
);

impl FromStr for OsPolicy {
    type Err = OsPolicyError;

    fn from_str(text: &str) -> Result<Self, OsPolicyError> {
        let found = Self::ALL.into_iter().find(|policy| policy.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| OsPolicyError(text.to_owned()))
    }
}

/// The policies of the protected hosts.
#[derive(Clone, Debug, Default)]
pub struct OsPolicies {
    by_network: PrefixMap<OsPolicy>,
}

impl OsPolicies {
    /// Gives an address or network (`10.0.0.0/8`, `::1`) its policy.
    pub fn insert(&mut self, network: &str, policy: OsPolicy) -> Result<(), NetworkError> {
        let network: Network = network.parse()?;
        self.by_network.insert(network, policy);
        Ok(())
    }

    /// The policy of `host`; BSD where nothing is configured.
    pub fn of(&self, host: IpAddr) -> OsPolicy {
        self.by_network.get(host).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_by_name_and_found_by_address() {
        for policy in OsPolicy::ALL {
            assert_eq!(policy.name().parse(), Ok(policy));
        }
        assert!("first".parse::<OsPolicy>().is_err());
        let mut policies = OsPolicies::default();
        policies.insert("0.0.0.0/0", OsPolicy::Windows).unwrap();
        policies.insert("10.0.0.0/8", OsPolicy::Linux).unwrap();
        let check = |host: &str, policy| assert_eq!(policies.of(host.parse().unwrap()), policy);
        check("192.0.2.1", OsPolicy::Windows);
        check("10.2.3.4", OsPolicy::Linux);
        check("2001:db8::1", OsPolicy::Bsd);
    }

    #[test]
    fn ports_beyond_the_fourth_are_not_kept() {
        let ports = TunnelPorts::list(&[1, 2, 3, 4, 5]);
        assert!(ports.contains(4) && !ports.contains(5) && !ports.contains(0));
        assert!(TunnelPorts::Any.contains(9) && !TunnelPorts::Off.contains(9));
    }
}
