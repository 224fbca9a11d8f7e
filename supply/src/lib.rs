//! Where rules come from: sources, what is selected of them, generations on disk with a way back,
//! and signed bundles that many sensors share.
//!
//! Rules are text here. Whether they load is asked of whoever calls (`Test`), so that this crate
//! knows nothing of detection.
#![forbid(unsafe_code)]

mod data_files;
pub mod fetch;
pub mod glob;
pub mod manifest;
pub mod merge;
pub mod rollback;
pub mod rule_line;
pub mod selection;
pub mod settings;
pub mod source;
pub mod store;
pub mod test;
pub mod update;
