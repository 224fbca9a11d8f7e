//! `conf-get`: what the configuration says.

use crate::control::socket::answer::Answer;
use crate::control::socket::command::{Arguments, Command};
use crate::control::socket::sensor::Sensor;

/// `conf-get`
pub(super) struct ConfGet;

impl Command for ConfGet {
    fn name(&self) -> &'static str {
        "conf-get"
    }

    fn arguments(&self) -> &'static [&'static str] {
        &["variable"]
    }

    fn answer(&self, arguments: &Arguments, sensor: &dyn Sensor) -> Answer {
        let Some(path) = arguments.text("variable") else {
            return Answer::refused("variable is not a string");
        };
        match sensor.setting(path) {
            Some(value) => Answer::text(&value),
            None => Answer::refused("Unable to get value"),
        }
    }
}
