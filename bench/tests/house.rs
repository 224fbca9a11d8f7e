//! The rules of the house that a compiler cannot check.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates with their folder and their step; imports go to lower steps only.
const CRATES: &[(&str, &str, u8)] = &[
    ("json", "detect/json", 0),
    ("decode", "detect/decode", 0),
    ("schema", "detect/schema", 0),
    ("flow", "detect/flow", 1),
    ("protocol", "detect/protocol", 1),
    ("rules", "detect/rules", 2),
    ("search", "detect/search", 3),
    ("engine", "detect/engine", 4),
    ("detect", "detect", 5),
    ("afpacket", "capture/afpacket", 0),
    ("afxdp", "capture/afxdp", 0),
    ("placement", "capture/placement", 0),
    ("steer", "capture/steer", 0),
    ("capture", "capture", 1),
    ("kafka", "delivery/kafka", 0),
    ("delivery", "delivery", 1),
    ("supply", "supply", 0),
    ("sensor", "sensor", 6),
    ("bench", "bench", 6),
];

/// The crates that know interfaces and files and nothing of detection. They import only each
/// other, and only `MAY_CAPTURE` import them.
const CAPTURING: &[&str] = &["afpacket", "afxdp", "placement", "steer", "capture"];
const MAY_CAPTURE: &[&str] = &["sensor", "bench"];

/// The only files with `unsafe` code.
const MAY_UNSAFE: &[&str] = &[
    "capture/afpacket/src/memory.rs",
    "capture/afpacket/src/system.rs",
    "capture/afxdp/src/chunks.rs",
    "capture/afxdp/src/mapping.rs",
    "capture/afxdp/src/parked.rs",
    "capture/afxdp/src/system.rs",
    "capture/placement/src/ethtool.rs",
    "capture/steer/src/attach.rs",
    "delivery/src/sinks/unacknowledged.rs",
    "delivery/kafka/src/event.rs",
    "delivery/kafka/src/producer.rs",
    "detect/engine/src/pcre.rs",
    "detect/flow/src/prefetch.rs",
    "detect/search/src/avx2.rs",
    "detect/search/src/vbmi.rs",
];

/// Tests of these deal with the kernel as the crates do that they test.
const TEST_FOLDERS: &[&str] =
    &["capture/afpacket/tests/", "capture/afxdp/tests/", "capture/steer/tests/", "capture/tests/"];

const LONGEST_FILE: usize = 700;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("bench lies in the workspace").into()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files with an ending below `folder`, without those of crates inside it and of `target`.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.join("Cargo.toml").exists() && !path.ends_with("target") {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The Rust files of a crate: path from the root, text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let name =
        |p: &Path| p.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
    files(&root().join(folder), "rs").iter().map(|p| (name(p), read(p))).collect()
}

fn all_sources() -> Vec<(String, String)> {
    CRATES.iter().flat_map(|(_, folder, _)| sources(folder)).collect()
}

fn documents() -> Vec<PathBuf> {
    let top = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|file| root().join(file));
    top.into_iter().chain(files(&root().join("docs"), "md")).collect()
}

/// Why a crate may not import another; none if it may.
fn objection(from: &str, to: &str) -> Option<String> {
    let step = |name| CRATES.iter().find(|c| c.0 == name).map(|c| c.2);
    let (own, other) = (step(from)?, step(to)?);
    let allowed = match (from, to) {
        _ if from == to => true,
        _ if CAPTURING.contains(&from) => CAPTURING.contains(&to) && other < own,
        _ if CAPTURING.contains(&to) => MAY_CAPTURE.contains(&from),
        _ => other < own,
    };
    (!allowed).then(|| format!("{from} imports {to}"))
}

/// The names under the dependency tables of a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.trim_end_matches(']').ends_with("dependencies");
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            let end = line.find(|c: char| c == '.' || c == '=' || c.is_whitespace());
            found.push(line[..end.unwrap_or(line.len())].to_owned());
        }
    }
    found
}

/// The crates of the workspace that a file's `use` lines name.
fn imports(source: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    for line in source.lines().map(str::trim_start) {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let Some(path) = line.strip_prefix("use ") else { continue };
        let path = path.trim_start_matches("::");
        let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(path.len());
        found.extend(CRATES.iter().filter(|c| c.0 == &path[..end]).map(|c| c.0));
    }
    found
}

#[track_caller]
fn check(what: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{what}:\n  {}", broken.join("\n  "));
}

#[test]
fn every_crate_of_the_workspace_has_its_step() {
    let manifest = read(&root().join("Cargo.toml"));
    let members = manifest.split("members = [").nth(1).unwrap().split(']').next().unwrap();
    let folders = members.split('"').skip(1).step_by(2);
    let unknown = folders.filter(|folder| !CRATES.iter().any(|c| c.1 == *folder));
    check("crates that the order does not know", &unknown.map(str::to_owned).collect::<Vec<_>>());
}

#[test]
fn manifests_import_downwards_only() {
    let mut broken = Vec::new();
    for (name, folder, _) in CRATES {
        let manifest = read(&root().join(folder).join("Cargo.toml"));
        broken.extend(dependencies(&manifest).iter().filter_map(|to| objection(name, to)));
    }
    check("manifests that import against the direction", &broken);
}

#[test]
fn sources_import_downwards_only() {
    let mut broken = Vec::new();
    for (name, folder, _) in CRATES {
        let source = root().join(folder).join("src");
        // A module of the same name is what `use` means then; the manifest decides anyway.
        let own = |to: &str| source.join(to).exists() || source.join(format!("{to}.rs")).exists();
        for (file, text) in sources(folder) {
            let foreign = imports(&text).into_iter().filter(|to| !own(to));
            let found = foreign.filter_map(|to| objection(name, to));
            broken.extend(found.map(|why| format!("{file}: {why}")));
        }
    }
    check("files that import against the direction", &broken);
}

