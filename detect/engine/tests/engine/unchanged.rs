//! Rules that are taken over from a ruleset in force: they run as if all had been compiled anew.

use std::sync::Arc;

use engine::{EngineSettings, Resources, Ruleset, Unchanged};
use rules::threshold::ThresholdFile;
use rules::{Known, Loader, Settings};

use super::packets::{Sensor, back, udp};

/// A ruleset of a text, after another one if there is one; how many rules it took over.
fn load(text: &str, before: Option<&Ruleset>) -> (Ruleset, usize) {
    let known = before.map_or_else(Known::default, |before| {
        let rules = before.rules().iter().map(|rule| &rule.rule);
        Known::new((*before.names).clone(), rules)
    });
    let mut loader = Loader::taking_over(Settings::default(), known);
    loader.load("test.rules", text.as_bytes());
    let loaded = loader.finish();
    assert!(loaded.failures.is_empty(), "{:?}", loaded.failures);
    let unchanged = before.map_or_else(Unchanged::default, |before| before.unchanged(&loaded.kept));
    let (ruleset, failures) = Ruleset::taking_over(
        &unchanged,
        loaded.rules,
        &ThresholdFile::default(),
        Arc::new(loaded.names),
        EngineSettings::default(),
        &mut Resources::without_files(),
    );
    assert!(failures.is_empty(), "{failures:?}");
    (ruleset, loaded.kept.len())
}

/// In internal order.
fn order(ruleset: &Ruleset) -> Vec<(u32, u32, bool)> {
    ruleset.rules().iter().map(|c| (c.rule.sid, c.rule.rev, c.reversed)).collect()
}

const BEFORE: &str = "alert udp any any -> any 2000 (content:\"one\"; sid:1;)\n\
     alert udp any any <> any 2000 (content:\"two\"; priority:1; sid:2;)\n\
     alert udp 10.0.0.1 any -> any any (content:\"three\"; pcre:\"/thr(?P<flow_x>.)e/\"; sid:3;)\n\
     alert udp any any -> any any (flowbits:set,seen; content:\"one\"; noalert; sid:4;)\n\
     alert udp any any -> any any (content:\"four\"; nocase; sid:5;)\n\
     alert http any any -> any any (http.uri; to_lowercase; content:\"f\"; sid:6;)\n";

#[test]
fn they_find_what_they_found_before() {
    let check = |text: &str, kept: usize| {
        let (before, none) = load(BEFORE, None);
        assert_eq!(none, 0);
        let (again, taken) = load(text, Some(&before));
        // Nothing of it depends on those before once they are gone.
        drop(before);
        let (fresh, _) = load(text, None);
        assert_eq!(taken, kept, "{text}");
        assert_eq!(order(&again), order(&fresh), "{text}");
        let (mut again, mut fresh) = (Sensor::with(again), Sensor::with(fresh));
        for payload in ["one", "two", "three", "one two three", "four", "five"] {
            let packet = udp(payload.as_bytes());
            for packet in [packet.clone(), back(packet)] {
                let found = again.in_flow(&packet);
                assert_eq!(found, fresh.in_flow(&packet), "{payload}: {text}");
                assert_eq!(again.alone(&packet), fresh.alone(&packet), "{payload}: {text}");
            }
        }
    };
    check(BEFORE, 6);
    check(&BEFORE.replace("\"two\"", "\"four\""), 5);
    check(&format!("alert udp any any -> any 1:2000 (content:\"five\"; sid:7;)\n{BEFORE}"), 6);
    let later = "alert udp any any -> any any (flowbits:isset,seen; content:\"two\"; sid:8;)\n\
                 alert http !10.0.0.1 any -> any any (http.uri; to_uppercase; content:\"F\"; sid:9;)\n";
    check(&format!("{BEFORE}{later}"), 6);
    check(later, 0);
}

#[test]
fn a_thousand_loads_leave_nothing_behind() {
    let (mut ruleset, _) = load(BEFORE, None);
    let first = Arc::downgrade(&ruleset.rules().first().unwrap().rule);
    for round in 0..1000 {
        let text = BEFORE.replace("\"four\"", &format!("\"four {round}\""));
        (ruleset, _) = load(&text, Some(&ruleset));
    }
    let targets = ruleset.targets().len();
    assert_eq!(targets, load(BEFORE, None).0.targets().len());
    assert_eq!(ruleset.rules().len(), 7);
    assert_eq!(first.strong_count(), 1, "the rule itself, and no copies of it");
}
