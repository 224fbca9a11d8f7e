//! Facts read from copies of `sys` and `proc`, from hwloc, and from the host that runs the tests.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may unwrap like the tests")]

mod find;
#[cfg(feature = "hwloc")]
mod hwloc;
mod live;
mod tree;
