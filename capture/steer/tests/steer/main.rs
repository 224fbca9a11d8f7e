//! Steering from outside: frames made by hand, the hash, and the programs that compute it.

mod craft;
mod fanout;
mod hash;
mod system;
#[cfg(feature = "xdp")]
mod xdp;
