//! Where capture runs best: interfaces, nodes, queues and cores, planned, applied and undone.
//!
//! [`Facts`] are read from the host, [`Plan::make`] is a pure function of them and of the user's
//! [`Wishes`], [`apply()`] brings the host there and returns the [`Undo`], and [`verify()`] says
//! what differs.
#![deny(unsafe_code)]

mod apply;
mod cpus;
mod ethtool;
mod facts;
mod find;
mod host;
mod netlink;
mod pin;
mod plan;
mod setting;
mod tree;
mod verify;

pub use apply::{Applied, ApplyError, Undo, apply};
pub use cpus::{CpuSet, CpuSetError};
pub use facts::{
    Channels, Coalescing, Cpu, Facts, FactsError, Feature, Function, HugePages, Interface,
    Interrupt, Machine, Node, Pause, Process, Rings, Rss, Sources, Topology,
};
pub use find::{Candidate, FindError, Inventory, Selector, Surroundings};
pub use host::{Host, Kernel};
pub use pin::{PinError, pin_current_thread};
pub use plan::{
    Capture, HugePageWish, InterfacePlan, InterruptPlace, Management, NodeMemory, OwnWishes, Plan,
    Ring, Step, Wishes, Worker,
};
pub use setting::{Flow, HashKey, Indirection, Setting, Transform};
pub use verify::verify;
