//! JSON schemas of the settings that are words with a form of their own.

/// Says of types that are read from a word what such a word looks like, and nothing more: whether
/// it is right is decided when it is read.
#[macro_export]
macro_rules! described {
    ($($kind:ty, $name:literal: {$($schema:tt)*};)*) => {$(
        impl ::schemars::JsonSchema for $kind {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                ::schemars::json_schema!({$($schema)*})
            }
        }
    )*};
}

use crate::address::{HostPort, HttpUrl};
use crate::duration::{Delay, Size};
use crate::filter::Condition;
use crate::secret::Hidden;
use crate::spool::Sync;

crate::described! {
    Delay, "Delay": {
        "description": "A time: a number and us, ms, s, min, h or d.",
        "type": "string", "pattern": "^\\s*[0-9]+\\s*(us|ms|s|min|h|d)\\s*$",
        "examples": ["200 ms", "5 s"],
    };
    Size, "Size": {
        "description": "A number of bytes: a number and B, KiB, MiB, GiB or TiB.",
        "anyOf": [
            {"type": "string", "pattern": "^\\s*([0-9]+\\s*(B|KiB|MiB|GiB|TiB)|0+)\\s*$"},
            {"const": 0},
        ],
        "examples": ["64 MiB"],
    };
    Hidden, "Secret": {
        "description": "A secret. It is never shown; better write its -file form.",
        "type": ["string", "integer"], "writeOnly": true,
    };
    Sync, "Sync": {
        "description": "When the spool is written through: never, always, or after a time.",
        "type": "string", "pattern": "^(never|always|\\s*[0-9]+\\s*(us|ms|s|min|h|d)\\s*)$",
    };
    Condition, "Condition": {
        "description": "A condition on fields of records.",
        "type": "string", "minLength": 1, "examples": ["dest_port = 443"],
    };
    HostPort, "HostPort": {
        "description": "HOST:PORT, an IPv6 address in brackets.",
        "type": "string", "pattern": "^([^:/]+|\\[[^\\]]*\\]):[0-9]{1,5}$",
    };
    HttpUrl, "HttpUrl": {
        "description": "An address with http:// or https://.",
        "type": "string", "pattern": "^https?://.",
    };
}
