//! Data sets: files in their forms, commands, reputations, what is saved.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use engine::content::dataset::{DatasetLimits, Datasets};
use engine::remembered::Remembered;
use engine::sharing::{OwnOrShared, Turn};
use engine::{ContextValue, EngineSettings, Inspector, PacketFacts, Resources, Ruleset};
use rules::rule::{Dataset, DatasetCommand, DatasetType};
use rules::threshold::ThresholdFile;

use crate::packets::{NONE, Sensor, ruleset_with, try_ruleset, udp};

/// Resources with these files.
fn files(given: &[(&str, &str)]) -> (Resources, Arc<Datasets>) {
    files_within(given, DatasetLimits::default())
}

/// The same within limits.
fn files_within(files: &[(&str, &str)], limits: DatasetLimits) -> (Resources, Arc<Datasets>) {
    let files: HashMap<PathBuf, Vec<u8>> =
        files.iter().map(|(name, text)| (name.into(), text.as_bytes().to_vec())).collect();
    let read = move |path: &Path| {
        files.get(path).cloned().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    };
    let limits = DatasetLimits { data_dir: "/data".into(), ..limits };
    let sets = Arc::new(Datasets::new(limits));
    (Resources::new(Arc::clone(&sets), Box::new(read)), sets)
}

fn sensor(options: &[&str], given: &[(&str, &str)]) -> (Sensor, Arc<Datasets>) {
    let text: String = (1..)
        .zip(options)
        .map(|(sid, o)| format!("alert udp any any -> any any (msg:\"x\"; {o} sid:{sid};)\n"))
        .collect();
    let (resources, sets) = files(given);
    let none = ThresholdFile::default();
    let ruleset = ruleset_with(&text, EngineSettings::default(), &none, |r| *r = resources);
    (Sensor::with(ruleset), sets)
}

#[test]
fn values_of_every_type_are_loaded() {
    for (kind, options, file, inside) in [
        ("ip", "ip.src", "::ffff:10.0.0.1\n", true),
        ("ip", "ip.dst", "::ffff:10.0.0.1\n", false),
        // Mapped or not at all.
        ("ip", "ip.src", "10.0.0.1\n", false),
        ("ipv4", "ip.src", "10.0.0.1\r\n10.0.0.9\r\n", true),
        ("ipv4", "ip.dst", "10.0.0.1\n", false),
    ] {
        let is = format!("{options}; dataset:isset,s,type {kind},load s.lst;");
        let not = format!("{options}; dataset:isnotset,s,type {kind},load s.lst;");
        let (mut sensor, _) = sensor(&[&is, &not], &[("s.lst", file)]);
        let want = if inside { [1] } else { [2] };
        assert_eq!(sensor.alone(&udp(b"")), want, "{kind} {file}");
    }
}

#[test]
fn set_and_unset_match_on_change() {
    let (mut sensor, sets) = sensor(
        &[
            "ip.src; dataset:set,seen,type ip,save seen.lst;",
            "ip.src; dataset:isset,seen; priority:4;",
        ],
        &[],
    );
    assert_eq!(sensor.alone(&udp(b"")), [1, 2]);
    assert_eq!(sensor.alone(&udp(b"")), [2]);
    let mut other = udp(b"");
    other.src = "2001:db8::1".parse().unwrap();
    assert_eq!(sensor.alone(&other), [1, 2]);
    let want = b"10.0.0.1\n2001:0db8:0000:0000:0000:0000:0000:0001\n".to_vec();
    assert_eq!(sets.to_save(), [(PathBuf::from("/data/seen.lst"), want)]);

    let (mut sensor, _) = sensor_unset();
    assert_eq!(sensor.alone(&udp(b"")), [1]);
    assert_eq!(sensor.alone(&udp(b"")), NONE);
}

fn sensor_unset() -> (Sensor, Arc<Datasets>) {
    sensor(&["ip.src; dataset:unset,s,type ipv4,load s.lst;"], &[("s.lst", "10.0.0.1\n")])
}

#[test]
fn reputations_are_compared() {
    for (compare, want) in [(">,200", true), (">,201", false), ("<,300", true), ("==,201", true)] {
        let options = format!("ip.src; datarep:r,{compare},type ipv4,load r.lst;");
        let (mut sensor, _) = sensor(&[&options], &[("r.lst", "10.0.0.1,201\n10.0.0.2,5\n")]);
        assert_eq!(!sensor.alone(&udp(b"")).is_empty(), want, "{compare}");
        let mut other = udp(b"");
        other.src = [10, 0, 0, 9].into();
        assert_eq!(sensor.alone(&other), NONE, "not in the set");
    }
}

