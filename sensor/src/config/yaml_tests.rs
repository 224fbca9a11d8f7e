//! The dialect of `suricata.yaml`, by example.

use super::*;
use crate::config::set;

fn load(sets: &[&str], text: &str) -> Result<Node, LoadError> {
    let log = Log::console();
    let mut root = Node::default();
    for argument in sets {
        assert!(set::apply(&mut root, argument));
    }
    let mut loader = Loader::new(root, &log);
    loader.text(&format!("%YAML 1.1\n---\n{text}"))?;
    Ok(loader.finish())
}

#[track_caller]
fn check(text: &str, path: &str, expected: Option<&str>) {
    assert_eq!(load(&[], text).unwrap().text(path), expected, "{path} in {text}");
}

#[test]
fn scalars_stay_text() {
    check("oct: 010", "oct", Some("010"));
    check("a: 0x1F\nb: yes", "b", Some("yes"));
    check("a: \"\"", "a", Some(""));
    for null in ["", "~", "null", "Null", "NULL"] {
        check(&format!("a: {null}\nb: 1"), "a", None);
    }
    check("a: 'null'", "a", Some("null"));
    check("a: |\n  one\n  two\n", "a", Some("one\ntwo\n"));
    check("a: [1, 2]", "a.1", Some("2"));
}

#[test]
fn names_are_dotted_and_dashed() {
    check("q.r.s: 5", "q.r.s", Some("5"));
    check("some_key: 5", "some-key", Some("5"));
    check(
        "vars:\n  address-groups:\n    HOME_NET: any",
        "vars.address-groups.HOME_NET",
        Some("any"),
    );
    check("list:\n  - first_one: {a_b: 1}", "list.0.first-one.a-b", Some("1"));
}

#[test]
fn later_keys_replace_earlier_ones() {
    let text = "a: {x: 1, y: 2}\na: {y: 3}";
    check(text, "a.y", Some("3"));
    check(text, "a.x", None);
}

#[test]
fn items_are_named_by_their_first_key() {
    let text = "outputs:\n  - fast:\n      enabled: yes\n  - eve-log: {enabled: no, types: [alert, {dns: }]}\n";
    check(text, "outputs.0", Some("fast"));
    check(text, "outputs.1", Some("eve-log"));
    check(text, "outputs.1.eve-log.types.0", Some("alert"));
    check(text, "outputs.1.eve-log.types.1", Some("dns"));
    let root = load(&[], text).unwrap();
    let item = root.get("outputs.1").unwrap().item().unwrap();
    assert_eq!((item.0, item.1.unwrap().truth("enabled")), ("eve-log", Some(false)));
}

#[test]
fn anchors_are_resolved() {
    check("a: &x {k: v}\nb: *x", "b.k", Some("v"));
    check("a: &x {k: v, l: w}\nb:\n  l: u\n  <<: *x", "b.l", Some("u"));
}

#[test]
fn the_command_line_wins() {
    let sets = ["stream.inline=true", "outputs.1.eve-log.types.1.dns.version=2", "new.0=x"];
    let text = "stream: {inline: no, memcap: 1}\noutputs:\n  - fast: {enabled: yes}\n  \
                - eve-log:\n      enabled: yes\n      types:\n        - alert\n        - dns: {enabled: yes}\n";
    let root = load(&sets, text).unwrap();
    for (path, value) in [
        ("stream.inline", "true"),
        ("stream.memcap", "1"),
        ("outputs.0", "fast"),
        ("outputs.1", "eve-log"),
        ("outputs.1.eve-log.types.1", "dns"),
        ("outputs.1.eve-log.types.1.dns.version", "2"),
        ("outputs.1.eve-log.types.1.dns.enabled", "yes"),
        ("new.0", "x"),
    ] {
        assert_eq!(root.text(path), Some(value), "{path}");
    }
    let order: Vec<_> = root.get("outputs").unwrap().children.iter().map(|c| &c.name).collect();
    assert_eq!(order, ["0", "1"]);
}

#[test]
fn options_reach_items_that_are_bare_words() {
    let root = load(&["types.1.drop.alerts=yes"], "types:\n  - alert\n  - drop\n").unwrap();
    let item = root.get("types.1").unwrap().item().unwrap();
    assert_eq!((item.0, item.1.unwrap().truth("alerts")), ("drop", Some(true)));
}

#[test]
fn the_header_is_demanded() {
    let raw = |text: &str| {
        let log = Log::console();
        let mut loader = Loader::new(Node::default(), &log);
        loader.text(text).map(|()| loader.finish())
    };
    for text in ["", "# nothing\n", "%YAML 1.1\n---\n", "%YAML 1.1\n"] {
        assert!(raw(text).unwrap().children.is_empty(), "{text}");
    }
    let failed = raw("a: 1\n").unwrap_err();
    assert_eq!(failed.0[0], "Invalid configuration file.");
    assert!(failed.0[1].ends_with("must begin with the following two lines: %YAML 1.1 and ---"));
    assert_eq!(
        raw("%YAML 1.2\n---\na: 1\n").unwrap_err().0,
        ["Invalid YAML version.  Must be 1.1"]
    );
}

#[test]
fn faults_have_a_line_and_depth_a_limit() {
    let failed = load(&[], "a: [1, 2\nb: 3\n").unwrap_err();
    assert!(failed.0[0].starts_with("Failed to parse configuration file at line "), "{failed}");
    let deep = format!("a: {}1{}", "[".repeat(200), "]".repeat(200));
    assert!(load(&[], &deep).is_err());
    assert!(load(&[], "include: {a: b}").unwrap_err().0[0].starts_with("Include fields"));
}

#[test]
fn files_are_included_where_they_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, format!("%YAML 1.1\n---\n{text}")).unwrap();
        path
    };
    write("one.yaml", "a: 1\nb: 1\n");
    write("two.yaml", "c: 2\n");
    write("sub.yaml", "k: v\n");
    let main = write(
        "main.yaml",
        "b: 0\ninclude: [one.yaml, two.yaml]\na: 3\nm: !include sub.yaml\nn:\n  include: sub.yaml\n",
    );
    let last = write("last.yaml", "c: 9\n");
    let log = Log::console();
    let mut loader = Loader::new(Node::default(), &log);
    loader.main_file(&main).unwrap();
    loader.included_file(last.to_str().unwrap()).unwrap();
    let failed = loader.included_file("none.yaml").unwrap_err();
    assert!(failed.0[0].ends_with("include file none.yaml: No such file or directory"));
    let root = loader.finish();
    for (path, value) in [("a", "3"), ("b", "1"), ("c", "9"), ("m.k", "v"), ("n.k", "v")] {
        assert_eq!(root.text(path), Some(value), "{path}");
    }
}

#[test]
fn a_sensor_yaml_is_told_with_what_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sensor.yaml");
    let said = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let log = Log::keeping(Level::Error);
        Loader::new(Node::default(), &log).main_file(&path).unwrap_err().to_string()
    };
    let known = said("name: gate\nevents: {file: eve.json}\n");
    let run = format!(
        "this is a sensor.yaml, not a configuration of Suricata: give it to `bateleur run -c {}`",
        path.display()
    );
    assert!(known.contains(&run), "{known}");
    let other = said("bogus: 3\n");
    assert!(other.contains("%YAML 1.1") && !other.contains("sensor.yaml"), "{other}");
}
