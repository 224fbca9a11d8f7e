//! `shutdown`: the sensor ends in order.

use crate::control::socket::answer::Answer;
use crate::control::socket::command::{Arguments, Command};
use crate::control::socket::sensor::Sensor;

/// `shutdown`
pub(super) struct Shutdown;

impl Command for Shutdown {
    fn name(&self) -> &'static str {
        "shutdown"
    }

    fn answer(&self, _: &Arguments, sensor: &dyn Sensor) -> Answer {
        sensor.shutdown();
        Answer::text("Closing Suricata")
    }
}
