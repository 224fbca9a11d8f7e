//! `version`, `uptime`, `running-mode`, `capture-mode`: which sensor this is.

use crate::control::socket::answer::Answer;
use crate::control::socket::command::{Arguments, Command};
use crate::control::socket::sensor::Sensor;

/// `version`
pub(super) struct Version;

impl Command for Version {
    fn name(&self) -> &'static str {
        "version"
    }

    fn answer(&self, _: &Arguments, sensor: &dyn Sensor) -> Answer {
        Answer::text(&sensor.version())
    }
}

/// `uptime`
pub(super) struct Uptime;

impl Command for Uptime {
    fn name(&self) -> &'static str {
        "uptime"
    }

    fn answer(&self, _: &Arguments, sensor: &dyn Sensor) -> Answer {
        Answer::number(sensor.uptime())
    }
}

/// `running-mode`
pub(super) struct RunningMode;

impl Command for RunningMode {
    fn name(&self) -> &'static str {
        "running-mode"
    }

    fn answer(&self, _: &Arguments, sensor: &dyn Sensor) -> Answer {
        Answer::text(&sensor.running_mode())
    }
}

/// `capture-mode`
pub(super) struct CaptureMode;

impl Command for CaptureMode {
    fn name(&self) -> &'static str {
        "capture-mode"
    }

    fn answer(&self, _: &Arguments, sensor: &dyn Sensor) -> Answer {
        Answer::text(&sensor.capture_mode())
    }
}
