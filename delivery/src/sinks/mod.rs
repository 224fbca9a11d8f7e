//! The sinks, one file each, and their list.

mod stdout;

use serde::Deserialize;

use crate::network::Network;
use crate::sink::Sink;

/// What a sink learns of the sensor around it.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The sensor's name; by default that of the host.
    pub sensor: String,
    /// The sink's own name.
    pub name: String,
    /// Where its sockets go out.
    pub network: Network,
}

/// Makes `Kind`, of which each sink of a configuration sets exactly one field.
macro_rules! sinks {
    ($($(#[$doc:meta])* $name:ident: $settings:ty,)*) => {
        /// Settings of a sink: exactly one of the fields is set.
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
        pub struct Kind {
            $($(#[$doc])* pub $name: Option<$settings>,)*
        }

        impl Kind {
            /// Names of all kinds.
            pub const NAMES: &[&str] = &[$(stringify!($name)),*];

            /// The kinds that are set.
            pub fn set(&self) -> Vec<&'static str> {
                let mut set = Vec::new();
                $(if self.$name.is_some() { set.push(stringify!($name)); })*
                set
            }

            /// Makes the sink; nothing is connected yet.
            ///
            /// # Errors
            /// With what is wrong with its settings.
            pub fn build(&self, around: &Surroundings) -> Result<Box<dyn Sink>, String> {
                $(if let Some(settings) = &self.$name {
                    return settings.build(around);
                })*
                Err(format!("a sink needs one of {}", Self::NAMES.join(", ")))
            }
        }
    };
}

// A new sink is one file with `Settings` and a line here.
sinks! {
    /// Standard output.
    stdout: stdout::Settings,
}
