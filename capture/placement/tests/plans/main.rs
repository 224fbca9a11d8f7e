//! Plans: those on file, what holds for all of them, and how they are applied and undone.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may unwrap like the tests")]

mod apply;
mod machines;
mod properties;
mod topologies;
