//! The table of `stats.log`.

use std::fmt::Write;

use detect::counters::Snapshot;

use crate::clock::Civil;
use crate::config::process::StatisticsForm;

const LINE: usize = 99;

/// One table: sums, or each thread's counters.
pub(super) fn text(
    form: &StatisticsForm,
    uptime: u64,
    totals: &Snapshot,
    threads: &[(String, Snapshot)],
) -> String {
    let line = "-".repeat(LINE);
    // Names are wider where there are only sums (Suricata 8).
    let width = if form.threads { 45 } else { 60 };
    let mut out = String::with_capacity(16 * 1024);
    let (days, rest) = (uptime / 86_400, uptime % 86_400);
    let _ = writeln!(
        out,
        "{line}\nDate: {} (uptime: {days}d, {:02}h {:02}m {:02}s)\n{line}",
        Civil::now().stats(),
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    );
    let _ = writeln!(out, "{:<width$} | {:<25} | Value\n{line}", "Counter", "TM Name");
    let mut rows = |thread: &str, snapshot: &Snapshot| {
        for (name, value) in &snapshot.entries {
            if *value > 0 || form.null_values {
                let _ = writeln!(out, "{name:<width$} | {thread:<25} | {value}");
            }
        }
    };
    if form.totals {
        rows("Total", totals);
    }
    if form.threads {
        for (thread, snapshot) in threads {
            rows(thread, snapshot);
        }
    }
    out
}
