//! Keywords: one file each, or one a tight family; `registry` lists them.
//!
//! To add one: write its file, give it a line in `registry`, and, if it checks packets, a line in
//! `check`.

pub mod app_layer_protocol;
pub mod asn1;
pub mod bit;
pub mod check;
pub mod checksum;
pub mod contract;
pub mod dsize;
pub mod entropy;
pub mod event;
pub mod flow_counters;
pub mod ftpbounce;
pub mod geoip;
pub mod header;
pub mod icmp;
pub mod integer;
pub mod ip;
pub mod ip_proto;
pub mod iprep;
pub mod registry;
pub mod rpc;
pub mod stream_size;
pub mod subject;
pub mod tcp;
pub mod tcp_flags;
pub mod tx_check;
pub mod vlan;

mod base64;
mod bits;
mod buffer_length;
mod byte;
mod byte_extract;
mod byte_jump;
mod byte_math;
mod byte_test;
mod content;
mod dataset;
mod effect;
mod file;
mod flow;
mod frame;
pub(crate) mod limit;
mod meta;
mod number;
mod payload;
mod pcre;
mod tag;
mod tls;
mod transform;

pub use bit::{
    Bit, BitCommand, BitRole, BitTrack, ExtendedBit, FlowBit, FlowInt, HostBit, IntOp, IntOperand,
    VariableCheck,
};
pub use check::Check;
pub use contract::{Features, Keyword, OptionText, QuoteRule, ValueRule};
pub use subject::{FlowFacts, Knowledge, SideFacts, Subject};
pub use tx_check::{FileHash, InstanceCheck, Instances, NumberSet, TxCheck};

pub(crate) use number::setup as setup_number;
