//! Sinks that this program was built without: a configuration that names one is told so.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::sink::Sink;

use super::Surroundings;

/// Makes a kind of sink that refuses to be configured.
macro_rules! absent {
    ($(#[doc = $doc:literal])* $name:ident: $what:literal) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        pub enum $name {}

        impl $name {
            pub(super) fn build(&self, _: &Surroundings) -> Result<Box<dyn Sink>, String> {
                match *self {}
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"not": {}})
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
                Err(D::Error::custom(concat!(
                    "this program was built without ",
                    $what,
                    ", or take a package, which has it",
                )))
            }
        }
    };
}

#[cfg(not(feature = "kafka"))]
absent! {
    /// Apache Kafka.
    Kafka: "Kafka; build it with `--features kafka`"
}

#[cfg(not(feature = "parquet"))]
absent! {
    /// Apache Parquet.
    Parquet: "Parquet; build it with `--features parquet`"
}
