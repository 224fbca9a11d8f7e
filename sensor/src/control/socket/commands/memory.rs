//! `memcap-list`, `memcap-show`, `memcap-set`: how much memory the tables may take.

use crate::config::size;
use crate::control::socket::answer::Answer;
use crate::control::socket::command::{Arguments, Command};
use crate::control::socket::sensor::{MemcapRefusal, Sensor};

const UNKNOWN: &str = "Memcap value not found. Use 'memcap-list' to show all";

/// `memcap-list`
pub(super) struct List;

impl Command for List {
    fn name(&self) -> &'static str {
        "memcap-list"
    }

    fn answer(&self, _: &Arguments, sensor: &dyn Sensor) -> Answer {
        let memcaps = sensor.memcaps();
        Answer::of(|writer| {
            writer.open_array();
            for memcap in &memcaps {
                writer.open().field_str("name", memcap.name);
                writer.field_str("value", &text(memcap.bytes)).close();
            }
            writer.close_array();
        })
    }
}

/// `memcap-show`
pub(super) struct Show;

impl Command for Show {
    fn name(&self) -> &'static str {
        "memcap-show"
    }

    fn arguments(&self) -> &'static [&'static str] {
        &["config"]
    }

    fn answer(&self, arguments: &Arguments, sensor: &dyn Sensor) -> Answer {
        let Some(name) = arguments.text("config") else {
            return Answer::refused("memcap name is not a string");
        };
        let memcaps = sensor.memcaps();
        match memcaps.iter().find(|memcap| memcap.name == name) {
            Some(memcap) => Answer::of(|writer| {
                writer.open().field_str("value", &text(memcap.bytes)).close();
            }),
            None => Answer::refused(UNKNOWN),
        }
    }
}

/// `memcap-set`
pub(super) struct Set;

impl Command for Set {
    fn name(&self) -> &'static str {
        "memcap-set"
    }

    fn arguments(&self) -> &'static [&'static str] {
        &["config", "memcap"]
    }

    fn answer(&self, arguments: &Arguments, sensor: &dyn Sensor) -> Answer {
        let Some(name) = arguments.text("config") else {
            return Answer::refused("memcap key is not a string");
        };
        let Some(value) = arguments.text("memcap") else {
            return Answer::refused("memcap value is not a string");
        };
        let Some(bytes) = size::strict(value) else {
            return Answer::refused("error parsing memcap specified, value not changed");
        };
        match sensor.set_memcap(name, bytes) {
            Ok(()) => Answer::text(&format!("memcap value for '{name}' updated: {bytes} ")),
            Err(MemcapRefusal::Unknown) => Answer::refused(UNKNOWN),
            Err(MemcapRefusal::Unlimited) => {
                Answer::refused(&format!("Unlimited value is not allowed for '{name}'"))
            }
            Err(MemcapRefusal::InUse(used)) => Answer::refused(&format!(
                "memcap value specified for '{name}' is less than the memory in use: {}",
                text(used)
            )),
            Err(MemcapRefusal::Fixed) => Answer::refused(&format!(
                "memcap value for '{name}' cannot be changed while the sensor runs"
            )),
        }
    }
}

/// A size in the largest unit that it reaches, the rest left out (Suricata 8).
fn text(bytes: u64) -> String {
    let (mega, giga) = (bytes >> 20, bytes >> 30);
    match (bytes, mega, giga) {
        (0, ..) => "unlimited".to_owned(),
        (_, 0, _) => format!("{}kb", bytes >> 10),
        (_, mega, 0) => format!("{mega}mb"),
        (_, _, giga) => format!("{giga}gb"),
    }
}
