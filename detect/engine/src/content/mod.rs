//! The options on one buffer of a rule: compiled, and run on bytes.

pub mod base64;
pub mod compile;
pub mod dataset;
pub mod literal;
mod number;
pub mod resources;
pub mod run;
pub mod transform;

pub use compile::Program;
pub use resources::Resources;
pub use run::{Captured, Data, Scratch};
