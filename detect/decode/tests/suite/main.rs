//! The decoder from outside: frames in, packets, events and counters out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod checksums;
mod defrag;
mod errors;
mod fields;
mod frames;
mod hostile;
mod transport_errors;
mod tunnels;
