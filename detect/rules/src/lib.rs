//! From rule text to typed rules; no I/O.
//!
//! `rule` is what a rule is; `parser` makes one from text; `keyword` has one file per keyword.
#![forbid(unsafe_code)]

pub mod rule;

pub use rule::{
    Action, ActionScope, ByteOrder, BufferMatch, Content, ContentOp, FlowSpec, HeaderProto, Operand,
    Place, Rule, RuleClass, RuleDirection, Target, Transform,
};
