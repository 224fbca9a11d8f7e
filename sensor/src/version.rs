//! The version of Suricata whose contract this sensor keeps.

/// What clients and records are told.
pub(crate) const SURICATA: &str = "8.0.7";
