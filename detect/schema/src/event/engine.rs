//! Lines of the sensor's own log, where that is written as JSON.

use super::Event;
use super::envelope::COMMON;
use crate::field::Field;
use crate::field::make::*;

pub(super) const EVENT: Event =
    Event { name: "engine", doc: "a line of the sensor's own log", groups: &[COMMON, OWN] };

const OWN: &[Field] = &[
    word("log_level", "how urgent it is").always().ecs("log.level"),
    object(
        "engine",
        &[
            text("message", "the line").always().ecs("message"),
            word("thread_name", "which thread wrote it").always().ecs("process.thread.name"),
            word("module", "which part of the sensor").always().ecs("log.logger"),
        ],
        "the line",
    )
    .always(),
];
