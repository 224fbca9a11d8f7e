//! Where rules come from: sources, what is selected of them, generations on disk with a way back,
//! and signed bundles that many sensors share.
//!
//! Rules are text here. Whether they load is asked of whoever calls (`Test`), so that this crate
//! knows nothing of detection.
#![forbid(unsafe_code)]

pub mod manifest;
