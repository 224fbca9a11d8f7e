//! Frames from capture files and network interfaces.
//!
//! ```no_run
//! use capture::{Received, Source};
//!
//! # fn main() -> Result<(), capture::ReadError> {
//! let mut source = capture::open("traffic.pcap".as_ref())?;
//! while source.receive(32)? == Received::Frames {
//!     for frame in source.batch().frames() {
//!         println!("{} {}", frame.timestamp_us, frame.bytes.len());
//!     }
//! }
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod batch;
mod classic;
mod compressed;
mod directory;
mod error;
mod link;
#[cfg(target_os = "linux")]
pub mod live;
mod merge;
mod open;
mod pcapng;
mod reader;
mod sequence;
mod source;
mod watch;
mod window;
mod writer;

pub use batch::{Batch, Frame, Frames, OwnedBatch};
pub use directory::{Listing, Skipped, list_captures};
pub use error::{Position, ReadError};
pub use link::LinkType;
pub use merge::{MERGE_LIMIT, Merge};
pub use open::{open, open_bytes, open_reader};
pub use reader::MAXIMUM_FRAME;
pub use sequence::Sequence;
pub use source::{Received, Source, SourceStatistics};
pub use watch::{Watch, WatchSettings};
pub use writer::{PcapWriter, write_pcap};
