//! The control socket's view of a live sensor.

use std::time::Duration;

use crossbeam::channel::bounded;

use crate::control::socket::{
    BypassedFlows, FailedRule, InterfaceFigures, Memcap, MemcapRefusal, Reload, ReloadRefusal,
    RuleFigures, Sensor,
};
use crate::version::SURICATA;

use super::board::{Board, Request};

/// How long a client may wait for counters.
const COUNTING: Duration = Duration::from_secs(5);
/// How long a client may wait for rules.
const LOADING: Duration = Duration::from_secs(600);

/// The counter of used memory for each limit that has one.
const USED: [(&str, &str); 4] = [
    ("stream", "tcp.memuse"),
    ("stream-reassembly", "tcp.reassembly_memuse"),
    ("flow", "flow.memuse"),
    ("defrag", "defrag.memuse"),
];

impl Sensor for Board {
    fn version(&self) -> String {
        format!("{SURICATA} RELEASE")
    }

    fn uptime(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    fn running_mode(&self) -> String {
        "workers".to_owned()
    }

    fn capture_mode(&self) -> String {
        let is_xdp = |method: &str| method.starts_with("af-xdp");
        match self.interfaces.iter().any(|interface| is_xdp(&interface.method)) {
            true => "AF_XDP_DEV".to_owned(),
            false => "AF_PACKET_DEV".to_owned(),
        }
    }

    fn interfaces(&self) -> Vec<String> {
        self.interfaces.iter().map(|interface| interface.name.clone()).collect()
    }

    fn interface(&self, name: &str) -> Option<InterfaceFigures> {
        let terms = self.balance.interface(name)?;
        let mut figures = InterfaceFigures {
            packets: terms.inspected,
            dropped: terms.nic_drops
                + terms.no_memory
                + terms.ring_full
                + terms.invalid
                + terms.hand_over_full,
            bypassed: terms.xdp.shunted,
            ..InterfaceFigures::default()
        };
        // Checksums are looked at where it is no longer known through which interface a packet
        // came; of a single one they all are.
        if self.interfaces.len() == 1 {
            figures.invalid_checksums = self.totals().get("tcp.invalid_checksum").unwrap_or(0);
        }
        Some(figures)
    }

    fn bypassed(&self) -> Vec<(String, BypassedFlows)> {
        Vec::new()
    }

    fn setting(&self, path: &str) -> Option<String> {
        (self.lookup)(path)
    }

    fn counters(&self) -> Option<String> {
        let (answer, answered) = bounded(1);
        self.request(Request::Counters(answer));
        answered.recv_timeout(COUNTING).ok()
    }

    fn reload(&self, how: Reload) -> Result<Vec<String>, ReloadRefusal> {
        if !self.can_reload {
            return Err(ReloadRefusal::CommandLine);
        }
        let (answer, answered) = bounded(1);
        self.request(Request::Reload { answer: Some(answer), waits: how == Reload::Wait });
        // It stops, or loads for very long: whoever asks again learns what came of it.
        answered.recv_timeout(LOADING).map_err(|_| ReloadRefusal::Busy)?
    }

    fn last_reload(&self) -> u64 {
        Self::rules(self).loaded_at
    }

    fn rules(&self) -> RuleFigures {
        Self::rules(self).figures
    }

    fn rule_set(&self) -> Option<(String, u64)> {
        Self::rules(self).set.as_ref().map(|set| (set.bundle.clone(), set.version))
    }

    fn failed_rules(&self, most: usize) -> Vec<FailedRule> {
        Self::rules(self).failed.iter().take(most).cloned().collect()
    }

    fn reopen(&self) {
        self.request(Request::Reopen);
    }

    fn memcaps(&self) -> Vec<Memcap> {
        self.memcaps.clone()
    }

    fn set_memcap(&self, name: &str, bytes: u64) -> Result<(), MemcapRefusal> {
        if !self.memcaps.iter().any(|memcap| memcap.name == name) {
            return Err(MemcapRefusal::Unknown);
        }
        if bytes == 0 {
            return Err(MemcapRefusal::Unlimited);
        }
        let counter = USED.iter().find(|(limit, _)| *limit == name).map(|(_, counter)| counter);
        let used = counter.and_then(|counter| self.totals().get(counter)).unwrap_or(0);
        if bytes < used {
            return Err(MemcapRefusal::InUse(used));
        }
        // Workers share out the limits among them when they start.
        Err(MemcapRefusal::Fixed)
    }

    fn shutdown(&self) {
        self.stop();
    }
}
