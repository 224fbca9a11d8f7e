//! The program as it is called: exit status, texts, files.

#![allow(clippy::unwrap_used, reason = "the helpers of tests may unwrap like the tests")]

mod config;
mod configuration;
mod craft;
mod native;
mod records;
mod sending;
mod stopping;
mod suricata;
