//! Settings of the TLS parser (`app-layer.protocols.tls`).

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

/// Whether a kind of fingerprint is made (`ja3-fingerprints`, `ja4-fingerprints`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fingerprints {
    /// When rules ask for it.
    #[default]
    Auto,
    /// Always.
    Yes,
    /// Never; rules that ask for it are not supported.
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

/// Settings of the TLS parser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// What becomes of encrypted sessions.
    pub encryption_handling: EncryptionHandling,
    /// JA3 and JA3S; settle `Auto` before use.
    pub ja3: Fingerprints,
    /// JA4 as a buffer of rules; records have it regardless (Suricata 8).
    pub ja4: Fingerprints,
}