#[test]
fn the_order_refuses_what_it_should() {
    for (from, to) in [("decode", "flow"), ("flow", "protocol"), ("rules", "engine")] {
        assert!(objection(from, to).is_some(), "{from} may not import {to}");
    }
    for (from, to) in [("capture", "decode"), ("detect", "capture"), ("engine", "sensor")] {
        assert!(objection(from, to).is_some(), "{from} may not import {to}");
    }
    assert_eq!(objection("engine", "search"), None);
    assert_eq!(dependencies("[dependencies]\na.workspace = true\nb = \"1\"\n[x]\nc=1"), ["a", "b"]);
    assert_eq!(
        imports("pub use decode::X;\nuse flow::{A, B};\nuse flowers::C;"),
        ["decode", "flow"]
    );
}

#[test]
fn files_open_with_a_sentence() {
    let silent = all_sources().into_iter().filter(|(_, source)| !source.starts_with("//! "));
    check(
        "files that do not begin with a `//!` sentence",
        &silent.map(|(file, _)| file).collect::<Vec<_>>(),
    );
}

#[test]
fn files_stay_readable() {
    let lengths = all_sources().into_iter().map(|(file, source)| (file, source.lines().count()));
    let long = lengths.filter(|(_, lines)| *lines > LONGEST_FILE);
    check(
        "files that are too long",
        &long.map(|(file, lines)| format!("{file}: {lines} lines")).collect::<Vec<_>>(),
    );
}

#[test]
fn nothing_is_left_to_do() {
    let marks = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("FIX", "ME")];
    let mut broken = Vec::new();
    for (file, source) in all_sources() {
        let found = marks.iter().filter(|mark| source.contains(**mark));
        broken.extend(found.map(|mark| format!("{file}: {mark}")));
    }
    check("unfinished places", &broken);
}

#[test]
fn unsafe_stays_where_it_is_allowed() {
    let marks = ["{", "fn", "impl"].map(|what| format!("{} {what}", concat!("un", "safe")));
    let is_unsafe = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        marks.iter().any(|mark| code.contains(mark.as_str()))
    };
    let broken = all_sources().into_iter().filter(|(file, source)| {
        let tests = TEST_FOLDERS.iter().any(|folder| file.starts_with(folder))
            || file.starts_with("capture/") && file.ends_with("/tests.rs");
        !tests && !MAY_UNSAFE.contains(&file.as_str()) && source.lines().any(is_unsafe)
    });
    check("files with unsafe code", &broken.map(|(file, _)| file).collect::<Vec<_>>());
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for file in documents() {
        let text = read(&file);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let elsewhere = target.is_empty() || target.contains("://") || target.contains(' ');
            if !elsewhere && !file.parent().unwrap().join(target).exists() {
                broken.push(format!("{}: {link}", file.display()));
            }
        }
    }
    check("links that lead nowhere", &broken);
}

#[test]
fn demo_rules_have_one_number_each() {
    let text = read(&root().join("docs/demo/demo.rules"));
    let mut seen = BTreeMap::new();
    for rule in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let sid = rule.split("sid:").nth(1).and_then(|rest| rest.split(';').next());
        *seen.entry(sid.expect("a rule has a sid")).or_insert(0) += 1;
        assert!(rule.contains("classtype:"), "no classtype: {rule}");
    }
    assert!(seen.len() >= 12, "only {} rules", seen.len());
    let double = seen.iter().filter(|(_, times)| **times > 1).map(|(sid, _)| (*sid).to_owned());
    check("numbers given twice", &double.collect::<Vec<_>>());
}

/// Every `bateleur` command line of the documents must be understood by the program, if it has
/// been built: the words before the first option or file name a command that has a help text.
#[test]
fn command_lines_in_documents_exist() {
    let programs = ["release", "debug"].map(|p| root().join("target").join(p).join("bateleur"));
    let Some(program) = programs.iter().find(|p| p.exists()) else { return };
    let mut broken = Vec::new();
    for file in documents() {
        for words in read(&file).lines().filter_map(command_words) {
            let run = Command::new(program).args(&words).arg("--help").output().unwrap();
            if !run.status.success() {
                broken.push(format!("{}: bateleur {}", file.display(), words.join(" ")));
            }
        }
    }
    check("commands that the program does not know", &broken);
}

/// `    bateleur rules check FILE` gives `rules check`; other lines nothing. The words behind
/// `suricata` are Suricata's own and have no help of this kind.
fn command_words(line: &str) -> Option<Vec<String>> {
    let line = line.trim_start().trim_start_matches("$ ");
    let starts = ["bateleur ", "target/release/bateleur "];
    let rest = starts.iter().find_map(|start| line.strip_prefix(start))?;
    let words = rest.split_whitespace().take_while(|w| w.chars().all(|c| c.is_ascii_lowercase()));
    let words: Vec<String> = words.map(str::to_owned).collect();
    words.first().is_some_and(|first| first != "suricata").then_some(words)
}

#[test]
fn command_words_are_found() {
    let words = |line| command_words(line).unwrap_or_default().join(" ");
    assert_eq!(words("    bateleur rules check a.rules"), "rules check");
    assert_eq!(words("$ bateleur replay --workers 2 a.pcap"), "replay");
    assert_eq!(words("bateleur suricata -r a.pcap"), "");
    assert_eq!(words("Bateleur reads frames"), "");
}
