//! What is kept with each flow: its protocol session and how far rules have got.

use protocol::registry::AnyParser;
use protocol::session::Session;

/// A flow as the engine knows it.
pub type Flow = flow::Flow<Kept>;

/// The extension of a flow.
#[derive(Debug, Default)]
pub struct Kept {
    /// Protocol detection and parser.
    pub session: Session,
    /// How far the rules have got.
    pub inspection: FlowInspection,
    /// What has been written about the flow.
    pub records: FlowRecords,
    /// Directions with data that the application layer may take.
    pub ready: [bool; 2],
    /// Directions whose transactions changed since rules looked last.
    pub pending: [bool; 2],
    /// Directions whose transactions may have changed since they were marked without rules.
    pub unmarked: [bool; 2],
    /// The end of the data was announced to the parser, by direction.
    pub ended: [bool; 2],
    /// The parser of the protocol before a change, until its records are written.
    pub retired: Option<AnyParser>,
    /// The flow is dropped by an exception policy, not by a rule.
    pub policy_drop: bool,
    /// What the capture kept to itself, once the flow has ended.
    pub passed_by: Option<Box<PassedBy>>,
}

/// Packets of a flow that the capture kept to itself, by direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedBy {
    /// Packets to the server and to the client.
    pub packets: [u64; 2],
    /// Their bytes, counted as those of other packets of the flow.
    pub bytes: [u64; 2],
}

/// State of inspection on a flow.
#[derive(Debug, Default)]
pub struct FlowInspection {
    /// Of the ruleset that the rest is about.
    pub(crate) generation: u32,
    /// Number of the group of each direction in the worker's cache, plus one; 0: none yet.
    pub group: [u32; 2],
    /// The flow was established after the packet that rules looked at last.
    pub established: bool,
    /// The group was chosen when the flow was established.
    pub group_established: [bool; 2],
    /// Address-only rules have run, by direction.
    pub address_rules_done: [bool; 2],
    /// `app-layer-protocol` rules have run, by direction.
    pub protocol_rules_done: [bool; 2],
    /// First transaction that is not through, by direction.
    pub inspect_from: [u64; 2],
    /// `tag:session`: what is left of each tag that is in force.
    pub tags: Vec<crate::tag::TagState>,
    /// Files of later transactions are to be stored, by direction (`filestore:..,flow`).
    pub store_files: [bool; 2],
    /// The last entropies that rules measured, with the buffers' names.
    pub entropies: Vec<(Box<str>, f64)>,
    /// Records of transactions are switched off (`config`).
    pub no_records: bool,
}

/// What has been written about a flow.
#[derive(Debug, Default)]
pub struct FlowRecords {
    /// Drop records written, by direction.
    pub drop_logged: [bool; 2],
}
