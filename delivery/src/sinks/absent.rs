//! Sinks that this program was built without: a configuration that names one is told so.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::sink::Sink;

use super::Surroundings;

/// Apache Kafka.
#[derive(Clone, Debug)]
pub enum Kafka {}

impl Kafka {
    pub(super) fn build(&self, _: &Surroundings) -> Result<Box<dyn Sink>, String> {
        match *self {}
    }
}

impl<'de> Deserialize<'de> for Kafka {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(
            "this program was built without Kafka; build it with `--features kafka`, or take a \
             package, which has it",
        ))
    }
}
