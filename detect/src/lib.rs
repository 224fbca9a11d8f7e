//! The detector: from frames to event bytes.
//!
//! `detector` is the life of a packet, read from top to bottom. It does no I/O, starts no
//! thread, reads no clock and holds no global.
#![forbid(unsafe_code)]

pub mod application;
pub mod checksums;
pub mod counters;
pub mod detector;
pub mod event;
pub mod offload;
pub mod output;
pub mod records;
pub mod settings;
pub mod shared;

pub use counters::{Snapshot, Summary};
pub use detector::Detector;
pub use output::{Events, FileEvent, Records};
pub use settings::{EveSettings, OutputSettings, Settings};
pub use shared::Shared;
