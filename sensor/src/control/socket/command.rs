//! The contract of a command.

use serde_json::{Map, Value};

use super::answer::Answer;
use super::sensor::Sensor;

/// One command.
pub(super) trait Command: Sync {
    /// What clients call it.
    fn name(&self) -> &'static str;

    /// Names of its arguments. If there are any, a client that sends none at all is cut off.
    fn arguments(&self) -> &'static [&'static str] {
        &[]
    }

    /// Does it.
    fn answer(&self, arguments: &Arguments, sensor: &dyn Sensor) -> Answer;
}

/// Arguments that came with a command.
#[derive(Clone, Debug, Default)]
pub(super) struct Arguments(Map<String, Value>);

impl Arguments {
    /// An argument that is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }
}

/// A command that was asked for, none where the name is unknown; and its arguments.
pub(super) struct Request {
    pub(super) command: Option<&'static dyn Command>,
    pub(super) arguments: Arguments,
}

impl Request {
    /// From a message; none: it is not a request.
    pub(super) fn parse(mut message: Value) -> Option<Self> {
        let name = message.get("command")?.as_str()?;
        let command = super::commands::by_name(name);
        let wanted = command.is_some_and(|command| !command.arguments().is_empty());
        let arguments = match message.get_mut("arguments").map(Value::take) {
            Some(Value::Object(arguments)) => Arguments(arguments),
            _ if wanted => return None,
            _ => Arguments::default(),
        };
        Some(Self { command, arguments })
    }
}
