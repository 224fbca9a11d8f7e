//! Metrics of the program and its process.

use std::fs;

use rustix::time::{ClockId, clock_gettime};

use crate::version::SURICATA;

use super::observer::Started;
use super::page::Page;

/// Parts that this program was built with, for people.
const FEATURES: [(&str, bool); 5] = [
    ("xdp", cfg!(feature = "xdp")),
    ("hwloc", cfg!(feature = "hwloc")),
    ("kafka", cfg!(feature = "kafka")),
    ("tls", cfg!(feature = "tls")),
    ("otel", cfg!(feature = "otel")),
];

/// Adds them.
pub(super) fn add(page: &mut Page, started: &Started) {
    let features: Vec<&str> =
        FEATURES.iter().filter(|(_, is_in)| *is_in).map(|(name, _)| *name).collect();
    let features = features.join(",");
    let about = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("suricata", SURICATA),
        ("features", features.as_str()),
    ];
    page.add("build", &about, 1);
    page.add_real("uptime_seconds", &[], started.at.elapsed().as_secs_f64());
    page.add_real("start_time_seconds", &[], started.us as f64 / 1e6);
    if let Some(bytes) = resident() {
        page.add("resident_memory_bytes", &[], bytes);
    }
    let time = clock_gettime(ClockId::ProcessCPUTime);
    page.add_real("cpu_seconds", &[], time.tv_sec as f64 + time.tv_nsec as f64 / 1e9);
}

/// `VmRSS:   1234 kB` (proc_pid_status(5)).
fn resident() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}
