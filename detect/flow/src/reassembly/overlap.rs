//! Who wins where a segment overlaps a stored one: the receivers' ways, by operating system.

use decode::settings::OsPolicy;

use crate::reassembly::segments::Segment;

/// True if the bytes that `new` shares with `stored` are taken from `new`.
///
/// The table is the observed behaviour of Suricata 8 (see Novak and Sturges, "Target-Based TCP
/// Stream Reassembly", for where such tables come from).
pub(crate) fn new_wins(policy: OsPolicy, stored: Segment, new: Segment) -> bool {
    use OsPolicy::{
        Bsd, BsdRight, Hpux10, Hpux11, Irix, Linux, Macos, OldLinux, OldSolaris, Solaris, Vista,
        Windows, Windows2k3,
    };
    let covers_end = new.end() >= stored.end();
    if new.start < stored.start {
        match policy {
            Bsd | BsdRight | Hpux10 | Irix | Windows | Windows2k3 | OldLinux | Linux | Macos => {
                true
            }
            Solaris | OldSolaris | Hpux11 => covers_end,
            Vista => false,
        }
    } else if new.start == stored.start {
        match policy {
            OldLinux | Solaris | OldSolaris | Hpux11 => covers_end,
            Linux => new.end() > stored.end(),
            _ => false,
        }
    } else {
        matches!(policy, Solaris | OldSolaris | Hpux11) && new.end() > stored.end()
    }
}
