//! IGMP: by name only. Suricata 8 matches it as plain IP and gives it no flow.

/// IP protocol number.
pub const PROTOCOL: u8 = 2;

/// The message type's name (RFC 1112, 2236, 3376), if it is assigned.
pub const fn type_name(kind: u8) -> Option<&'static str> {
    match kind {
        0x11 => Some("membership_query"),
        0x12 => Some("membership_report_v1"),
        0x16 => Some("membership_report_v2"),
        0x17 => Some("leave_group"),
        0x22 => Some("membership_report_v3"),
        _ => None,
    }
}
