//! `command-list` and `help`: what can be asked for.

use crate::control::socket::answer::Answer;
use crate::control::socket::command::{Arguments, Command};
use crate::control::socket::sensor::Sensor;

/// The list, under one of its names.
pub(super) struct List(pub(super) &'static str);

impl Command for List {
    fn name(&self) -> &'static str {
        self.0
    }

    fn answer(&self, _: &Arguments, _: &dyn Sensor) -> Answer {
        Answer::of(|writer| {
            let names = super::names();
            writer.open().field_u64("count", names.len() as u64).key("commands").open_array();
            for name in names {
                writer.str(name);
            }
            writer.close_array().close();
        })
    }
}
