//! Live capture on interfaces of their own network namespace. Needs root and the `ip` tool.

#![allow(clippy::unwrap_used, reason = "the rooms of tests may unwrap like the tests")]

mod allocations;
mod comeback;
mod delivery;
mod loss;
mod network;
mod offload;
mod order;
mod system;
mod traffic;
mod workers;
