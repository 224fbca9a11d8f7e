//! Texts about the program: usage, version, build, keywords, protocols.

use std::fmt::Write;

use protocol::settings::{ProtocolSettings, Switch};
use protocol::{AppProto, Transport, registry};
use rules::keyword::contract::{Keyword, ValueRule};
use rules::keyword::registry::KEYWORDS;

use super::VERSION;

/// Features of Suricata's list that this program has.
const FEATURES: &[&str] = &[
    "AF_PACKET",
    "HAVE_PACKET_FANOUT",
    "PCRE_JIT",
    "HAVE_HTP_URI_NORMALIZE_HOOK",
    "HTTP2_DECOMPRESSION",
    "HAVE_JA3",
    "HAVE_JA4",
    "RUST",
];

/// Parts of Suricata's list, and whether this program has them.
const SUPPORT: &[(&str, bool)] = &[
    ("AF_PACKET", true),
    ("AF_XDP", cfg!(feature = "xdp")),
    ("DPDK", false),
    ("eBPF", false),
    ("XDP", false),
    ("PF_RING", false),
    ("NFQueue", false),
    ("NFLOG", false),
    ("IPFW", false),
    ("Netmap", false),
    ("DAG enabled", false),
    ("Napatech enabled", false),
    ("Unix socket enabled", true),
    ("Detection enabled", true),
    ("Libmagic", false),
    ("hiredis", false),
    ("hiredis async with libevent", false),
    ("PCRE jit", true),
    ("GeoIP2", false),
    ("JA3", true),
    ("JA4", true),
    ("Hyperscan", false),
    ("Libnet", false),
    ("liblz4", true),
    ("Landlock", true),
    ("Systemd", true),
    ("Rust", true),
];

/// Kinds of runs, and the modes of each.
const RUNMODES: &[(&str, &str, &str)] = &[
    ("PCAP_FILE", "single", "Single threaded pcap file mode"),
    (
        "PCAP_FILE",
        "autofp",
        "Multi-threaded pcap file mode. Packets from each flow are assigned to a consistent \
         detection thread",
    ),
    ("AF_PACKET_DEV", "single", "Packet sockets, one worker for everything"),
    ("AF_PACKET_DEV", "workers", "Packet sockets, each worker does everything for its flows"),
    ("AF_PACKET_DEV", "autofp", "The same as workers"),
    ("AF_XDP_DEV", "single", "AF_XDP, one worker for everything"),
    ("AF_XDP_DEV", "workers", "AF_XDP, each worker does everything for its flows"),
];

/// Whether a kind of run has this mode.
pub(super) fn has_runmode(kind: &str, mode: &str) -> bool {
    RUNMODES.iter().any(|(own, name, _)| *own == kind && *name == mode)
}

pub(super) fn version() -> String {
    format!("This is Suricata version {VERSION} RELEASE\n")
}

pub(super) fn usage() -> String {
    format!(
        "Suricata {VERSION}\n\
         USAGE: bateleur suricata [OPTIONS] [BPF FILTER]\n\n\
         \t-c <path>                            : path to configuration file\n\
         \t--include <path>                     : additional configuration file\n\
         \t--set name=value                     : set a configuration value\n\
         \t-T                                   : test configuration file (use with -c)\n\
         \t-r <path>                            : run in pcap file/offline mode\n\
         \t--pcap-file-recursive                : descend into subdirectories of -r\n\
         \t--pcap-file-continuous               : wait for new files in the directory of -r\n\
         \t--pcap-file-delete                   : remove files once they have been read\n\
         \t-i <dev>                             : run in live mode on this interface\n\
         \t--af-packet[=<dev>]                  : run in live mode by packet sockets, by default \
         on the interfaces of the configuration\n\
         \t--af-xdp[=<dev>]                     : run in live mode by AF_XDP, by default on the \
         interfaces of the configuration\n\
         \t--unix-socket[=<file>]               : control socket of live mode\n\
         \t-F <bpf filter file>                 : bpf filter file\n\
         \t-s <path>                            : path to signature file loaded in addition to \
         suricata.yaml settings (optional)\n\
         \t-S <path>                            : path to signature file loaded exclusively \
         (optional)\n\
         \t-l <dir>                             : default log directory\n\
         \t--data-dir <dir>                     : default data directory\n\
         \t-k [all|none]                        : force checksum check (all) or disabled it (none)\n\
         \t-v                                   : be more verbose (use multiple times)\n\
         \t-V                                   : display Suricata version\n\
         \t-D                                   : run as daemon\n\
         \t--pidfile <file>                     : write pid to this file\n\
         \t--user <user>                        : run as this user after init\n\
         \t--group <group>                      : run as this group after init\n\
         \t--runmode <runmode_id>               : specific runmode, see --list-runmodes\n\
         \t--simulate-ips                       : force engine into IPS mode. Useful for QA\n\
         \t--init-errors-fatal                  : enable fatal failure on signature init error\n\
         \t--disable-detection                  : disable detection engine\n\
         \t--no-random                          : disable randomness\n\
         \t--dump-config                        : show the running configuration\n\
         \t--build-info                         : display build information\n\
         \t--list-keywords[=all|csv|<kword>]    : list keywords implemented by the engine\n\
         \t--list-app-layer-protos              : list supported app layer protocols\n\
         \t--list-app-layer-hooks               : list supported app layer hooks\n\
         \t--list-runmodes                      : list supported runmodes\n"
    )
}

