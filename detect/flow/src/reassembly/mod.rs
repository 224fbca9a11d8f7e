//! Putting TCP data together: what was received, what may be used, what is still needed.
//!
//! Offsets are absolute: 0 is the first byte after SYN.

mod buffer;
mod insert;
mod overlap;
mod pool;
mod raw;
mod segments;
mod stream;
#[cfg(test)]
mod tests;
mod urgent;

pub(crate) use buffer::InsertError;
pub(crate) use insert::Data;
pub(crate) use pool::BufferPool;
pub use raw::RawChunks;
pub(crate) use stream::Handshake;
pub use stream::{AppData, Pieces, Stream};
