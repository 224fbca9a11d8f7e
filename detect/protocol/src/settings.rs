//! What the configuration says about application protocols.

use std::net::IpAddr;
use std::sync::Arc;

use crate::app::AppProto;
use crate::detection::Transport;
use crate::file::FileSettings;
use crate::file::range::RangeSettings;
use crate::http::HttpSettings;
use crate::ssh::SshSettings;
use crate::tls::TlsSettings;

/// `app-layer.protocols.<name>.enabled`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    /// Detected and parsed.
    #[default]
    On,
    /// Detected, not parsed.
    DetectionOnly,
    /// Not detected.
    Off,
}

/// What becomes of a session once it is encrypted (`encryption-handling`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncryptionHandling {
    /// The payload is not inspected any more, the flow stays tracked.
    #[default]
    TrackOnly,
    /// The flow is bypassed.
    Bypass,
    /// Inspection goes on.
    Full,
}

impl EncryptionHandling {
    /// By its name in the configuration; none: no such name.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "track-only" | "default" => Some(Self::TrackOnly),
            "bypass" => Some(Self::Bypass),
            "full" => Some(Self::Full),
            _ => None,
        }
    }
}

/// Whether a kind of fingerprint is made (`ja3-fingerprints`, `ja4-fingerprints`, `hassh`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fingerprints {
    /// When rules ask for it.
    #[default]
    Auto,
    /// Always.
    Yes,
    /// Never; rules that ask for it find nothing.
    No,
}

impl Fingerprints {
    /// Decides `Auto` by whether rules ask for the fingerprint.
    pub const fn settle(self, wanted_by_rules: bool) -> Self {
        match self {
            Self::Auto if wanted_by_rules => Self::Yes,
            other => other,
        }
    }

    /// True when the fingerprint is made.
    pub const fn is_on(self) -> bool {
        matches!(self, Self::Yes)
    }
}

/// Ports, as ranges with both ends included.
pub type PortRanges = Vec<(u16, u16)>;

/// Detection ports of one protocol over one transport that replace the built-in ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectionPorts {
    /// Whose ports they are.
    pub proto: AppProto,
    /// Over which transport; none: both.
    pub transport: Option<Transport>,
    /// Ports of the server (`dp`, `toserver`).
    pub server: PortRanges,
    /// Ports of the client (`sp`, `toclient`).
    pub client: PortRanges,
}

const PROTOCOLS: usize = AppProto::ALL.len() + 2;

/// Which protocols are detected and parsed, over which transports.
#[derive(Clone, Debug)]
pub struct Switches([[Switch; 2]; PROTOCOLS]);

/// Choices for all protocols.
#[derive(Clone, Debug)]
pub struct ProtocolSettings {
    /// Which are on; see [`ProtocolSettings::set_switch`].
    pub switches: Switches,
    /// Detection ports; protocols that are not named have the built-in ones.
    pub ports: Vec<DetectionPorts>,
    /// `stream.midstream`: sessions are picked up, and may prove to be the wrong way round.
    pub midstream: bool,
    /// Files: hashes, window.
    pub file: FileSettings,
    /// Files that come in parts over HTTP (`http.byterange`).
    pub ranges: RangeSettings,
    /// HTTP, for servers that no entry of `http_servers` names.
    pub http: Arc<HttpSettings>,
    /// HTTP by network of the server: address, length of its prefix, choices.
    pub http_servers: Vec<(IpAddr, u8, Arc<HttpSettings>)>,
    /// Rules or outputs look at HTTP bodies.
    pub keep_bodies: bool,
    /// Somebody learns what is in HTTP bodies: a rule, a record, a stored file. Otherwise their
    /// content codings stay on.
    pub decode_bodies: bool,
    /// SSH.
    pub ssh: SshSettings,
    /// TLS.
    pub tls: TlsSettings,
}

impl Default for ProtocolSettings {
    fn default() -> Self {
        let mut settings = Self {
            switches: Switches([[Switch::On; 2]; PROTOCOLS]),
            ports: Vec::new(),
            midstream: false,
            file: FileSettings::default(),
            ranges: RangeSettings::default(),
            http: Arc::default(),
            http_servers: Vec::new(),
            keep_bodies: true,
            decode_bodies: true,
            ssh: SshSettings::default(),
            tls: TlsSettings::default(),
        };
        for proto in [AppProto::Modbus, AppProto::Dnp3] {
            settings.set_switch(proto, None, Switch::Off);
        }
        settings
    }
}

impl ProtocolSettings {
    /// Whether a protocol is detected and parsed over a transport.
    pub fn switch(&self, proto: AppProto, transport: Transport) -> Switch {
        let pair = self.switches.0.get(proto as usize).copied().unwrap_or_default();
        pair[transport.index()]
    }

    /// Sets that for one transport, or for both.
    pub fn set_switch(&mut self, proto: AppProto, transport: Option<Transport>, switch: Switch) {
        let Some(pair) = self.switches.0.get_mut(proto as usize) else { return };
        match transport {
            Some(transport) => pair[transport.index()] = switch,
            None => *pair = [switch; 2],
        }
    }

    /// The choices for an HTTP server: those of the longest prefix that covers it.
    pub fn http_of(&self, server: Option<IpAddr>) -> &Arc<HttpSettings> {
        let covering = self.http_servers.iter().filter(|(network, prefix, _)| {
            server.is_some_and(|server| covers(*network, *prefix, server))
        });
        let longest = covering.max_by_key(|(_, prefix, _)| *prefix);
        longest.map_or(&self.http, |(_, _, settings)| settings)
    }
}

fn covers(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    let differing = match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing >= u32::from(prefix)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::ProtocolSettings;

    #[test]
    fn servers_have_the_choices_of_their_longest_prefix() {
        let mut settings = ProtocolSettings::default();
        for (network, prefix) in [("10.0.0.0", 8), ("10.1.0.0", 16), ("2001:db8::", 32)] {
            settings.http_servers.push((network.parse().unwrap(), prefix, Arc::default()));
        }
        let check = |server: Option<&str>, place: Option<usize>| {
            let got = settings.http_of(server.map(|server| server.parse().unwrap()));
            let expected = place.map_or(&settings.http, |at| &settings.http_servers[at].2);
            assert!(Arc::ptr_eq(got, expected), "{server:?}");
        };
        check(Some("10.2.3.4"), Some(0));
        check(Some("10.1.3.4"), Some(1));
        check(Some("11.1.3.4"), None);
        check(Some("2001:db8:1::1"), Some(2));
        check(Some("::1"), None);
        check(None, None);
    }
}
