//! Why keys of `suricata.yaml` have no counterpart in `sensor.yaml`.

/// Keys with all below them; the longest that fits counts.
const REASONS: &[(&str, &str)] = &[
    ("", "sensor.yaml has no such key"),
    ("action-order", "actions have their usual order: pass, drop, reject, alert"),
    ("af-packet", "sensor.yaml has one set of rings for all interfaces: capture.af-packet"),
    ("af-xdp", "sensor.yaml has one set of rings for all interfaces: capture.af-xdp"),
    (
        "app-layer",
        "sensor.yaml has no such key: limits of parsers are as Suricata's own file has them",
    ),
    (
        "asn1-max-frames",
        "sensor.yaml has no such key: limits of parsers are as Suricata's own file has them",
    ),
    ("capture", "frames are had as the section `capture` of sensor.yaml says"),
    ("coredump", "the service manager says that"),
    ("datasets", "limits of data sets are as Suricata has them by default"),
    ("decoder", "the decoder is as Suricata has it by default"),
    ("default-log-dir", "say where with --output"),
    ("default-packet-size", "frames have the size that they have"),
    ("defrag", "the table of fragments is as Suricata has it by default"),
    ("detect", "there is one engine, which needs no such choice"),
    ("dpdk", "frames come by AF_XDP or AF_PACKET"),
    ("engine-analysis", "`bateleur rules check` looks at rules"),
    ("exception-policy", "it has no effect: here it is auto"),
    ("flow", "the table of flows is as Suricata has it by default"),
    ("flow-timeouts", "it has no effect: flows end after the times of Suricata's own file"),
    ("host", "the table of hosts is as Suricata has it by default"),
    ("host-os-policy", "all hosts are taken for Windows, as in Suricata's own file"),
    ("include", "put what is included into one file"),
    ("ippair", "the table of pairs is as Suricata has it by default"),
    ("legacy", "it is of no use to this program"),
    ("logging", "the program's log has format, level and file"),
    ("luajit", "rules in Lua are not available"),
    ("magic-file", "types of files are not found out"),
    ("max-pending-packets", "packets wait in the rings of capture"),
    ("mpm-algo", "there is one engine, which needs no such choice"),
    ("multi-detect", "tenants are not available"),
    ("napatech", "frames come by AF_XDP or AF_PACKET"),
    ("netmap", "frames come by AF_XDP or AF_PACKET"),
    ("nflog", "frames come by AF_XDP or AF_PACKET"),
    ("nfq", "this program sends no packets on"),
    (
        "outputs",
        "sensor.yaml has no such option: without it records are as Suricata's own file has them",
    ),
    ("packet-alert-max", "it has no effect: here it is 15"),
    ("pcap", "frames come by AF_XDP or AF_PACKET"),
    ("pcap-file", "`bateleur replay` has options for captures"),
    ("pcre", "limits are as Suricata has them by default"),
    ("pfring", "frames come by AF_XDP or AF_PACKET"),
    ("pid-file", "the service manager knows the process"),
    ("plugins", "plugins are not available"),
    ("profiling", "rules are not timed one by one"),
    ("reputation", "lists of reputation are not a part of sensor.yaml"),
    ("runmode", "there is one way to run, with a detector in each worker"),
    ("security", "the sensor gives up what it does not need by itself"),
    ("spm-algo", "there is one engine, which needs no such choice"),
    ("stats", "sensor.yaml has no such option: statistics are as Suricata's own file has them"),
    ("stream", "streams are followed as Suricata does by default"),
    ("suricata-version", "it says nothing"),
    ("threading", "capture.workers, capture.cpus and capture.management-cpus say who runs where"),
    ("unix-command", "the control socket is capture.control"),
    ("vlan", "flows of different VLANs are different flows"),
    ("windivert", "frames come by AF_XDP or AF_PACKET"),
];

/// Why a key was left out.
pub(super) fn of(path: &str) -> &'static str {
    let section = path.split('.').next().unwrap_or_default();
    let fits = |key: &str| section == key || section.starts_with(&format!("{key}-"));
    let found = REASONS.iter().filter(|(key, _)| key.is_empty() || fits(key));
    found.max_by_key(|(key, _)| key.len()).map_or("", |(_, why)| why)
}
