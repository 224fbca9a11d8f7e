//! An interface in `capture.interfaces`: its name alone, or a map.

use std::borrow::Cow;
use std::fmt;

use capture::live::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::config::capture::{CaptureSettings, InterfaceSettings};

use super::words::{InterfaceName, Within};

/// An interface: its name alone, or a map.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    pub(super) name: String,
    method: MethodWord,
    queues: Option<u32>,
    promiscuous: bool,
    snap_length: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct InterfaceMap {
    /// What tells the interface.
    name: InterfaceName,
    /// How frames are had.
    #[serde(default)]
    method: MethodWord,
    /// Receive queues that the card gets.
    queues: Option<Within<1, 1024>>,
    /// See frames for others, too.
    promiscuous: Option<bool>,
    /// Frames of packet sockets are cut to this length.
    snap_length: Option<Within<64, 262_144>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum MethodWord {
    #[default]
    Auto,
    AfXdp,
    AfPacket,
}

impl Interface {
    /// As settings, with what holds for all interfaces.
    pub(super) fn settings(&self, all: &CaptureSettings) -> InterfaceSettings {
        let mut settings = all.interface(&self.name);
        settings.queues = self.queues;
        settings.live.promiscuous = self.promiscuous;
        settings.live.packet.snap_length = self.snap_length;
        settings.live.method = match self.method {
            MethodWord::Auto => Method::Auto,
            MethodWord::AfXdp => Method::Xdp,
            MethodWord::AfPacket => Method::Packet,
        };
        settings
    }
}

impl JsonSchema for Interface {
    fn schema_name() -> Cow<'static, str> {
        "Interface".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<InterfaceName>();
        let map = generator.subschema_for::<InterfaceMap>();
        json_schema!({
            "description": "An interface: its name alone, or a map.",
            "anyOf": [name, map],
        })
    }
}

impl<'de> Deserialize<'de> for Interface {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InterfaceVisitor)
    }
}

struct InterfaceVisitor;

impl<'de> Visitor<'de> for InterfaceVisitor {
    type Value = Interface;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of an interface, or a map with its `name`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Interface, E> {
        let InterfaceName(name) = InterfaceName::try_from(text.to_owned()).map_err(E::custom)?;
        let (method, queues, snap_length) = (MethodWord::Auto, None, None);
        Ok(Interface { name, method, queues, promiscuous: true, snap_length })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Interface, A::Error> {
        let map = InterfaceMap::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        Ok(Interface {
            name: map.name.0,
            method: map.method,
            queues: map.queues.map(|queues| queues.0),
            promiscuous: map.promiscuous.unwrap_or(true),
            snap_length: map.snap_length.map(|length| length.0),
        })
    }
}
