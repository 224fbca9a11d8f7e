//! Application layers: protocol detection, parsers, transactions, files.
//!
//! `parser` is the contract; every protocol is a member in a file or folder of its own;
//! `registry` lists them. `session` runs detection and the parser on one flow. The crate knows
//! bytes and transactions, neither flows nor rules.
#![forbid(unsafe_code)]

pub mod app;
pub mod buffer;
pub mod counters;
pub mod detection;
pub mod dns;
pub mod file;
pub mod http;
pub mod mdns;
pub mod parser;
pub mod registry;
pub mod session;
pub mod settings;
pub mod ssh;
pub mod tls;
pub mod transaction;

pub use app::AppProto;
pub use buffer::{BufferId, BufferSpec, NumberId, NumberSpec, View};
pub use counters::AppCounters;
pub use detection::{Detector, Transport};
pub use parser::{Chunk, Effects, Encrypted, Input, LogOptions, Outcome, Parser, ProtocolChange};
pub use registry::AnyParser;
pub use session::{Anomalies, Anomaly, Session, SessionContext, SessionOutcome};
pub use settings::{DetectionPorts, ProtocolSettings, Switch};
pub use transaction::{RuleState, TxMeta};
