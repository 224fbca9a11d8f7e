//! Where rules come from: sources, what is selected of them, generations on disk with a way back,
//! and signed bundles that many sensors share.
//!
//! Rules are text here. Whether they load is asked of whoever calls (`Test`), so that this crate
//! knows nothing of detection.
#![forbid(unsafe_code)]

pub mod apply;
pub mod bundle;
mod data_files;
pub mod difference;
pub mod fetch;
pub mod follow;
pub mod glob;
mod held;
pub mod in_force;
pub mod layout;
pub mod manifest;
pub mod merge;
pub mod receipt;
pub mod rollback;
pub mod rollout;
pub mod rule_line;
pub mod selection;
pub mod server;
pub mod settings;
pub mod sign;
pub mod source;
pub mod store;
pub mod taken_back;
pub mod test;
#[cfg(feature = "tls")]
mod tls;
pub mod update;
