//! Rules from their text to alerts, on packets made by hand.
#![allow(clippy::unwrap_used, reason = "a test may end at what should not be")]

mod brute;
mod classes;
mod content;
mod datasets;
mod flows;
mod order;
mod packets;
mod pcre;
mod prefilter;
mod queue;
mod thresholds;
mod transactions;
mod unchanged;
