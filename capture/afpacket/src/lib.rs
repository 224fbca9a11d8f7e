//! Packet rings of the kernel (AF_PACKET, TPACKET_V3) and their fanout over several sockets.
//!
//! The kernel copies frames into blocks of memory that it shares with this process, and hands a
//! block over when it is full or its time is up. No system call and no allocation is needed per
//! frame; a frame is read where the kernel put it.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use afpacket::{Ring, RingSettings};
//!
//! # fn main() -> Result<(), afpacket::Error> {
//! let mut ring = Ring::open(&RingSettings::new("eth1"))?;
//! loop {
//!     while ring.next_frames(64) > 0 {
//!         for frame in ring.frames() {
//!             println!("{} {}", frame.timestamp_ns, frame.bytes.len());
//!         }
//!     }
//!     ring.wait(Duration::from_millis(100))?;
//! }
//! # }
//! ```
//!
//! What the kernel does to frames on the way, and what this crate does about it:
//! - The outermost VLAN tag is taken out of the frame. It is put back, so that the bytes are those
//!   on the wire.
//! - Frames that this host sends may have no checksum yet, and frames of one TCP connection may be
//!   merged into one that is larger than the MTU (receive offload: `ethtool -K IF gro off lro off`
//!   prevents it). The first is told by [`Frame::checksum_not_ready`]; a merged frame that does
//!   not fit a block arrives cut, with a [`Frame::wire_len`] above its length.
//! - Frames that this host sends are received as Suricata 8 receives them, unless
//!   [`RingSettings::ignore_outgoing`] is set. On a loopback interface they are always left out,
//!   for there each frame would come twice.
#![deny(unsafe_code)]

mod block;
mod error;
mod filter;
mod frame;
mod link;
mod memory;
#[cfg(test)]
#[path = "../tests/afpacket/namespace.rs"]
mod namespace;
mod promiscuous;
mod ring;
mod settings;
mod spare;
mod statistics;
mod system;

pub use error::{Error, Step};
pub use frame::{Frame, Frames};
pub use promiscuous::Promiscuous;
pub use ring::{Block, Ring, Taken};
pub use settings::{Fanout, FanoutKind, Instruction, Interface, RingSettings};
pub use spare::{Found, Spare};
pub use statistics::Statistics;
