//! `iface-list`, `iface-stat`, `iface-bypassed-stat`: where packets come from.

use crate::control::socket::answer::Answer;
use crate::control::socket::command::{Arguments, Command};
use crate::control::socket::sensor::Sensor;

/// `iface-list`
pub(super) struct List;

impl Command for List {
    fn name(&self) -> &'static str {
        "iface-list"
    }

    fn answer(&self, _: &Arguments, sensor: &dyn Sensor) -> Answer {
        let interfaces = sensor.interfaces();
        Answer::of(|writer| {
            writer.open().field_u64("count", interfaces.len() as u64).key("ifaces").open_array();
            for name in &interfaces {
                writer.str(name);
            }
            writer.close_array().close();
        })
    }
}

/// `iface-stat`
pub(super) struct Stat;

impl Command for Stat {
    fn name(&self) -> &'static str {
        "iface-stat"
    }

    fn arguments(&self) -> &'static [&'static str] {
        &["iface"]
    }

    fn answer(&self, arguments: &Arguments, sensor: &dyn Sensor) -> Answer {
        let Some(name) = arguments.text("iface") else {
            return Answer::refused("Iface is not a string");
        };
        let Some(figures) = sensor.interface(name) else {
            return Answer::refused("Iface does not exist");
        };
        Answer::of(|writer| {
            writer.open().field_u64("pkts", figures.packets);
            writer.field_u64("invalid-checksums", figures.invalid_checksums);
            writer.field_u64("drop", figures.dropped);
            writer.field_u64("bypassed", figures.bypassed).close();
        })
    }
}

/// `iface-bypassed-stat`
pub(super) struct BypassedStat;

impl Command for BypassedStat {
    fn name(&self) -> &'static str {
        "iface-bypassed-stat"
    }

    fn answer(&self, _: &Arguments, sensor: &dyn Sensor) -> Answer {
        let interfaces = sensor.bypassed();
        if interfaces.is_empty() {
            return Answer::refused("No interface using bypass");
        }
        Answer::of(|writer| {
            writer.open();
            for (name, flows) in &interfaces {
                writer.key_text(name.as_bytes()).open();
                writer.field_u64("ipv4_maps_count", flows.present[0]);
                writer.field_u64("ipv4_success", flows.begun[0]);
                writer.field_u64("ipv4_fail", flows.failed[0]);
                writer.field_u64("ipv6_maps_count", flows.present[1]);
                writer.field_u64("ipv6_success", flows.begun[1]);
                writer.field_u64("ipv6_fail", flows.failed[1]).close();
            }
            writer.close();
        })
    }
}
