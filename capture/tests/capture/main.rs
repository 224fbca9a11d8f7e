//! Tests of the crate from outside.

#![allow(clippy::unwrap_used, reason = "the helpers of tests may unwrap like the tests")]

mod craft;
mod files;
mod formats;
mod properties;
