//! Flow table, timers, state bits and TCP reassembly.
//!
//! The table is generic over what the rooms above keep with a flow (`X`), so that this crate
//! knows neither application protocols nor rules. Time is packet time throughout.
#![forbid(unsafe_code)]

pub mod bits;
pub mod counters;
mod drop_reason;
pub mod entry;
pub mod hostbits;
pub mod key;
pub mod policy;
pub mod rate;
pub mod reassembly;
pub mod settings;
pub mod table;
pub mod tcp;

pub use counters::FlowCounters;
pub use entry::{AppAction, EndReason, Flow, FlowAction, FlowState};
pub use key::FlowKey;
pub use reassembly::{AppData, RawChunks, Stream};
pub use settings::{FlowSettings, ProtocolTimeouts, RateTracking, Timeouts};
pub use table::{FlowId, FlowTable, Lookup};
pub use tcp::{
    StreamCounters, StreamSettings, TcpSession, TcpState, Tracked, UrgentLimitPolicy, UrgentPolicy,
    track,
};
