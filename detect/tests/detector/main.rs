//! The whole detector, from packets made by hand to records.
#![allow(clippy::unwrap_used, reason = "a test may end at what should not be")]

mod bench;
mod bodies;
mod ends;
mod lines;
mod living;
mod proxies;
mod ssh;
mod storing;
