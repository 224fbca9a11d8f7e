//! Rules compiled, prefiltered and inspected.
//!
//! `Ruleset` is what all workers share; an `Inspector` is what one worker owns. Unsafe code is
//! only in `pcre`, at the border to the C library.
#![deny(unsafe_code)]

pub mod classes;
pub mod compile;
pub mod content;
pub mod group;
pub mod inspect;
pub mod kept;
pub mod order;
#[allow(unsafe_code, reason = "calls into PCRE2, each with its safety argument")]
pub mod pcre;
pub mod queue;
pub mod remembered;
pub mod reputation;
pub mod ruleset;
pub mod sharing;
pub mod tag;
pub mod threshold;

pub use content::Resources;
pub use inspect::{Inspector, PacketFacts, Verdict};
pub use kept::{Flow, FlowInspection, FlowRecords, Kept, PassedBy};
pub use queue::{Alert, ContextValue, Match, Queue};
pub use ruleset::{CompileFailure, EngineSettings, Needs, RuleCounts, Ruleset, Unchanged};
