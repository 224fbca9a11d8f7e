//! The decoder from outside: frames in, packets, events and counters out.

mod checksums;
mod defrag;
mod errors;
mod fields;
mod frames;
mod hostile;
mod transport_errors;
mod tunnels;
