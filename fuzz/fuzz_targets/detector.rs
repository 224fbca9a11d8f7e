//! The whole path: pieces of the input are application data or packets, inspected with rules of
//! many kinds under settings that the first two bytes choose.
#![no_main]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use detect::settings::{
    AlertSettings, AnomalySettings, DropSettings, FileStoreSettings, FilesSettings, OutputSettings,
    XffSettings,
};
use detect::{Detector, EveSettings, Events, Settings};
use engine::content::dataset::{DatasetLimits, Datasets};
use engine::{EngineSettings, Resources, Ruleset};
use fuzz::Conversation;
use libfuzzer_sys::fuzz_target;
use protocol::LogOptions;
use rules::{Loader, ThresholdFile, Variables};

const DEMO: &str = include_str!("../../docs/demo/demo.rules");
const RULES: &str = include_str!("../detector.rules");
const THRESHOLDS: &str = include_str!("../detector.thresholds");
const PORTS: [u16; 8] = [80, 443, 53, 25, 22, 8000, 5353, 4000];

/// The lists that rules name.
fn list(path: &Path) -> std::io::Result<Vec<u8>> {
    Ok(match path.file_name().and_then(|name| name.to_str()) {
        Some("md5.list") => "d41d8cd98f00b204e9800998ecf8427e\n".into(),
        Some("names.list") => "ZXZpbC5leGFtcGxl\nYzIuZXhhbXBsZQ==\n".into(),
        Some("hosts.list") => "198.51.100.1,7\n192.168.0.1,99\n".into(),
        _ => return Err(std::io::Error::other("no such list")),
    })
}

/// The rules, with `inline` and without.
static RULESETS: LazyLock<[Arc<Ruleset>; 2]> = LazyLock::new(|| [false, true].map(ruleset));

fn ruleset(inline: bool) -> Arc<Ruleset> {
    let plain = DEMO.replace("$HOME_NET", "any").replace("$EXTERNAL_NET", "any");
    let settings = rules::Settings { inline, file_store: true, ..rules::Settings::default() };
    let mut loader = Loader::new(settings);
    loader.load("demo.rules", plain.as_bytes());
    loader.load("detector.rules", RULES.as_bytes());
    let loaded = loader.finish();
    assert!(loaded.failures.is_empty(), "{:?}", loaded.failures);
    let (thresholds, wrong) = ThresholdFile::parse(THRESHOLDS, &Variables::default());
    assert!(wrong.is_empty(), "{wrong:?}");
    let sets = Arc::new(Datasets::new(DatasetLimits::default()));
    let (ruleset, failures) = Ruleset::new(
        loaded.rules,
        &thresholds,
        Arc::new(loaded.names),
        EngineSettings { inline, ..EngineSettings::default() },
        &mut Resources::new(sets, Box::new(list)),
    );
    assert!(failures.is_empty(), "{failures:?}");
    Arc::new(ruleset)
}

fn eve() -> EveSettings {
    let xff = XffSettings::default();
    EveSettings {
        ethernet: true,
        community_id: Some(1),
        xff: Some(xff.clone()),
        alert: Some(AlertSettings {
            payload: true,
            payload_printable: true,
            payload_length: true,
            packet: true,
            http_body: true,
            http_body_printable: true,
            tagged_packets: true,
            verdict: true,
            rule_raw: true,
            rule_reference: true,
            xff: Some(xff),
            ..AlertSettings::default()
        }),
        anomaly: Some(AnomalySettings {
            decode: true,
            stream: true,
            app_layer: true,
            packet_header: true,
        }),
        drop: Some(DropSettings { alerts: true, verdict: true, all: true }),
        files: Some(FilesSettings { force_hash: [true; 3], xff: None }),
        flow: true,
        netflow: true,
        metadata_records: true,
        arp: true,
        protocols: protocol::registry::PARSED
            .iter()
            .map(|proto| (*proto, LogOptions { extended: true, ..LogOptions::default() }))
            .collect(),
        ..EveSettings::default()
    }
}

fn settings(choice: u8, protocols: u8) -> Settings {
    let inline = choice & 1 != 0;
    let mut settings = Settings {
        protocol: fuzz::protocol_settings(protocols),
        outputs: vec![OutputSettings::Eve(Box::new(eve())), OutputSettings::Fast],
        inline,
        detection: true,
        ignore_checksums: choice & 2 == 0,
        ordered: choice & 4 != 0,
        ..Settings::default()
    };
    settings.protocol.midstream = choice & 8 != 0;
    settings.stream.midstream = choice & 8 != 0;
    settings.flow.midstream = choice & 8 != 0;
    settings.stream.inline = inline;
    settings.flow.hash_size = 64;
    settings.flow.prealloc = 1;
    settings.decode.defrag.hash_size = 16;
    settings.decode.defrag.trackers = 8;
    if choice & 16 != 0 {
        settings.file_store = Some(FileStoreSettings {
            force: choice & 4 != 0,
            write_fileinfo: true,
            stream_depth: None,
        });
    }
    if choice & 32 != 0 {
        settings.stream.depth = 2000;
        settings.stream.reassembly_memcap = 8000;
    }
    settings
}

fuzz_target!(|data: &[u8]| {
    let [choice, protocols, port, rest @ ..] = data else { return };
    let settings = Arc::new(settings(*choice, *protocols));
    let rules = Arc::clone(&RULESETS[usize::from(choice & 1)]);
    let mut conversation = Conversation::new(port & 8 != 0, PORTS[usize::from(port & 7)]);
    for (control, piece) in fuzz::pieces(rest) {
        conversation.piece(control, piece);
    }
    let packets = conversation.finish();
    let mut detector = Detector::new(Arc::clone(&settings), rules);
    let mut events = Events::new(settings.outputs.len());
    let batch = usize::from(port >> 4) + 1;
    let frames: Vec<_> = (1..)
        .zip(&packets)
        .map(|(number, (after, bytes))| fuzz::frame(bytes, number, fuzz::RAW, *after))
        .collect();
    for some in frames.chunks(batch) {
        detector.inspect(some.iter().cloned(), &mut events);
    }
    while detector.finish(64, &mut events) {}
    let _ = detector.counters();
    if let Some(records) = events.outputs.first() {
        for line in records.bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let valid = serde_json::from_slice::<serde::de::IgnoredAny>(line);
            assert!(valid.is_ok(), "no JSON: {}", String::from_utf8_lossy(line));
        }
    }
});
