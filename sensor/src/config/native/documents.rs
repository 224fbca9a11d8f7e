//! What the documents show as parts of a `sensor.yaml` is one: no key that is not there any more.

use std::fs;
use std::path::{Path, PathBuf};

use super::document::{Document, Kind};
use super::{Finding, inspect, schema};

/// Kinds of sinks and sections that a program may be built without.
const OPTIONS: [&str; 3] = ["kafka", "otel", "parquet"];

/// A piece of text that is set off from the rest.
struct Block {
    /// Counted from 1, of its first line.
    line: usize,
    text: String,
    /// It says of itself that it is YAML.
    is_yaml: bool,
}

/// Blocks between fences, and those that four blanks set off.
fn blocks(page: &str) -> Vec<Block> {
    let mut all: Vec<Block> = Vec::new();
    let mut fence: Option<Block> = None;
    let mut is_open = false;
    for (number, line) in (1..).zip(page.lines()) {
        let word = line.trim_start().strip_prefix("```");
        match (&mut fence, word) {
            (Some(_), Some(_)) => all.extend(fence.take()),
            (Some(block), None) => block.text.push_str(&format!("{line}\n")),
            (None, Some(word)) => {
                let is_yaml = matches!(word.trim(), "yaml" | "yml");
                fence = Some(Block { line: number + 1, text: String::new(), is_yaml });
                is_open = false;
            }
            (None, None) => match line.strip_prefix("    ") {
                Some(line) => {
                    if !is_open {
                        all.push(Block { line: number, text: String::new(), is_yaml: false });
                    }
                    is_open = true;
                    if let Some(block) = all.last_mut() {
                        block.text.push_str(&format!("{line}\n"));
                    }
                }
                None => is_open = false,
            },
        }
    }
    all
}

/// A part of a configuration as a whole one; none where it is none, or not of this program.
fn whole(block: &Block) -> Option<String> {
    let root = match Document::of(&block.text, "") {
        Ok(document) => document.root,
        Err(why) if block.is_yaml => panic!("line {}: {why}", block.line),
        Err(_) => None,
    }?;
    let Kind::Map(pairs) = &root.kind else {
        assert!(!block.is_yaml, "line {}: it is no map", block.line);
        return None;
    };
    // The schema has this key also where the program has not.
    if cfg!(not(feature = "otel")) && pairs.iter().any(|(key, _)| key == "otel") {
        return None;
    }
    let all = schema::schema();
    let sink = all.pointer("/properties/events/properties/sinks/items").unwrap();
    let (sections, kinds) = (schema::keys(all), schema::keys(sink));
    let are_of = |known: &[&str]| {
        pairs.iter().all(|(key, _)| known.contains(&key.as_str()) || OPTIONS.contains(&&**key))
    };
    let is_built = |known: &[&str]| pairs.iter().all(|(key, _)| known.contains(&key.as_str()));
    if are_of(&sections) && is_built(&sections) {
        return Some(block.text.clone());
    }
    if are_of(&kinds) && is_built(&kinds) {
        let lines = block.text.lines().map(|line| format!("      {line}\n"));
        return Some(format!("events:\n  sinks:\n    -\n{}", lines.collect::<String>()));
    }
    let is_option = are_of(&sections) || are_of(&kinds);
    assert!(is_option || !block.is_yaml, "line {}: {} are no keys", block.line, block.text);
    None
}

/// What is wrong with the parts on a page, and how many there are.
fn mistakes(page: &str) -> (Vec<String>, usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sensor.yaml");
    let (mut found, mut count) = (Vec::new(), 0);
    for block in blocks(page) {
        let Some(text) = whole(&block) else { continue };
        fs::write(&path, &text).unwrap();
        count += 1;
        let looked = inspect(Some(&path), &[], folder.path(), &|_| Vec::new());
        // Parts that were left out of this program have their own tests.
        if looked.findings.iter().any(|one| one.message.contains("this program was built without"))
        {
            continue;
        }
        // A part shows what it is about, and no sinks beside it.
        let is_meant = |one: &&Finding| !one.message.ends_with("needs a sink in events.sinks");
        found.extend(
            looked
                .findings
                .iter()
                .filter(is_meant)
                .map(|one| format!("{}: {}", block.line, one.message)),
        );
    }
    (found, count)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

#[test]
fn parts_of_configurations_in_the_documents_are_good() {
    let mut all = 0;
    for page in fs::read_dir(folder()).unwrap().map(|page| page.unwrap().path()) {
        // What is there is of the chart's values, which have keys of the same names.
        let is_of_chart = page.ends_with("kubernetes.md");
        if !is_of_chart && page.extension().is_some_and(|kind| kind == "md") {
            let (found, count) = mistakes(&fs::read_to_string(&page).unwrap());
            assert!(found.is_empty(), "{}: {found:#?}", page.display());
            all += count;
        }
    }
    assert!(all >= 10, "only {all} were found");
}

#[test]
fn a_page_with_a_mistake_is_found() {
    let check = |page: &str, expected: &[&str]| {
        let (found, count) = mistakes(page);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert!(count > 0);
        for (line, part) in found.iter().zip(expected) {
            assert!(line.contains(part), "{part} in {line}");
        }
    };
    check("# A\n\n```yaml\nevents: {fil: a}\n```\n", &["4: `fil` is no key here"]);
    check("a\n\n    checksums: maybe\n\nb\n", &["3: `maybe` is not possible here"]);
    check("```yaml\nredis: {server: \"a:1\"}\n```\n", &[]);
    check("```yaml\nredis: {sever: \"a:1\"}\n```\n", &["`sever` is no key here"]);
}

/// Variables as a shell has them: in one pair of quotes, or in none.
#[test]
fn variables_in_the_documents_are_good() {
    let page = fs::read_to_string(folder().join("configuration.md")).unwrap();
    let variables: Vec<(String, String)> = page
        .lines()
        .filter_map(|line| line.strip_prefix("BATELEUR__")?.split_once('='))
        .map(|(name, value)| (format!("BATELEUR__{name}"), value.trim_matches('\'').to_owned()))
        .collect();
    assert!(variables.len() >= 6, "{variables:?}");
    let looked = inspect(None, &variables, Path::new("/out"), &|_| Vec::new());
    assert!(looked.findings.is_empty(), "{:#?}", looked.findings);
    let effective = looked.sensor.unwrap().effective();
    assert_eq!(effective.word("capture.interfaces").as_deref(), Some("[eth1, eth2]"));
    assert_eq!(
        effective.place("events.sinks.0.redis.server"),
        "environment variable \
         BATELEUR__EVENTS__SINKS__0__REDIS__SERVER"
    );
}
