//! Live capture on interfaces of their own network namespace. Needs root and the `ip` tool.

mod comeback;
mod delivery;
mod loss;
mod network;
mod order;
mod system;
mod traffic;
mod workers;
