//! Data sets: files in their forms, commands, reputations, what is saved.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::content::dataset::{DatasetLimits, Datasets};
use engine::{ContextValue, EngineSettings, Resources};
use rules::threshold::ThresholdFile;

use crate::packets::{NONE, Sensor, ruleset_with, try_ruleset, udp};

/// Resources with these files.
fn files(files: &[(&str, &str)]) -> (Resources, Arc<Datasets>) {
    let files: HashMap<PathBuf, Vec<u8>> =
        files.iter().map(|(name, text)| (name.into(), text.as_bytes().to_vec())).collect();
    let read = move |path: &Path| {
        files.get(path).cloned().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    };
    let limits = DatasetLimits { data_dir: "/data".into(), ..DatasetLimits::default() };
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
        ("ip", "ip.src", "10.0.0.1\n", true),
        ("ip", "ip.src", "::ffff:10.0.0.1\n", true),
        ("ip", "ip.dst", "10.0.0.1\n", false),
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
    let want = b"2001:db8::1\n::ffff:10.0.0.1\n".to_vec();
    assert_eq!(sets.to_save(), [(PathBuf::from("/data/seen.lst"), want)]);

    let (mut sensor, _) = sensor_unset();
    assert_eq!(sensor.alone(&udp(b"")), [1]);
    assert_eq!(sensor.alone(&udp(b"")), NONE);
}

fn sensor_unset() -> (Sensor, Arc<Datasets>) {
    sensor(&["ip.src; dataset:unset,s,type ip,load s.lst;"], &[("s.lst", "10.0.0.1\n")])
}

#[test]
fn reputations_are_compared() {
    for (compare, want) in [(">,200", true), (">,201", false), ("<,300", true), ("==,201", true)] {
        let options = format!("ip.src; datarep:r,{compare},type ip,load r.lst;");
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
        let (resources, _) = files(&[("s.lst", file)]);
        let none = ThresholdFile::default();
        let (_, refused) = try_ruleset(&text, EngineSettings::default(), &none, |r| *r = resources);
        assert_eq!(refused.len(), 1, "{options}");
    }
}

#[test]
fn reloads_keep_what_rules_wrote() {
    let (mut sensor, sets) = sensor(
        &[
            "ip.src; dataset:set,kept,type ip,state kept.lst;",
            "ip.src; dataset:isset,loaded,type ip,load l.lst;",
        ],
        &[("l.lst", "10.0.0.1\n")],
    );
    assert_eq!(sensor.alone(&udp(b"")), [1, 2]);
    sets.forget_loaded();
    let text = "alert udp any any -> any any (ip.src; dataset:set,kept,type ip,state kept.lst; sid:1;)\n\
                alert udp any any -> any any (ip.src; dataset:isset,loaded,type ip,load l.lst; sid:2;)";
    let read = |_: &Path| Ok(b"10.0.0.7\n".to_vec());
    let resources = Resources::new(sets, Box::new(read));
    let none = ThresholdFile::default();
    let again = ruleset_with(text, EngineSettings::default(), &none, |r| *r = resources);
    sensor.inspector.set_rules(Arc::new(again));
    assert_eq!(sensor.alone(&udp(b"")), NONE, "kept has it, loaded no more");
}
