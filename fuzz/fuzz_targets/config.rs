//! What a sensor is configured with, by the first byte: `suricata.yaml`, the threshold file, the
//! files of classes and references, a list of addresses or ports.
#![no_main]

// The program has no library; its configuration is taken as it stands, of which a part is used.
#[allow(dead_code)]
#[path = "../../sensor/src/bpf/mod.rs"]
mod bpf;
#[allow(dead_code)]
#[path = "../../sensor/src/clock.rs"]
mod clock;
#[allow(dead_code, unused_imports)]
#[path = "../../sensor/src/config/mod.rs"]
mod config;
#[allow(dead_code)]
#[path = "../../sensor/src/log/mod.rs"]
mod log;
#[allow(dead_code)]
#[path = "../../sensor/src/control/socket/listener.rs"]
mod listener;
mod control {
    pub(crate) mod socket {
        pub(crate) use crate::listener::path_of;
    }
}
#[allow(dead_code)]
#[path = "../../sensor/src/version.rs"]
mod version;

use std::path::Path;

use config::suricata::{Config, Mode, log_settings, read};
use config::tree::Node;
use config::yaml::Loader;
use libfuzzer_sys::fuzz_target;
use rules::{AddressSet, Classifications, PortSet, ThresholdFile, Variables};

const HEADER: &str = "%YAML 1.1\n---\n";

/// Reads a configuration as the program does, but neither other files nor the log's.
fn yaml(text: &str) {
    if text.contains("include") {
        return;
    }
    let log = log::Log::errors();
    log.configure(&log::LogSettings { outputs: Vec::new() }, Path::new("."));
    let mut loader = Loader::new(Node::default(), &log);
    if loader.text(&format!("{HEADER}{text}")).is_err() {
        return;
    }
    let root = loader.finish();
    root.walk("", &mut |_, _| {});
    for errors_fatal in [false, true] {
        let mode = Mode { detection: true, errors_fatal, ..Mode::default() };
        let config = Config { root: &root, log: &log, mode: &mode };
        let _ = log_settings(config, 0);
        let _ = read(config, Path::new("/nowhere"));
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let mut variables = Variables::default();
    match first {
        b't' => {
            variables.set_address("HOME_NET", "10.0.0.0/8");
            let _ = ThresholdFile::parse(&text, &variables);
        }
        b'c' => drop(Classifications::parse(&text)),
        b'r' => drop(rules::References::parse(&text)),
        b'a' => {
            variables.set_address("A", "[10.0.0.0/8,!10.1.0.0/16]");
            variables.set_address("B", text.clone());
            let _ = AddressSet::parse("[$A,$B,192.0.2.1]", &variables);
        }
        b'p' => {
            variables.set_port("P", text.clone());
            let _ = PortSet::parse("[1:1024,!$P]", &variables);
        }
        _ => yaml(&text),
    }
});
