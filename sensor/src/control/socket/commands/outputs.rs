//! `reopen-log-files`: somebody has moved output files away.

use crate::control::socket::answer::Answer;
use crate::control::socket::command::{Arguments, Command};
use crate::control::socket::sensor::Sensor;

/// `reopen-log-files`
pub(super) struct ReopenLogFiles;

impl Command for ReopenLogFiles {
    fn name(&self) -> &'static str {
        "reopen-log-files"
    }

    fn answer(&self, _: &Arguments, sensor: &dyn Sensor) -> Answer {
        sensor.reopen();
        Answer::text("done")
    }
}
