//! Rings on interfaces of their own network namespace. Needs root and the `ip` tool.

mod allocations;
mod errors;
mod fanout;
mod interface;
mod loss;
mod namespace;
mod receive;
mod sender;
mod taken;
