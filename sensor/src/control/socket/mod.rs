//! The control socket: Suricata's, so that `suricatasc` and the scripts around it go on working.
//!
//! A client says which version of the protocol it speaks, then sends commands and gets an answer
//! to each. All of it is JSON text; version 0.2 ends every message with a line feed, 0.1 ends
//! none. What is no message closes the connection, as Suricata 8 does.

mod answer;
mod clients;
mod command;
mod commands;
mod listener;
mod message;
mod sensor;
mod server;
mod session;
#[cfg(test)]
pub(super) mod tests;

pub(crate) use listener::{Listener, path_of};
pub(crate) use sensor::{
    BypassedFlows, FailedRule, InterfaceFigures, Memcap, MemcapRefusal, Reload, ReloadRefusal,
    RuleFigures, Sensor,
};
pub(crate) use server::Server;

use std::time::Duration;

/// What clients may take up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Clients at a time. One more takes the place of the one that has been silent longest.
    pub(crate) clients: usize,
    /// Bytes of a message.
    pub(crate) message: usize,
    /// How long a begun message may take to arrive, and an answer to be taken.
    pub(crate) patience: Duration,
    /// How long the end of the server waits for answers that are being made.
    pub(crate) grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 16,
            message: 16 << 10,
            patience: Duration::from_secs(10),
            grace: Duration::from_secs(2),
        }
    }
}
