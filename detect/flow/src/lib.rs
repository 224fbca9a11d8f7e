//! Flow table, timers, state bits and TCP reassembly.
//!
//! The table is generic over what the rooms above keep with a flow (`X`), so that this crate
//! knows neither application protocols nor rules. Time is packet time throughout.
//!
//! A packet's way, with `t` a [`FlowTable`] and `c` the worker's [`StreamCounters`]:
//!
//! 1. `t.hash(p)`, and for the packets of a batch ahead `t.prefetch(hash)`, then
//!    `t.prefetch_flow(hash)`, which finds in cache what the first fetched;
//! 2. `t.lookup(p, hash, &mut ended)`: the flow and the direction, or why there is none;
//! 3. for TCP, unless the flow is bypassed, [`track`]; if it says `reverse`, `t.reverse(id)`, and
//!    the packet's direction turns. Each policy hit goes to [`policy::apply`];
//! 4. for each direction that is `ready`: [`Stream::app_data`] until there is none, with
//!    [`Stream::app_consume`] for what was used and [`TcpSession::take_gap`] for gaps;
//! 5. rules: [`TcpSession::raw_ready`], [`Stream::raw_data`] (inline [`Stream::raw_window`]), then
//!    [`Stream::raw_mark_inspected`], or [`Stream::raw_skip`] if nobody looked;
//! 6. [`TcpSession::prune`] in the packet's direction;
//! 7. `t.expire(now, 2, &mut ended)`; whatever is in `ended` is finished (`app_data(true)`,
//!    `raw_data(true)`), logged, and taken out: `c.recycle(t.remove(id))`.
#![deny(unsafe_code)]

pub mod bits;
pub mod counters;
mod drop_reason;
pub mod entry;
pub mod hostbits;
pub mod key;
pub mod macs;
pub mod policy;
#[allow(unsafe_code)]
mod prefetch;
pub mod rate;
pub mod reassembly;
pub mod settings;
pub mod table;
pub mod tcp;

pub use counters::FlowCounters;
pub use entry::{AppAction, EndReason, Flow, FlowAction, FlowState, Offloaded};
pub use key::FlowKey;
pub use reassembly::{AppData, RawChunks, Stream};
pub use settings::{FlowSettings, ProtocolTimeouts, RateTracking, Timeouts};
pub use table::{FlowId, FlowTable, Hashed, Lookup};
pub use tcp::{
    StreamCounters, StreamSettings, TcpSession, TcpState, Tracked, UrgentLimitPolicy, UrgentPolicy,
    track,
};
