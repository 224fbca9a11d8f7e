//! What the configuration says about application protocols.

use crate::app::AppProto;
use crate::detection::Transport;
use crate::file::FileSettings;
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
}
