//! Metrics of the process: records, rules, delivery, the control socket, the program itself.

use crate::observe::metric::{Descriptor, Kind};

const BY_SINK: &[&str] = &["sink", "kind"];

const fn counter(name: &'static str, help: &'static str) -> Descriptor {
    Descriptor::counter(name, help)
}

const fn gauge(name: &'static str, help: &'static str) -> Descriptor {
    Descriptor::gauge(name, help)
}

const fn own(name: &'static str, help: &'static str) -> Descriptor {
    Descriptor::own(name, Kind::Gauge, help)
}

/// What statistics call `sinks.NAME.…`.
const fn sink(counter: &'static str, name: &'static str, help: &'static str) -> Descriptor {
    Descriptor::counter(counter, help).named(name).by(BY_SINK)
}

const fn level(counter: &'static str, name: &'static str, help: &'static str) -> Descriptor {
    Descriptor::gauge(counter, help).named(name).by(BY_SINK)
}

pub(super) const METRICS: &[Descriptor] = &[
    counter("events.made", "Records that workers made."),
    counter("events.written", "Records that are in their files."),
    counter("events.unwritten", "Records lost because their file could not be written."),
    counter("events.delivered_only", "Records that went to delivery and to no file."),
    counter("events.shed", "Records dropped because the writer did not keep up."),
    counter("events.shed_by_type.*", "Records dropped so, by their type.")
        .by(&["event_type"])
        .named("events_shed_by_type"),
    counter("events.queue.offered", "Records offered to the queue of delivery."),
    counter("events.queue.shed", "Records for which that queue had no room."),
    counter("events.queue.batches", "Batches of records that workers put into that queue."),
    gauge("events.queue.held_p99_us", "What 99 of 100 batches held their workers at most, in us."),
    counter("events.volume.sampled", "Records left out of samples."),
    counter("events.volume.over_budget", "Records beyond the budget of their type."),
    counter("events.volume.folded", "Records folded into others."),
    gauge("events.volume.held", "Records that wait to be folded with later ones."),
    counter("events.volume.sampled_by_type.*", "Records left out of samples, by their type.")
        .by(&["event_type"])
        .named("events_volume_sampled_by_type"),
    counter("events.volume.over_budget_by_type.*", "Records beyond the budget, by their type.")
        .by(&["event_type"])
        .named("events_volume_over_budget_by_type"),
    counter("events.volume.folded_by_type.*", "Records folded into others, by their type.")
        .by(&["event_type"])
        .named("events_volume_folded_by_type"),
    gauge("events.queue.peak_bytes", "Most bytes of records that ever waited in that queue."),
    Descriptor::own(
        "events_queue_shed_by_type",
        Kind::Counter,
        "Records for which the queue of delivery had no room, by their type.",
    )
    .by(&["event_type"]),
    counter("events.spool.appended", "Records written to the spool."),
    counter("events.spool.shed", "Records that found no room in the spool or were not written."),
    counter(
        "events.spool.dropped",
        "Records dropped from the spool before every sink had read them.",
    ),
    counter("events.spool.expired", "Records that grew too old before every sink had read them."),
    gauge("events.spool.bytes", "Bytes of the spool's files."),
    gauge("events.spool.records", "Records in the spool."),
    counter(
        "events.spool.write_errors",
        "Writes of records or reservations of sequence numbers that failed.",
    ),
    own("events_spool_limit_bytes", "Bytes that the spool's files may have."),
    own("events_spool_segments", "Files of the spool."),
    own("events_spool_oldest_seconds", "Age of the oldest record in the spool."),
    Descriptor::own(
        "events_spool_dropped_alerts",
        Kind::Counter,
        "Alerts among the records dropped from the spool.",
    ),
    Descriptor::own(
        "events_spool_shed_by_type",
        Kind::Counter,
        "Records that found no room in the spool, by their type.",
    )
    .by(&["event_type"]),
    Descriptor::own(
        "events_spool_sync_errors",
        Kind::Counter,
        "Times that the spool's data could not be forced to the disk.",
    ),
    own("events_spool_writable", "1 when the last write to the spool succeeded, else 0."),
    own("sink_up", "0 when the receiver takes nothing or the sink's thread panicked, else 1.")
        .by(BY_SINK),
    sink("sinks.*.delivered", "sink_delivered", "Records that the receiver has confirmed."),
    Descriptor::own("sink_delivered_bytes", Kind::Counter, "Bytes of confirmed records only.")
        .by(BY_SINK),
    sink("sinks.*.filtered", "sink_filtered", "Records that a sink's filter left out."),
    sink("sinks.*.refused", "sink_refused", "Records that the receiver will never take."),
    Descriptor::own("sink_refused_by_type", Kind::Counter, "Records refused so, by their type.")
        .by(&["sink", "kind", "event_type"]),
    sink(
        "sinks.*.missed",
        "sink_missed",
        "Records dropped from the spool before a sink read them.",
    ),
    sink("sinks.*.again", "sink_again", "Records sent again, which may have arrived twice."),
    sink("sinks.*.troubles", "sink_troubles", "Attempts of a sink that failed."),
    level("sinks.*.outstanding", "sink_outstanding", "Records sent and not yet confirmed."),
    level(
        "sinks.*.lag",
        "sink_lag",
        "Records in the spool behind the place up to which all is settled.",
    ),
    Descriptor::own(
        "sink_latency_seconds",
        Kind::Histogram,
        "From the packet of a record to the receiver's confirmation.",
    )
    .by(BY_SINK),
    own("sink_own", "Figures of the kind of sink, and of its reading of the spool.")
        .by(&["sink", "kind", "name"]),
    counter("rules.reloads", "Times that rules were loaded anew."),
    counter("rules.reloads_failed", "Times that rules could not be loaded anew."),
    gauge("rules.reload_ms", "How long it took to load rules anew, the last time.")
        .named("rules_reload_duration_seconds")
        .divided(1000),
    own("rules", "Rules by what became of them: loaded, failed or skipped.").by(&["state"]),
    Descriptor::own(
        "rules_bundle",
        Kind::Info,
        "The set of rules in force, where they are of a store: its sum and version.",
    )
    .by(&["bundle", "version"]),
    own("rules_loaded_timestamp_seconds", "When the rules in force were loaded, Unix time."),
    counter("control.clients", "Clients of the control socket."),
    counter("control.refused", "Clients of the control socket for which there was no seat."),
    counter("control.evicted", "Clients of the control socket that made room for others."),
    counter("control.malformed", "Messages on the control socket that were no command."),
    counter("control.late", "Clients of the control socket that took too long."),
    counter("control.commands", "Commands that came over the control socket."),
    gauge("memcap.pressure", "How full the fullest limited table of a worker is, in percent."),
    gauge("memcap.pressure_max", "The highest such percentage so far."),
    gauge("file_store.open_files", "Stored files that are open."),
    counter("file_store.open_files_max_hit", "Times that no further stored file could stay open."),
    counter("file_store.fs_errors", "Stored files that could not be written."),
    Descriptor::own("build", Kind::Info, "The program.").by(&["version", "suricata", "features"]),
    own("uptime_seconds", "Time since the sensor was started."),
    own("start_time_seconds", "When the sensor was started, Unix time."),
    own("resident_memory_bytes", "Memory of the process that is in RAM."),
    Descriptor::own("cpu_seconds", Kind::Counter, "CPU time of all threads of the process."),
    own("workers", "Workers that the sensor was started with."),
    own("healthy", "1 when /healthz answers 200, else 0."),
    own("ready", "1 when /readyz answers 200, else 0."),
    own("figures_age_seconds", "How old the counters of workers on this page are."),
    own("undescribed_counters", "Counters left out because nobody has described them; always 0."),
    Descriptor::own("http_requests", Kind::Counter, "Requests to the sensor's own HTTP endpoint.")
        .by(&["path", "code"]),
    Descriptor::own("http_evicted", Kind::Counter, "Slow HTTP clients that made room for others."),
    Descriptor::own("http_late", Kind::Counter, "HTTP clients that took too long."),
];
