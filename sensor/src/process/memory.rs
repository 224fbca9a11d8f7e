//! Counters of memory and stored files that the process adds to those of the detectors.

use detect::counters::Snapshot;
use detect::settings::Settings;

use crate::output::StoreCounters;

/// FTP is not parsed: it holds no memory and is refused none. Counters of other memory that
/// Suricata 8 has apart are left out where it is not apart here: that of HTTP belongs to the flows,
/// hosts and pairs are kept with the rules.
const FTP: [&str; 2] = ["ftp.memuse", "ftp.memcap"];

/// How full the limited tables are.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    limits: [(&'static str, u64); 4],
    peak: u64,
}

impl Memory {
    pub(super) fn new(settings: &Settings) -> Self {
        let limits = [
            ("flow.memuse", settings.flow.memcap),
            ("tcp.memuse", settings.stream.memcap),
            ("tcp.reassembly_memuse", settings.stream.reassembly_memcap),
            ("defrag.memuse", settings.decode.defrag.memcap),
        ];
        Self { limits, peak: 0 }
    }

    /// The counters, in the order of statistics.
    pub(super) fn counters(
        &mut self,
        threads: &[(String, Snapshot)],
        stores: &[StoreCounters],
    ) -> Vec<(&'static str, u64)> {
        let fill = |snapshot: &Snapshot, name: &str, limit: u64| {
            let used = snapshot.get(name).unwrap_or(0);
            used.saturating_mul(100).checked_div(limit).unwrap_or(0)
        };
        let fills = threads.iter().flat_map(|(_, snapshot)| {
            self.limits.iter().map(|(name, limit)| fill(snapshot, name, *limit))
        });
        let pressure = fills.max().unwrap_or(0);
        self.peak = self.peak.max(pressure);
        let mut counters = vec![("memcap.pressure", pressure), ("memcap.pressure_max", self.peak)];
        counters.extend(FTP.map(|name| (name, 0)));
        counters.extend(stored(stores));
        counters
    }
}

/// Counters of the file store, as far as there is one.
fn stored(stores: &[StoreCounters]) -> Vec<(&'static str, u64)> {
    let mut sum = StoreCounters::default();
    for counters in stores {
        sum.open += counters.open;
        sum.limit_hits += counters.limit_hits;
        sum.errors += counters.errors;
    }
    let mut counters = vec![("file_store.open_files", sum.open)];
    if !stores.is_empty() {
        counters.push(("file_store.open_files_max_hit", sum.limit_hits));
        counters.push(("file_store.fs_errors", sum.errors));
    }
    counters
}
