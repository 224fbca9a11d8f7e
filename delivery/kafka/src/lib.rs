//! A producer for Apache Kafka over librdkafka, whose sockets its user makes.
//!
//! Only [`producer`] and [`event`] have unsafe code. What librdkafka has to tell comes as
//! [`Event`]s out of [`Producer::poll`], in the thread that calls it; only [`Host`] is called in
//! threads of librdkafka.
#![deny(unsafe_code)]

mod code;
#[allow(unsafe_code)]
mod event;
mod host;
#[allow(unsafe_code)]
mod producer;

pub use code::Code;
pub use event::{Event, Report};
pub use host::{Family, Host, Token};
pub use producer::{Message, Producer, Refusal, check};
