//! Settings of the TLS parser (`app-layer.protocols.tls`).

use crate::settings::{EncryptionHandling, Fingerprints};

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
