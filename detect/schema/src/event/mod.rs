//! Types of records, one file each; what they share lies in `envelope`.

mod alert;
mod anomaly;
mod arp;
mod dns;
mod drop;
mod engine;
mod envelope;
mod fileinfo;
mod flow;
mod http;
mod mdns;
mod metadata;
mod netflow;
mod packet;
mod ssh;
mod stats;
mod stream_tcp;
mod tls;

use crate::field::Field;

/// A type of record.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Its `event_type`.
    pub name: &'static str,
    /// What it tells.
    pub doc: &'static str,
    /// Groups of its members.
    groups: &'static [&'static [Field]],
}

impl Event {
    /// All members of its records, roughly in the order of writing.
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> + Clone + use<> {
        self.groups.iter().flat_map(|group| group.iter())
    }
}

/// All types, by name.
pub const EVENTS: &[Event] = &[
    alert::EVENT,
    anomaly::EVENT,
    arp::EVENT,
    dns::EVENT,
    drop::EVENT,
    engine::EVENT,
    fileinfo::EVENT,
    flow::EVENT,
    http::EVENT,
    mdns::EVENT,
    metadata::EVENT,
    netflow::EVENT,
    packet::EVENT,
    ssh::EVENT,
    stats::EVENT,
    stream_tcp::EVENT,
    tls::EVENT,
];

/// The type of this name.
pub fn event(name: &str) -> Option<&'static Event> {
    EVENTS.iter().find(|event| event.name == name)
}
