//! What delivery counts, as statistics name it.

use std::sync::Arc;

use delivery::Figures;
use delivery::figures::{Health, LATENCY_BUCKETS, Latency};

/// Names and sources of the counters.
#[derive(Debug)]
pub(crate) struct DeliveryCounters {
    figures: Arc<Figures>,
    /// Names of each sink's counters, in their order.
    sinks: Vec<[&'static str; 9]>,
    /// Names of volume control's counters for each type of record, in their order.
    volume: Vec<[&'static str; 3]>,
}

/// Most of what 99 of 100 batches held their workers, in microseconds.
fn held_p99(held: &Latency) -> u64 {
    let last = LATENCY_BUCKETS.last().copied().unwrap_or_default();
    held.quantile(0.99).unwrap_or(if held.total().0 == 0 { 0 } else { last })
}

impl DeliveryCounters {
    /// Of delivery at work. Names of sinks become parts of names of counters, which live as long as
    /// the process.
    pub(crate) fn new(figures: Arc<Figures>) -> Self {
        let name = |sink: &str, what: &str| -> &'static str {
            Box::leak(format!("sinks.{sink}.{what}").into_boxed_str())
        };
        let names = |sink: &str| {
            [
                "delivered",
                "filtered",
                "refused",
                "missed",
                "again",
                "troubles",
                "outstanding",
                "lag",
                "down",
            ]
            .map(|what| name(sink, what))
        };
        let sinks = figures.sinks.iter().map(|sink| names(&sink.name)).collect();
        let of_type = |kind: &str| {
            ["sampled", "over_budget", "folded"].map(|what| -> &'static str {
                Box::leak(format!("events.volume.{what}_by_type.{kind}").into_boxed_str())
            })
        };
        let types = figures.volume.iter().flat_map(|volume| &volume.types);
        let volume = types.map(|one| of_type(&one.name)).collect();
        Self { figures, sinks, volume }
    }

    /// Their values.
    pub(crate) fn counters(&self) -> Vec<(&'static str, u64)> {
        let (queue, spool) = (self.figures.queue().figures(), self.figures.spool());
        let mut counters = vec![
            ("events.queue.offered", queue.offered.get()),
            ("events.queue.shed", queue.shed.total()),
            ("events.queue.peak_bytes", queue.peak.get()),
            ("events.queue.batches", queue.held.total().0),
            // Beyond the last bucket, more than that is not known.
            ("events.queue.held_p99_us", held_p99(&queue.held)),
            ("events.spool.appended", self.figures.spooled.get()),
            ("events.spool.shed", spool.shed_total()),
            ("events.spool.dropped", spool.dropped_events + spool.dropped_alerts),
            ("events.spool.expired", spool.expired),
            ("events.spool.bytes", spool.bytes),
            ("events.spool.records", spool.records),
            ("events.spool.write_errors", spool.write_errors),
        ];
        counters.extend(self.of_volume());
        for (sink, names) in self.figures.sinks.iter().zip(&self.sinks) {
            let values = [
                &sink.delivered,
                &sink.filtered,
                &sink.missed,
                &sink.again,
                &sink.troubles,
                &sink.outstanding,
                &sink.lag,
            ]
            .map(|counter| counter.get());
            let [delivered, filtered, missed, again, troubles, outstanding, lag] = values;
            let refused = sink.refused.total();
            let down = u64::from(matches!(sink.health(), Health::Down(_)));
            let values =
                [delivered, filtered, refused, missed, again, troubles, outstanding, lag, down];
            counters.extend(names.iter().copied().zip(values));
        }
        counters
    }
    /// Nothing when nothing is done about volume.
    fn of_volume(&self) -> Vec<(&'static str, u64)> {
        let Some(volume) = &self.figures.volume else { return Vec::new() };
        let [sampled, over_budget, folded] = volume.totals();
        let mut counters = vec![
            ("events.volume.sampled", sampled),
            ("events.volume.over_budget", over_budget),
            ("events.volume.folded", folded),
            ("events.volume.held", volume.held.get()),
        ];
        for (one, names) in volume.types.iter().zip(&self.volume) {
            let values = [&one.sampled, &one.over_budget, &one.folded].map(|count| count.get());
            counters.extend(names.iter().copied().zip(values).filter(|(_, count)| *count > 0));
        }
        counters
    }
}