pub(super) fn build_info() -> String {
    let mut out = version();
    let _ = writeln!(out, "Features: {} ", FEATURES.join(" "));
    let _ = writeln!(out, "SIMD support: {}", simd().join(" "));
    let _ = writeln!(out, "{}-bits, {} architecture", usize::BITS, std::env::consts::ARCH);
    let _ = writeln!(out, "Bateleur version {}\n", env!("CARGO_PKG_VERSION"));
    out.push_str("Suricata Configuration:\n");
    for (name, there) in SUPPORT {
        let label = format!("{name} support:");
        let _ = writeln!(out, "  {label:<39}{}", if *there { "yes" } else { "no" });
    }
    out
}

fn simd() -> Vec<&'static str> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        for (name, there) in [
            ("SSE_2", is_x86_feature_detected!("sse2")),
            ("SSE_4_1", is_x86_feature_detected!("sse4.1")),
            ("SSE_4_2", is_x86_feature_detected!("sse4.2")),
            ("AVX_2", is_x86_feature_detected!("avx2")),
            ("AVX_512_VBMI", is_x86_feature_detected!("avx512vbmi")),
        ] {
            if there {
                found.push(name);
            }
        }
    }
    if found.is_empty() {
        found.push("none");
    }
    found
}

pub(super) fn runmodes() -> String {
    let mut out = String::from(
        "------------------------------------- Runmodes \
         ------------------------------------------\n\
         | RunMode Type      | Custom Mode       | Description \n\
         |----------------------------------------------------------------------------------------\n",
    );
    for (kind, mode, text) in RUNMODES {
        let _ = writeln!(out, "| {kind:<17} | {mode:<17} | {text}");
    }
    out
}

/// A row of the list of keywords.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    app: &'static str,
    features: String,
}

/// All keywords: those with a member of their own, then buffers and numbers of protocols.
pub(crate) fn keyword_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for keyword in KEYWORDS {
        let names = std::iter::once(&keyword.name).chain(keyword.aliases);
        rows.extend(names.map(|name| Row {
            name,
            doc: keyword.doc,
            app: "Unset",
            features: features(keyword).join(","),
        }));
    }
    for spec in registry::buffers() {
        let app = spec.protocols.first().map_or("Unset", |proto| proto.name());
        let features = "No option,sticky buffer".to_owned();
        rows.push(Row { name: spec.name, doc: "", app, features: features.clone() });
        for name in spec.aliases {
            rows.push(Row { name, doc: "", app, features: features.clone() });
        }
        if !spec.modifier.is_empty() {
            let features = "No option,content modifier".to_owned();
            rows.push(Row { name: spec.modifier, doc: "", app, features });
        }
    }
    for spec in registry::numbers() {
        for name in std::iter::once(&spec.name).chain(spec.aliases) {
            rows.push(Row { name, doc: "", app: "Unset", features: String::new() });
        }
    }
    let mut seen = std::collections::HashSet::new();
    rows.retain(|row| seen.insert(row.name));
    rows
}

fn features(keyword: &Keyword) -> Vec<&'static str> {
    let has = &keyword.features;
    let optional = matches!(keyword.value, ValueRule::Optional);
    [
        ("No option", matches!(keyword.value, ValueRule::None)),
        ("compatible with IP only rule", has.ip_only),
        ("compatible with decoder event only rule", has.decoder_only),
        ("content modifier", has.content_modifier),
        ("sticky buffer", has.sticky),
        ("transform", has.transform),
        ("prefilter", has.prefilter),
        ("optional option", optional),
    ]
    .into_iter()
    .filter_map(|(name, there)| there.then_some(name))
    .collect()
}

/// The list of keywords in the form asked for; none if there is no such keyword.
pub(super) fn keywords(form: Option<&str>) -> Option<String> {
    let rows = keyword_rows();
    let mut out = String::new();
    match form {
        None => {
            out.push_str("=====Supported keywords=====\n");
            for row in &rows {
                let _ = writeln!(out, "- {}", row.name);
            }
        }
        Some("csv") => {
            out.push_str("name;description;app layer;features;documentation\n");
            for row in &rows {
                let _ = writeln!(out, "{};{};{};{};;", row.name, row.doc, row.app, row.features);
            }
        }
        Some("all") => {
            for row in &rows {
                let _ = writeln!(
                    out,
                    "{}:\n\tDescription: {}\n\tApp layer: {}\n\tFeatures: {}",
                    row.name, row.doc, row.app, row.features
                );
            }
        }
        Some(name) => {
            let row = rows.iter().find(|row| row.name == name)?;
            let _ = writeln!(
                out,
                "= {name} =\nDescription: {}\nFeatures: {}\nDocumentation: ",
                row.doc, row.features
            );
        }
    }
    Some(out)
}

/// Protocols that are on.
pub(super) fn protocols(settings: &ProtocolSettings) -> String {
    let mut out = String::from("=========Supported App Layer Protocols=========\n");
    for &proto in AppProto::ALL {
        let on = |transport| settings.switch(proto, transport) != Switch::Off;
        if on(Transport::Tcp) || on(Transport::Udp) {
            let _ = writeln!(out, "{}", proto.name());
        }
    }
    out
}

/// Hooks of all protocols, as rule headers name them.
pub(crate) fn hooks() -> String {
    let mut out = String::new();
    for &proto in registry::PARSED {
        let name = if proto == AppProto::Http1 { "http1" } else { proto.name() };
        for (hook, _, _) in registry::hooks(proto) {
            let _ = writeln!(out, "{name}:{hook}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_of_options_stand_in_one_column() {
        let usage = super::usage();
        let columns: Vec<Option<usize>> = usage
            .lines()
            .filter(|line| line.starts_with("\t-"))
            .map(|line| line.find(" : "))
            .collect();
        assert!(columns.len() > 30 && columns[0].is_some(), "{usage}");
        assert!(columns.iter().all(|column| *column == columns[0]), "{usage}");
    }
}
