//! The whole path: pieces of the input are frames, inspected with rules of many kinds.
#![no_main]

use std::sync::{Arc, LazyLock};

use detect::settings::OutputSettings;
use detect::{Detector, EveSettings, Events, Settings};
use engine::{EngineSettings, Resources, Ruleset};
use libfuzzer_sys::fuzz_target;
use rules::{Loader, ThresholdFile};

const RULES: &str = include_str!("../../docs/demo/demo.rules");

/// Compiled once; a detector is made for each input.
static LOADED: LazyLock<(Arc<Settings>, Arc<Ruleset>)> = LazyLock::new(|| {
    let plain = RULES.replace("$HOME_NET", "any").replace("$EXTERNAL_NET", "any");
    let mut loader = Loader::new(rules::Settings::default());
    loader.load("demo.rules", plain.as_bytes());
    let loaded = loader.finish();
    let (ruleset, failures) = Ruleset::new(
        loaded.rules,
        &ThresholdFile::default(),
        Arc::new(loaded.names),
        EngineSettings::default(),
        &mut Resources::without_files(),
        1,
    );
    assert!(failures.is_empty());
    let settings = Settings {
        outputs: vec![OutputSettings::Eve(Box::new(EveSettings::default())), OutputSettings::Fast],
        detection: true,
        ignore_checksums: true,
        ..Settings::default()
    };
    (Arc::new(settings), Arc::new(ruleset))
});

fuzz_target!(|data: &[u8]| {
    let (settings, ruleset) = &*LOADED;
    let mut detector = Detector::new(Arc::clone(settings), Arc::clone(ruleset));
    let mut events = Events::default();
    let frames: Vec<(u8, Vec<u8>)> = fuzz::pieces(data)
        .map(|(control, piece)| match control & 0x10 {
            0 => (control, fuzz::segment(control, piece)),
            _ => (control, piece.to_vec()),
        })
        .collect();
    let raw = frames
        .iter()
        .enumerate()
        .map(|(at, (control, bytes))| fuzz::frame(bytes, at as u64 + 1, fuzz::RAW, *control));
    detector.inspect(raw, &mut events);
    detector.finish(&mut events);
});
