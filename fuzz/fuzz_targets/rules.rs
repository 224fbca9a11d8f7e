//! The rule parser and compiler: the input is a rules file, which is compiled as well.
#![no_main]

use std::sync::Arc;

use engine::{EngineSettings, Resources, Ruleset};
use libfuzzer_sys::fuzz_target;
use rules::{Loader, Settings, ThresholdFile};

fuzz_target!(|data: &[u8]| {
    let mut settings =
        Settings { inline: true, file_store: true, geoip: true, ..Settings::default() };
    settings.variables.set_address("HOME_NET", "[192.168.0.0/16,!192.168.7.0/24,fd00::/8]");
    settings.variables.set_address("EXTERNAL_NET", "!$HOME_NET");
    settings.variables.set_port("HTTP_PORTS", "[80,8000:8100,!8080]");
    settings.reputation_categories.insert("bad".to_owned(), 1);
    let mut loader = Loader::new(settings);
    loader.load("fuzz.rules", data);
    let loaded = loader.finish();
    for failure in &loaded.failures {
        assert!(!failure.error.message.is_empty());
        assert!(failure.column() >= 1);
    }
    for rule in &loaded.rules {
        let _ = format!("{rule:?}").len();
    }
    let _ = Ruleset::new(
        loaded.rules,
        &ThresholdFile::default(),
        Arc::new(loaded.names),
        EngineSettings::default(),
        &mut Resources::without_files(),
    );
});
