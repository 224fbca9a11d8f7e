//! Carries event records from workers to their receivers, over a network of its own.
//!
//! Workers put batches of records into a bounded queue; one thread takes them from there into the
//! [`spool`] on disk; each [`sink`] has a publisher that reads the spool at its own pace,
//! offers records to the sink and remembers how far the receiver has confirmed them. Nothing here
//! knows of packets or rules: a record is a line of JSON with a worker's number and a sequence
//! number beside it.
#![deny(unsafe_code)]

pub mod activity;
mod address;
mod backoff;
mod calendar;
#[cfg(all(test, feature = "tls"))]
mod certificates;
mod delivery;
mod described;
mod dial;
pub mod duration;
pub mod figures;
pub mod filter;
mod http;
pub mod marker;
pub mod network;
pub mod post;
mod publisher;
pub mod queue;
pub mod reach;
pub mod record;
mod refused;
pub mod secret;
pub mod settings;
pub mod sink;
pub mod sinks;
pub mod spool;
pub mod stream;
mod template;
#[cfg(feature = "tls")]
pub mod tls;
pub mod volume;

pub use crate::delivery::{Delivery, Figures, Prepared, StartError};
