//! Multi-pattern literal search: which of a set of byte strings occur in a buffer.
//!
//! A [`Set`] is built once from [`Pattern`]s and then shared between threads. A search passes the
//! buffer through a filter of byte classes (see the `filter` module), looks up what survives by
//! its bytes in a small hash index and confirms it by comparison, so that no false match is ever
//! reported. In large sets patterns of two and three bytes have a pass of their own; single bytes
//! always have.

mod candidates;
mod engine;
mod filter;
mod group;
mod hits;
mod pass;
mod pattern;
mod set;
mod short;
mod statistics;

mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod vbmi;

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;

pub use engine::EngineKind;
pub use hits::Hits;
pub use pattern::Pattern;
pub use set::{Set, SetBuilder};
