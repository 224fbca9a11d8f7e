//! From rule text to typed rules; no I/O.
//!
//! `loader` takes the texts of rule files; `parser` makes one rule from text; `rule` is what a
//! rule is; `keyword` has one file per keyword.
#![forbid(unsafe_code)]

pub mod address;
pub mod builder;
pub mod catalogue;
pub mod classification;
pub mod describe;
pub mod error;
pub mod keyword;
mod known;
pub mod loader;
pub mod names;
pub mod port;
pub mod reference;
pub mod rule;
pub mod settings;
pub mod threshold;
pub mod variables;

mod classify;
mod date;
mod fast_pattern;
mod header;
mod index;
mod list;
mod option;
mod parser;
mod ranges;
mod requires;
mod text;
mod token;
mod validate;

#[cfg(test)]
mod tests;

pub use address::AddressSet;
pub use catalogue::Catalogue;
pub use classification::Classifications;
pub use error::{RuleError, RuleWarning, Span};
pub use known::Known;
pub use loader::{Failure, LoadedRules, Loader, Oddity, Skipped};
pub use names::Names;
pub use port::PortSet;
pub use reference::References;
pub use rule::{
    Action, ActionScope, BufferMatch, ByteOrder, Content, ContentOp, FlowSpec, HeaderProto,
    Operand, Place, Rule, RuleClass, RuleDirection, Target, Transform,
};
pub use settings::Settings;
pub use text::RuleText;
pub use threshold::{Threshold, ThresholdFile};
pub use variables::Variables;
