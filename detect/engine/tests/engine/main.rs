//! Rules from their text to alerts, on packets made by hand.

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
