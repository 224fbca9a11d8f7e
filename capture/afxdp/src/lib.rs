//! AF_XDP sockets over plain system calls: memory, rings, frames that cannot be lost or doubled.
//!
//! An [`Area`] is memory in chunks, for all queues of a NUMA node. A [`Queue`] is a socket that is
//! bound to one queue of a network card. What it receives are [`Frame`]s: small values, one per
//! chunk at any time, that own a chunk and are given back when a packet is done with. A frame's
//! bytes are reached through the area, so they cannot outlive the memory; a frame knows its area,
//! so it cannot be given to another; and a chunk that the kernel has is nobody's frame.
//!
//! ```no_run
//! use afxdp::{Area, AreaSettings, Queue, QueueSettings};
//! use std::time::Duration;
//!
//! # fn tell_xdp_program(queue: &Queue) {}
//! # fn inspect(packet: &[u8]) {}
//! let area = Area::new(&AreaSettings { chunks: 16384, ..AreaSettings::default() })?;
//! let interface = afxdp::interface_index("eth0")?;
//! let settings = QueueSettings { interface, queue: 0, ..QueueSettings::default() };
//! let mut queue = Queue::bind(&area, &settings)?;
//! tell_xdp_program(&queue); // puts the descriptor (`AsFd`) into the program's XSKMAP
//! let mut frames = Vec::with_capacity(64);
//! loop {
//!     if queue.receive(&mut frames, 64) == 0 {
//!         queue.wake_if_needed()?;
//!         queue.wait(Duration::from_millis(100))?;
//!     }
//!     for frame in &frames {
//!         inspect(area.bytes(frame));
//!     }
//!     queue.give_back(frames.drain(..));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Loading an XDP program that directs packets to the sockets is not this crate's affair.

#![deny(unsafe_code)]
#![cfg(target_os = "linux")]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the rings' file offsets need 64 bits");

#[cfg(not(loom))]
mod area;
#[cfg(not(loom))]
mod bind;
#[cfg(not(loom))]
mod chunks;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod geometry;
#[cfg(not(loom))]
mod mapping;
#[cfg(not(loom))]
mod parked;
#[cfg(not(loom))]
mod queue;
#[cfg(not(loom))]
mod registry;
mod ring;
#[cfg(not(loom))]
mod system;

#[cfg(not(loom))]
pub use self::{
    area::{Area, AreaSettings, HugePages},
    bind::{BusyPoll, Mode, QueueSettings},
    chunks::Frame,
    error::{Error, Step},
    queue::{Counters, Queue, Statistics},
};

/// The index of the interface of a name, in the calling thread's network namespace.
#[cfg(not(loom))]
pub fn interface_index(name: &str) -> std::io::Result<u32> {
    system::interface_index(name)
}
