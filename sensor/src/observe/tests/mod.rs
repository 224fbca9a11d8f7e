//! Tests of the page, the endpoint and the exporter, on a sensor that is made up.

mod checker;
mod http;
#[cfg(feature = "otel")]
mod otlp;
mod page;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ::rules::threshold::ThresholdFile;
use detect::Detector;
use detect::counters::Snapshot;
use detect::settings::Settings;
use engine::{EngineSettings, Resources, Ruleset};

use super::observer::{Counted, Interface, Lane, Observed, Observer, Rules};

/// A sensor with two workers, one interface with a bad name, and sinks' counters.
#[derive(Default)]
pub(super) struct Fake {
    /// Counters come only when somebody has asked.
    pub(super) answers: AtomicBool,
    counted: Mutex<Option<Arc<Counted>>>,
    pub(super) troubles: Mutex<Vec<String>>,
    pub(super) drains: AtomicBool,
}

/// All counters that a detector has.
pub(super) fn counters_of_detector() -> Snapshot {
    let (rules, none) = (Vec::new(), ThresholdFile::default());
    let (names, settings) = (Arc::default(), EngineSettings::default());
    let mut resources = Resources::without_files();
    let (ruleset, _) = Ruleset::new(rules, &none, names, settings, &mut resources);
    let settings = Settings { inline: true, detection: true, ..Settings::default() };
    Detector::new(Arc::new(settings), Arc::new(ruleset)).counters()
}

impl Fake {
    /// An observer of it.
    pub(super) fn observed(by_worker: bool) -> (Arc<Self>, Arc<Observer>) {
        let fake = Arc::new(Self { answers: true.into(), ..Self::default() });
        let observer = Observer::new(by_worker);
        observer.attach(Arc::<Self>::clone(&fake));
        (fake, observer)
    }
}

impl Observed for Fake {
    fn ask(&self) -> bool {
        if self.answers.load(Ordering::Relaxed) {
            let mut one = counters_of_detector();
            for (name, value) in &mut one.entries {
                match &**name {
                    "decoder.pkts" => *value = 7,
                    "app_layer.error.dns_tcp.gap" => *value = 3,
                    _ => {}
                }
            }
            let threads = vec![("W#01".to_owned(), one.clone()), ("W#02".to_owned(), one)];
            let extra = vec![("capture.wire", 20), ("rules.reload_ms", 1500), ("sinks.a.lag", 1)];
            let counted = Counted { at: Instant::now(), threads, extra };
            *self.counted.lock().unwrap() = Some(Arc::new(counted));
        }
        true
    }

    fn counted(&self) -> Option<Arc<Counted>> {
        self.counted.lock().unwrap().clone()
    }

    fn interfaces(&self) -> Vec<Interface> {
        vec![Interface {
            name: "e\"t\\h\n0".to_owned(),
            method: "af-packet".to_owned(),
            is_up: true,
            counters: vec![("interface_wire_frames", 20)],
        }]
    }

    fn lanes(&self) -> Vec<Lane> {
        let lane = |worker| Lane {
            worker,
            interface: "eth0".to_owned(),
            counters: vec![("lane_frames", 7), ("lane_bytes", 700)],
        };
        vec![lane(1), lane(2)]
    }

    fn workers(&self) -> usize {
        2
    }

    fn rules(&self) -> Rules {
        Rules { loaded_at: 1_795_257_233_000_000, loaded: 3, failed: 1, skipped: 0, set: None }
    }

    fn troubles(&self) -> Vec<String> {
        self.troubles.lock().unwrap().clone()
    }

    fn obstacles(&self) -> Vec<String> {
        match self.drains.load(Ordering::Relaxed) {
            true => vec!["the sensor drains".to_owned()],
            false => Vec::new(),
        }
    }
}

/// Waits until something is so.
pub(super) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}
