//! Checks on transactions: numbers, protocol events, files.

use decode::Direction;
use protocol::{AppProto, BufferId, NumberId};

use crate::rule::{Compare, NumberCheck};

/// A number that must lie in one of several ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberSet {
    /// Which number.
    pub number: NumberId,
    /// Ranges, bounds included.
    pub ranges: Vec<(u64, u64)>,
    /// In none of them.
    pub negated: bool,
    /// Direction, if only one.
    pub direction: Option<Direction>,
}

impl NumberSet {
    /// Whether `value` satisfies it.
    pub fn matches(&self, value: u64) -> bool {
        self.ranges.iter().any(|&(low, high)| low <= value && value <= high) != self.negated
    }
}

/// Which elements of a number with several instances must satisfy the comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Instances {
    /// Any one of them.
    #[default]
    Any,
    /// All, and there must be one.
    All,
    /// All, or there are none.
    AllOrNone,
    /// So many of them, compared.
    Count(Compare),
    /// The one at this place; negative ones count from the end.
    At(i32),
}

/// A comparison of one, several or all instances of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceCheck {
    /// Which number.
    pub number: NumberId,
    /// Comparison.
    pub compare: Compare,
    /// Which instances.
    pub instances: Instances,
    /// Direction, if only one.
    pub direction: Option<Direction>,
}

/// Digest of a file list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileHash {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// A check on transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxCheck {
    /// A comparison of a number.
    Number(NumberCheck),
    /// A comparison of instances of a number.
    Instances(InstanceCheck),
    /// A number in a set.
    NumberSet(NumberSet),
    /// `app-layer-event` of a protocol; no number: a name that the protocol lacks, never matches.
    Event {
        /// The protocols.
        protos: &'static [AppProto],
        /// Number of the event.
        event: Option<u8>,
    },
    /// `app-layer-state`, a hook of the header alone needs none.
    Progress {
        /// Direction of the state.
        direction: Direction,
        /// The state that must be reached.
        progress: u8,
    },
    /// `tls_cert_expired`, `tls_cert_valid`: the time of the packet against those of the
    /// certificate, in seconds (the numbers are `i64`s as `u64`s).
    CertificateTime {
        /// Number that is the first second of validity.
        not_before: NumberId,
        /// Number that is the last second of validity.
        not_after: NumberId,
        /// Over; else: within its time.
        expired: bool,
    },
    /// `ftpbounce`: see [`super::ftpbounce::bounces`].
    FtpBounce {
        /// Buffer with the command's name.
        command: Option<BufferId>,
        /// Buffer with its argument.
        argument: Option<BufferId>,
    },
    /// `filesize`
    FileSize {
        /// Comparison.
        compare: Compare,
        /// Direction, if only one.
        direction: Option<Direction>,
    },
    /// `filemd5`, `filesha1`, `filesha256`: the digest is (not) in a list.
    FileHash {
        /// Kind of digest.
        hash: FileHash,
        /// Not in the list.
        negated: bool,
        /// File with the list, one digest in hexadecimal a line.
        list: String,
        /// Direction, if only one.
        direction: Option<Direction>,
    },
}

impl TxCheck {
    /// Whether a certificate's times satisfy `tls_cert_expired` or `tls_cert_valid` at `now`.
    pub const fn certificate_holds(
        expired: bool,
        not_before: i64,
        not_after: i64,
        now: i64,
    ) -> bool {
        if expired { not_after < now } else { not_before <= now && now <= not_after }
    }

    /// Directions in which it can hold: to the server, to the client.
    pub const fn directions(&self) -> [bool; 2] {
        let only = match self {
            Self::Number(check) => check.direction,
            Self::Instances(check) => check.direction,
            Self::NumberSet(check) => check.direction,
            Self::Progress { direction, .. } => Some(*direction),
            Self::FileSize { direction, .. } | Self::FileHash { direction, .. } => *direction,
            Self::FtpBounce { .. } => Some(Direction::ToServer),
            // The server's certificate.
            Self::CertificateTime { .. } => Some(Direction::ToClient),
            Self::Event { .. } => None,
        };
        match only {
            None => [true, true],
            Some(Direction::ToServer) => [true, false],
            Some(Direction::ToClient) => [false, true],
        }
    }
}
