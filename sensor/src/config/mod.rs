//! From configuration files to the settings of the detector and the process.

pub(crate) mod boolean;
pub(crate) mod capture;
pub(crate) mod duration;
pub(crate) mod face;
pub(crate) mod integer;
pub(crate) mod migration;
pub(crate) mod native;
pub(crate) mod process;
pub(crate) mod set;
pub(crate) mod size;
pub(crate) mod suricata;
pub(crate) mod tree;
pub(crate) mod yaml;
