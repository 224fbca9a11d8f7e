//! The process around detectors: inputs, rules, workers.

mod distribute;
pub(crate) mod file_kind;
pub(crate) mod input;
pub(crate) mod live;
pub(crate) mod load;
mod memory;
mod merge;
pub(crate) mod progress;
mod reader;
pub(crate) mod replay;
pub(crate) mod stop;
pub(crate) mod summary;
mod workers;
mod writer;
