//! `dump-counters`: the statistics, now.

use crate::control::socket::answer::Answer;
use crate::control::socket::command::{Arguments, Command};
use crate::control::socket::sensor::Sensor;

/// `dump-counters`
pub(super) struct DumpCounters;

impl Command for DumpCounters {
    fn name(&self) -> &'static str {
        "dump-counters"
    }

    fn answer(&self, _: &Arguments, sensor: &dyn Sensor) -> Answer {
        match sensor.counters() {
            Some(counters) => Answer::json(counters),
            None => Answer::refused("stats not yet synchronized"),
        }
    }
}
