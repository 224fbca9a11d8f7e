//! Metrics of detection and application protocols.

use crate::observe::metric::Descriptor;

const fn counter(name: &'static str, help: &'static str) -> Descriptor {
    Descriptor::counter(name, help)
}

const fn gauge(name: &'static str, help: &'static str) -> Descriptor {
    Descriptor::gauge(name, help)
}

pub(super) const METRICS: &[Descriptor] = &[
    counter("detect.alert", "Alerts that rules raised."),
    counter("detect.alert_queue_overflow", "Alerts beyond the most that one packet may have."),
    counter("detect.alerts_suppressed", "Alerts that a threshold or suppression kept back."),
    gauge("detect.thresholds.cache.memuse", "Bytes that states of thresholds take."),
    counter("detect.thresholds.refused", "States of thresholds refused for lack of memory."),
    counter("detect.host_bits.refused", "Bits of hosts refused for lack of memory."),
    counter("detect.pair_bits.refused", "Bits of pairs of hosts refused for lack of memory."),
    counter("detect.host_tags.refused", "Tags of hosts refused for lack of memory."),
    counter("detect.datasets.refused", "Values of data sets refused for lack of memory."),
    counter("detect.pcre.limit_exceeded", "Regular expressions given up at a limit."),
    counter("detect.groups.renewed", "Groups of rules whose matcher was made anew."),
    counter("ips.accepted", "Packets that an inline sensor would let pass."),
    counter("ips.blocked", "Packets that an inline sensor would drop."),
    counter("ips.rejected", "Packets that an inline sensor would reject."),
    counter("ips.replaced", "Packets whose content an inline sensor would replace."),
    counter("ips.drop_reason.*", "Packets that an inline sensor would drop, by reason.")
        .named("ips_drops")
        .by(&["reason"]),
    gauge("http.byterange.memuse", "Bytes of files that come over several HTTP connections."),
    counter("http.byterange.memcap", "Parts of such files refused for lack of memory."),
    gauge("ftp.memuse", "Bytes that FTP takes."),
    counter("ftp.memcap", "Times that FTP was refused memory."),
    counter("app_layer.flow.*", "Flows by application protocol.")
        .named("app_layer_flows")
        .by(&["protocol"]),
    counter("app_layer.tx.*", "Transactions by application protocol.")
        .named("app_layer_transactions")
        .by(&["protocol"]),
    counter("app_layer.error.*.*", "Times that parsing ended early, by application protocol.")
        .named("app_layer_errors")
        .by(&["protocol", "error"]),
    gauge("app_layer.expectations", "Connections foretold by another flow and waited for."),
];