#[test]
fn json_gives_context() {
    for (format, file) in [
        ("json,value_key ip", r#"[{"ip":"10.0.0.1","who":"me"},{"ip":"10.0.0.1","who":"you"}]"#),
        ("json,value_key ip,array_key a.b", r#"{"a":{"b":[{"ip":"10.0.0.1","who":"me"}]}}"#),
        ("ndjson,value_key ip", "{\"ip\":\"10.0.0.1\",\"who\":\"me\"}\n{\"ip\":\"10.0.0.3\"}\n"),
    ] {
        let options =
            format!("ip.src; dataset:isset,j,type ip,load j.json,format {format},context_key c;");
        let (mut sensor, _) = sensor(&[&options], &[("j.json", file)]);
        assert_eq!(sensor.alone(&udp(b"")), [1], "{format}");
        let context = &sensor.inspector.queue.alerts[0].found.context;
        let json = br#"{"ip":"10.0.0.1","who":"me"}"#.to_vec();
        assert_eq!(*context, [("c".to_owned(), ContextValue::Json(json))], "{format}");
    }
    let options = "ip.src; dataset:isset,j,type ip,load j.json,format json,value_key x.ip,\
                   context_key c,remove_key;";
    let file = r#"[{"x":{"ip":"10.0.0.1","t":1}}]"#;
    let (mut sensor, _) = sensor(&[options], &[("j.json", file)]);
    assert_eq!(sensor.alone(&udp(b"")), [1]);
    let context = &sensor.inspector.queue.alerts[0].found.context;
    let json = br#"{"x":{"t":1}}"#.to_vec();
    assert_eq!(*context, [("c".to_owned(), ContextValue::Json(json))]);
}

#[test]
fn bad_files_and_paths_refuse_the_rule() {
    for (options, file) in [
        ("dataset:isset,s,type ip,load nosuch.lst;", ""),
        ("dataset:isset,s,type ip,load s.lst;", "not an address\n"),
        ("dataset:isset,s,type md5,load s.lst;", "abcd\n"),
        ("dataset:isset,s,type string,load s.lst;", "*\n"),
        ("dataset:isset,s,type ip,load s.lst,format json,value_key ip,context_key c;", "{"),
        ("dataset:set,s,type ip,save ../s.lst;", ""),
        ("dataset:set,s,type ip,save /s.lst;", ""),
        ("dataset:isset,s;", ""),
    ] {
        let text = format!("alert udp any any -> any any (ip.src; {options} sid:1;)");
        let strict = DatasetLimits { strict: true, ..DatasetLimits::default() };
        let (resources, _) = files_within(&[("s.lst", file)], strict);
        let none = ThresholdFile::default();
        let (_, refused) = try_ruleset(&text, EngineSettings::default(), &none, |r| *r = resources);
        assert_eq!(refused.len(), 1, "{options}");
    }
}

#[test]
fn bad_lines_are_passed_over_unless_they_are_to_refuse_the_rule() {
    for (options, file, values) in [
        ("type ipv4", "nonsense\n10.0.0.1\n10.0.0.1/8\n", "10.0.0.1\n"),
        // The first line says whether there are reputations; one of the other kind ends the file.
        ("type ipv4", "10.0.0.1\n10.0.0.2,5\n10.0.0.3\n", "10.0.0.1\n"),
        ("type ipv4", "10.0.0.1,70000\n10.0.0.2,5\n", "10.0.0.2\n"),
        ("type string", "Yg==\n*\nYQ==\n", "YQ==\nYg==\n"),
    ] {
        let is = format!("ip.src; dataset:set,s,{options},load s.lst,save o.lst,hashsize 3;");
        let (_, sets) = sensor(&[&is], &[("s.lst", file)]);
        assert_eq!(sets.to_save(), [(PathBuf::from("/data/o.lst"), values.into())], "{file}");
        assert!(!sets.take_notes().is_empty(), "{file}");
        assert!(sets.take_notes().is_empty());
    }
}

#[test]
fn limits_refuse_sets_and_values() {
    let limits = DatasetLimits {
        memcap: 1000,
        hashsize: 8,
        single_hashsize: 64,
        total_hashsizes: 80,
        ..DatasetLimits::default()
    };
    for (options, accepted) in [
        ("hashsize 64,memcap 10kb", 1),
        ("hashsize 65,memcap 10kb", 0),
        ("hashsize 16", 0),
        ("hashsize 0,memcap 0", 1),
    ] {
        let text = format!(
            "alert udp any any -> any any (ip.src; dataset:set,s,type ip,{options}; sid:1;)"
        );
        let (resources, _) = files_within(&[], limits.clone());
        let none = ThresholdFile::default();
        let (rules, _) = try_ruleset(&text, EngineSettings::default(), &none, |r| *r = resources);
        assert_eq!(rules.rules().len(), accepted, "{options}");
    }
    let rule = |n: u32| {
        format!(
            "alert udp any any -> any any (ip.src; dataset:set,s{n},type ip,hashsize 40,memcap 9kb; \
             sid:{n};)\n"
        )
    };
    let text: String = (1..=3).map(rule).collect();
    let (resources, _) = files_within(&[], limits.clone());
    let none = ThresholdFile::default();
    let (rules, _) = try_ruleset(&text, EngineSettings::default(), &none, |r| *r = resources);
    assert_eq!(rules.rules().len(), 2, "rows of all sets");
    // 1000 bytes hold 8 rows of 64 and 5 addresses of 80 + 16.
    let text = "alert udp any any -> any any (ip.src; dataset:set,s,type ip; sid:1;)";
    let (resources, _) = files_within(&[], limits);
    let rules = ruleset_with(text, EngineSettings::default(), &none, |r| *r = resources);
    let mut sensor = Sensor::with(rules);
    for host in 1..=6 {
        let mut packet = udp(b"");
        packet.src = [10, 0, 0, host].into();
        assert_eq!(!sensor.alone(&packet).is_empty(), host <= 5, "{host}");
    }
    assert_eq!(sensor.inspector.refused().dataset_values, 1);
}

#[test]
fn declared_sets_are_there_for_rules_that_only_name_them() {
    let declared = Dataset {
        kind: Some(DatasetType::Ipv4),
        load: Some("d.lst".to_owned()),
        ..Dataset::new("d", DatasetCommand::IsSet)
    };
    let limits = DatasetLimits { declared: vec![declared], ..DatasetLimits::default() };
    for place in ["d.lst", "/data/d.lst"] {
        let (resources, _) = files_within(&[(place, "10.0.0.1\n")], limits.clone());
        let text = "alert udp any any -> any any (ip.src; dataset:isset,d,type ipv4; sid:1;)";
        let none = ThresholdFile::default();
        let rules = ruleset_with(text, EngineSettings::default(), &none, |r| *r = resources);
        assert_eq!(Sensor::with(rules).alone(&udp(b"")), [1], "{place}");
    }
}

/// The worker before this one: on its turn it has inspected its packet.
#[derive(Debug)]
struct Before {
    rules: Arc<Ruleset>,
    packet: &'static [u8],
    waited: AtomicUsize,
}

impl Turn for Before {
    fn wait(&self) {
        if self.waited.fetch_add(1, Ordering::Relaxed) == 0 {
            let mut inspector = Inspector::new(Arc::clone(&self.rules));
            inspector.inspect(&udp(self.packet), None, &PacketFacts::default());
        }
    }
}

#[test]
fn workers_take_turns_at_sets_that_rules_write() {
    let text: String = (1..)
        .zip([
            "content:\"ask\"; ip.src; dataset:isset,seen,type ipv4;",
            "content:\"set\"; ip.src; dataset:set,seen,type ipv4;",
            "content:\"see\"; ip.src; dataset:isset,loaded,type ipv4,load l.lst;",
            "content:\"rep\"; ip.src; datarep:ranked,>,5,type ipv4,load r.lst;",
            "content:\"not\"; ip.src; dataset:isnotset,gone,type ipv4,load l.lst;",
            "content:\"del\"; ip.src; dataset:unset,gone,type ipv4,load l.lst;",
        ])
        .map(|(sid, o)| format!("alert udp any any -> any any ({o} sid:{sid};)\n"))
        .collect();
    for (before, packet, alerts, waits) in [
        (&b"set"[..], &b"ask"[..], &[1][..], true),
        (b"nothing", b"ask", &[], true),
        (b"set", b"set", &[], true),
        (b"nothing", b"set", &[2], true),
        (b"nothing", b"see", &[3], false),
        (b"nothing", b"rep", &[4], false),
        (b"del", b"not", &[5], true),
        (b"nothing", b"not", &[], true),
        (b"nothing", b"del", &[6], true),
        (b"set", b"other", &[], false),
    ] {
        let (resources, _) = files(&[("l.lst", "10.0.0.1\n"), ("r.lst", "10.0.0.1,9\n")]);
        let (settings, none) = (EngineSettings::default(), ThresholdFile::default());
        let rules = Arc::new(ruleset_with(&text, settings.clone(), &none, |r| *r = resources));
        let turn = Arc::new(Before { rules: Arc::clone(&rules), packet: before, waited: 0.into() });
        let mut inspector = Inspector::new(Arc::clone(&rules));
        inspector.set_remembered(OwnOrShared::Shared {
            value: Arc::new(Mutex::new(Remembered::new(&settings))),
            turn: Some(Arc::clone(&turn) as Arc<dyn Turn>),
            shows_size: true,
        });
        inspector.inspect(&udp(packet), None, &PacketFacts::default());
        let found: Vec<u32> = inspector
            .queue
            .alerts
            .iter()
            .map(|a| rules.get(a.found.rule).unwrap().rule.sid)
            .collect();
        let texts = [before, packet].map(String::from_utf8_lossy);
        assert_eq!(found, alerts, "{texts:?}");
        assert_eq!(turn.waited.load(Ordering::Relaxed) > 0, waits, "{texts:?}");
    }
}

/// Files that change between loads.
type Disk = Arc<Mutex<HashMap<PathBuf, String>>>;

/// A load of rules after another one; the rules that were refused.
fn reload(text: &str, disk: &Disk, before: Option<&Datasets>) -> (Sensor, Arc<Datasets>, usize) {
    let limits = || DatasetLimits { data_dir: "/data".into(), ..DatasetLimits::default() };
    let sets = before.map_or_else(|| Datasets::new(limits()), Datasets::after);
    let (sets, disk) = (Arc::new(sets), Arc::clone(disk));
    let read = move |path: &Path| {
        let text = disk.lock().unwrap().get(path).cloned();
        text.map(String::into_bytes).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    };
    let resources = Resources::new(Arc::clone(&sets), Box::new(read));
    let none = ThresholdFile::default();
    let (ruleset, refused) =
        try_ruleset(text, EngineSettings::default(), &none, |r| *r = resources);
    sets.settle();
    (Sensor::with(ruleset), sets, refused.len())
}

#[test]
fn a_reload_reads_changed_files_again_and_keeps_what_was_learned() {
    let rule = |option: &str, sid: u32| {
        format!("alert udp any any -> any any (ip.src; {option} sid:{sid};)\n")
    };
    let text = rule("dataset:isset,bad,type ipv4,load bad.lst;", 1)
        + &rule("dataset:isset,good,type ipv4,load good.lst;", 2)
        + &rule("dataset:set,seen,type ipv4,state seen.lst;", 3)
        + &rule("dataset:set,both,type ipv4,load both.lst;", 4);
    let disk = Disk::default();
    let write = |name: &str, text: &str| {
        disk.lock().unwrap().insert(name.into(), text.to_owned());
    };
    write("bad.lst", "192.0.2.1\n");
    write("good.lst", "10.0.0.1\n");
    write("both.lst", "192.0.2.1\n");
    let (mut sensor, first, refused) = reload(&text, &disk, None);
    assert_eq!((sensor.alone(&udp(b"")), refused), (vec![2, 3, 4], 0));
    // The same once more: nothing is learned twice, and files that are as they were need not be
    // read into new sets.
    let (mut sensor, second, _) = reload(&text, &disk, Some(&first));
    assert_eq!(sensor.alone(&udp(b"")), [2]);
    assert!(second.take_notes().is_empty());
    write("bad.lst", "10.0.0.1\n");
    write("both.lst", "192.0.2.9\n");
    let (mut sensor, third, _) = reload(&text, &disk, Some(&second));
    assert_eq!(sensor.alone(&udp(b"")), [1, 2], "the changed file counts");
    let notes = third.take_notes();
    assert!(notes.len() == 1 && notes[0].contains("both.lst has changed"), "{notes:?}");
    assert_eq!(third.to_save(), [(PathBuf::from("/data/seen.lst"), b"10.0.0.1\n".to_vec())]);
    // A file that is gone refuses its rule, as at a start; those in force are not touched.
    disk.lock().unwrap().remove(Path::new("good.lst"));
    let (mut sensor, _, refused) = reload(&text, &disk, Some(&third));
    assert_eq!((sensor.alone(&udp(b"")), refused), (vec![1], 1));
    let (mut sensor, _, _) = reload(&text.replace("good.lst", "bad.lst"), &disk, Some(&third));
    assert_eq!(sensor.alone(&udp(b"")), [1, 2], "another file of the same bytes will do");
}
