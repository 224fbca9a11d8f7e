//! Which worker a frame belongs to: the symmetric hash, and the programs that compute it in the
//! kernel.
//!
//! ```
//! use steer::{HashSettings, Link};
//!
//! let settings = HashSettings { seed: 7, ..HashSettings::default() };
//! let packet = |source: [u8; 4], destination: [u8; 4]| {
//!     let mut bytes = vec![0x45, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0];
//!     bytes.extend([source, destination].concat());
//!     settings.steering(Link::Raw, &bytes)
//! };
//! let there = packet([192, 0, 2, 1], [198, 51, 100, 7]);
//! let back = packet([198, 51, 100, 7], [192, 0, 2, 1]);
//! assert_eq!(there.worker(4), back.worker(4));
//! ```
//!
//! - [`HashSettings::steering`] computes the hash of a frame in user space.
//! - [`fanout_program`] is a filter for `PACKET_FANOUT_CBPF` that returns it.
//! - With the feature `xdp`, `Program` is a program for a NIC that hands frames to AF_XDP sockets
//!   together with it, drops flows that need no more inspection (`Shunts`), and sheds load. Its
//!   source is `bpf/steer.bpf.c`; clang, libelf and zlib are needed to build it.
//!
//! XDP sees a frame as the driver leaves it: VLAN identifiers count only if the NIC does not take
//! tags away (`ethtool -K NIC rxvlan off`).
#![deny(unsafe_code)]

mod assembler;
#[cfg(feature = "xdp")]
mod attach;
mod counters;
#[cfg(feature = "xdp")]
mod error;
mod fanout;
mod hash;
mod header;
#[cfg(feature = "xdp")]
mod messages;
mod metadata;
#[cfg(feature = "xdp")]
mod program;
#[cfg(feature = "xdp")]
mod shunt;
mod tags;
mod tunnel;

pub use assembler::Instruction;
#[cfg(feature = "xdp")]
pub use attach::{AttachMode, Attempt};
pub use counters::Counters;
#[cfg(feature = "xdp")]
pub use error::Error;
pub use fanout::fanout_program;
pub use hash::{HashSettings, Link, Steering, Tunnels, steering};
pub use metadata::{METADATA_LEN, Metadata, read_metadata};
#[cfg(feature = "xdp")]
pub use program::{Action, Loaded, Prefix, Program, ProgramSettings, QUEUE_LIMIT, Trial};
#[cfg(feature = "xdp")]
pub use shunt::{Direction, FlowKey, ShuntSettings, Shunted, Shunts};
pub use tags::Tags;
