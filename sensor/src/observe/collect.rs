//! Collects all that is known into a page.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use delivery::Figures;
use delivery::figures::{Health, Latency, SinkFigures};
use detect::counters::Snapshot;

use super::catalogue;
use super::metric::{Buckets, Family};
use super::observer::{Counted, Observed, Observer};
use super::page::{Page, WORKER};
use super::program;

impl Observer {
    /// All metrics as they are now.
    pub(crate) fn collect(&self) -> Vec<Family> {
        let mut page = Page::new();
        program::add(&mut page, &self.started);
        page.add("healthy", &[], u64::from(self.troubles().is_empty()));
        page.add("ready", &[], u64::from(self.obstacles().is_empty()));
        if let Some(live) = self.live() {
            capture(&mut page, live.as_ref());
            if let Some(counted) = live.counted() {
                page.add_real("figures_age_seconds", &[], counted.at.elapsed().as_secs_f64());
                counters(&mut page, &counted, self.by_worker);
            }
        }
        if let Some(figures) = self.delivery() {
            delivery(&mut page, figures);
        }
        for ((path, code), count) in self.http.requests() {
            page.add("http_requests", &[("path", path), ("code", &code.to_string())], count);
        }
        page.add("http_evicted", &[], self.http.evicted.load(Relaxed));
        page.add("http_late", &[], self.http.late.load(Relaxed));
        page.finish()
    }
}

/// Interfaces, what workers have of them, and rules.
fn capture(page: &mut Page, live: &dyn Observed) {
    for interface in live.interfaces() {
        let name = [("interface", interface.name.as_str())];
        let about = [name[0], ("method", interface.method.as_str())];
        page.add("interface", &about, 1);
        page.add("interface_up", &name, u64::from(interface.is_up));
        interface.counters.iter().for_each(|(key, value)| page.add(key, &name, *value));
    }
    for lane in live.lanes() {
        let worker = lane.worker.to_string();
        let labels = [(WORKER, worker.as_str()), ("interface", lane.interface.as_str())];
        lane.counters.iter().for_each(|(key, value)| page.add(key, &labels, *value));
    }
    page.add("workers", &[], live.workers() as u64);
    let rules = live.rules();
    for (state, count) in
        [("loaded", rules.loaded), ("failed", rules.failed), ("skipped", rules.skipped)]
    {
        page.add("rules", &[("state", state)], count);
    }
    if let Some((bundle, version)) = &rules.set {
        let version = version.to_string();
        page.add("rules_bundle", &[("bundle", bundle.as_str()), ("version", version.as_str())], 1);
    }
    page.add_real("rules_loaded_timestamp_seconds", &[], rules.loaded_at as f64 / 1e6);
}

/// Counters of statistics. What has labels already, and what is counted once for all, is of all
/// workers together.
fn counters(page: &mut Page, counted: &Counted, by_worker: bool) {
    let of_all = |name: &str| counted.extra.iter().any(|(known, _)| *known == name);
    let has_labels = |name: &str| {
        let found = catalogue::find(name).and_then(|found| catalogue::all().nth(found.at));
        found.is_some_and(catalogue::is_pattern)
    };
    let mut totals = Snapshot::default();
    counted.threads.iter().for_each(|(_, snapshot)| totals.merge(snapshot));
    for (name, value) in &totals.entries {
        if !of_all(name) && (!by_worker || has_labels(name)) {
            page.count(name, None, *value);
        }
    }
    if by_worker {
        for (number, (_, snapshot)) in (1..).zip(&counted.threads) {
            let worker = number.to_string();
            for (name, value) in &snapshot.entries {
                if !of_all(name) && !has_labels(name) {
                    page.count(name, Some(&worker), *value);
                }
            }
        }
    }
    // Sinks speak for themselves, with their kind.
    let own = counted.extra.iter().filter(|(name, _)| !name.starts_with("sinks."));
    own.for_each(|(name, value)| page.count(name, None, *value));
}

/// What statistics do not have of delivery, or not by label.
fn delivery(page: &mut Page, figures: &Figures) {
    let spool = figures.spool();
    page.add("events_spool_limit_bytes", &[], spool.limit);
    page.add("events_spool_segments", &[], spool.segments);
    page.add("events_spool_dropped_alerts", &[], spool.dropped_alerts);
    page.add("events_spool_sync_errors", &[], spool.sync_errors);
    page.add("events_spool_writable", &[], u64::from(spool.trouble.is_none()));
    let oldest = spool.oldest_age.unwrap_or(Duration::ZERO);
    page.add_real("events_spool_oldest_seconds", &[], oldest.as_secs_f64());
    for (kind, count) in &spool.shed {
        page.add("events_spool_shed_by_type", &[("event_type", kind)], *count);
    }
    for (kind, count) in figures.queue().figures().shed.all() {
        page.add("events_queue_shed_by_type", &[("event_type", &kind)], count);
    }
    figures.sinks.iter().for_each(|figures| sink(page, figures));
}

fn sink(page: &mut Page, figures: &SinkFigures) {
    let labels = [("sink", figures.name.as_str()), ("kind", figures.kind.as_str())];
    let is_up = !matches!(figures.health(), Health::Down(_));
    page.add("sink_up", &labels, u64::from(is_up));
    page.add("sink_delivered_bytes", &labels, figures.delivered_bytes.get());
    for (key, value) in [
        ("sinks.*.delivered", figures.delivered.get()),
        ("sinks.*.filtered", figures.filtered.get()),
        ("sinks.*.refused", figures.refused.total()),
        ("sinks.*.missed", figures.missed.get()),
        ("sinks.*.again", figures.again.get()),
        ("sinks.*.troubles", figures.troubles.get()),
        ("sinks.*.outstanding", figures.outstanding.get()),
        ("sinks.*.lag", figures.lag.get()),
    ] {
        page.add(key, &labels, value);
    }
    for (kind, count) in figures.refused.all() {
        page.add("sink_refused_by_type", &[labels[0], labels[1], ("event_type", &kind)], count);
    }
    for (name, value) in figures.own() {
        page.add("sink_own", &[labels[0], labels[1], ("name", &name)], value);
    }
    page.add_buckets("sink_latency_seconds", &labels, buckets(&figures.latency));
}

/// In seconds. Counts that come in meanwhile may be in a bucket and not yet in the sum.
fn buckets(latency: &Latency) -> Buckets {
    let (count, sum) = latency.total();
    let cumulative: Vec<_> =
        latency.cumulative().map(|(end, count)| (end as f64 / 1e6, count)).collect();
    let last = cumulative.last().map_or(0, |(_, count)| *count);
    Buckets { cumulative, count: count.max(last), sum: sum as f64 / 1e6 }
}
