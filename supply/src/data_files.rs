//! Files that rules name: lists of data sets and of hashes. They come along from a rule's source,
//! and the rule names them where they then are.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::selection::Candidate;
use crate::source::{Limits, Taken};

/// Where they are in a set.
const FOLDER: &str = "datasets";

/// Finds the files that enabled rules name, and makes the rules name them in the set's folder;
/// gives the files by their paths there. Files that a source lacks are told in `remarks`.
///
/// # Errors
/// When a file can't be read or is too large.
pub(crate) fn carry(
    rules: &mut [Candidate],
    sources: &[Taken],
    limits: &Limits,
    remarks: &mut Vec<String>,
) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut all = BTreeMap::new();
    for (number, source) in sources.iter().enumerate() {
        let of_source = |one: &Candidate| one.source == number && one.rule.enabled;
        let wanted: BTreeSet<String> = rules
            .iter()
            .filter(|one| of_source(one))
            .flat_map(|one| {
                let named = named(one).into_iter();
                named.flat_map(|(_, name)| source.places_of(&name, &one.file)).collect::<Vec<_>>()
            })
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let found =
            source.data(&wanted, limits).map_err(|why| format!("{}: {why}", source.name))?;
        for one in rules.iter_mut().filter(|one| of_source(one)) {
            // From the last to the first, so that places before stay what they are.
            for (range, name) in named(one).into_iter().rev() {
                let places = source.places_of(&name, &one.file);
                match places.iter().find(|place| found.contains_key(*place)) {
                    Some(place) => {
                        let to = format!("{FOLDER}/{}/{}", source.name, inside(place, &name));
                        one.rule.replace(range, &to);
                        all.insert(to, found.get(place).cloned().unwrap_or_default());
                    }
                    None if !places.is_empty() => remarks.push(format!(
                        "{}: {}:{}: its source has no file {name}",
                        source.name, one.file, one.line
                    )),
                    None => {}
                }
            }
        }
    }
    Ok(all)
}

/// The path in the set: as it is in an archive, without folders of this machine.
fn inside<'a>(place: &'a str, name: &'a str) -> &'a str {
    if place.starts_with('/') || place.starts_with('.') { name } else { place }
}

/// Names of files in a rule, with their places in its text.
fn named(one: &Candidate) -> Vec<(Range<usize>, String)> {
    let mut all = Vec::new();
    for (at, name, value) in one.rule.options() {
        match name {
            "dataset" | "datarep" => {
                let mut from = at;
                for part in value.split(',') {
                    let lead = part.len() - part.trim_start().len();
                    if let Some(file) = part.trim_start().strip_prefix("load")
                        && file.starts_with(char::is_whitespace)
                    {
                        let start = from + lead + 4 + (file.len() - file.trim_start().len());
                        let file = file.trim();
                        all.push((start..start + file.len(), file.to_owned()));
                    }
                    from += part.len() + 1;
                }
            }
            "filemd5" | "filesha1" | "filesha256" => {
                let file = value.trim_start_matches('!').trim_start();
                let start = at + (value.len() - file.len());
                all.push((start..start + file.len(), file.to_owned()));
            }
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::*;
    use crate::rule_line::RuleLine;

    #[test]
    fn files_come_along_and_are_named_where_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("a.rules");
        fs::create_dir(folder.path().join("lists")).unwrap();
        fs::write(folder.path().join("lists/bad.lst"), "evil").unwrap();
        fs::write(folder.path().join("sums"), "00").unwrap();
        let file: Arc<str> = Arc::from(rules.display().to_string());
        let check = |options: &str, expected: &str, files: &[&str], told: usize| {
            let line = format!("alert ip any any -> any any ({options} sid:1;)");
            let rule = RuleLine::parse(&line).unwrap().unwrap();
            let mut all = [Candidate { rule, source: 0, file: Arc::clone(&file), line: 1 }];
            let source = Taken::of_texts("local", &[]);
            let mut remarks = Vec::new();
            let found = carry(&mut all, &[source], &Limits::default(), &mut remarks).unwrap();
            let text = format!("alert ip any any -> any any ({expected} sid:1;)");
            assert_eq!(all[0].rule.text(), text);
            assert_eq!(found.keys().collect::<Vec<_>>(), files, "{options}");
            assert_eq!(remarks.len(), told, "{options}: {remarks:?}");
        };
        check(
            "dataset:isset, bad, type string,  load  lists/bad.lst , memcap 1mb; filemd5:!sums;",
            "dataset:isset, bad, type string,  load  datasets/local/lists/bad.lst , memcap 1mb; filemd5:!datasets/local/sums;",
            &["datasets/local/lists/bad.lst", "datasets/local/sums"],
            0,
        );
        let same = "dataset:isset,x,type md5,load none.lst;";
        check(same, same, &[], 1);
        let outside = "dataset:isset,x,type md5,load /etc/passwd; filemd5:../sums;";
        check(outside, outside, &[], 0);
        let saved = "dataset:set,x,type md5,state here.lst; content:\"load a\";";
        check(saved, saved, &[], 0);
    }
}
