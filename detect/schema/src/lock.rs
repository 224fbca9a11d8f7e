//! What was promised before: the lines of `schema.lock`, and how they may change.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::VERSION;
use crate::event::EVENTS;
use crate::fields::leaves;

/// The promise of today: the version, then type of record, path, type and presence in each line.
pub fn lines() -> String {
    let mut out = format!("version {VERSION}\n");
    for event in EVENTS {
        let mut lines: Vec<String> = leaves(event)
            .iter()
            .map(|leaf| {
                let presence = if leaf.field.always { "always" } else { "optional" };
                format!("{}\t{}\t{}\t{presence}", event.name, leaf.path, leaf.field.kind.name())
            })
            .collect();
        lines.sort();
        for line in lines {
            // Writing to a string can't fail.
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

/// What forbids that `new` takes the place of `old`; nothing if its version says what changed.
pub fn objections(old: &str, new: &str) -> Vec<String> {
    let ([old_major, old_minor], [major, minor]) = (version(old), version(new));
    let (before, after) = (promises(old), promises(new));
    let (mut broken, mut added) = (Vec::new(), Vec::new());
    for (path, was) in &before {
        match after.get(path) {
            None => broken.push(format!("{path} is gone")),
            Some(is) if is.kind != was.kind => {
                broken.push(format!("{path} was {} and is {}", was.kind, is.kind));
            }
            Some(is) if was.always && !is.always => {
                broken.push(format!("{path} was always there and is optional"));
            }
            Some(is) if is.always && !was.always => added.push(format!("{path} is always there")),
            Some(_) => {}
        }
    }
    added.extend(
        after.keys().filter(|path| !before.contains_key(*path)).map(|p| format!("{p} is new")),
    );
    if (major, minor) < (old_major, old_minor) {
        return vec![format!("version {major}.{minor} comes before {old_major}.{old_minor}")];
    }
    if !broken.is_empty() && major == old_major {
        let what = broken.join("\n  ");
        return vec![format!(
            "what readers rely on changes; the first number of VERSION must rise:\n  {what}"
        )];
    }
    if !added.is_empty() && (major, minor) == (old_major, old_minor) {
        let what = added.join("\n  ");
        return vec![format!(
            "there is more than before; the second number of VERSION must rise:\n  {what}"
        )];
    }
    Vec::new()
}

struct Promise {
    kind: String,
    always: bool,
}

fn promises(text: &str) -> BTreeMap<String, Promise> {
    let rows = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter_map(|row| match row[..] {
        [event, path, kind, presence] => {
            let promise = Promise { kind: kind.to_owned(), always: presence == "always" };
            Some((format!("{event} {path}"), promise))
        }
        _ => None,
    })
    .collect()
}

fn version(text: &str) -> [u32; 2] {
    let first = text.lines().next().and_then(|line| line.strip_prefix("version "));
    let mut parts = first.unwrap_or_default().split('.').map(|part| part.parse().unwrap_or(0));
    [parts.next().unwrap_or(0), parts.next().unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::objections;

    #[test]
    fn changes_need_their_version() {
        let lock = |version: &str, lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|line| line.replace(' ', "\t")).collect();
            format!("version {version}\n{}\n", lines.join("\n"))
        };
        let old = lock("1.2", &["http http object always", "http http.status u16 optional"]);
        let check = |version: &str, lines: &[&str], want: &[&str]| {
            let found = objections(&old, &lock(version, lines));
            assert_eq!(found.is_empty(), want.is_empty(), "{version} {lines:?}: {found:?}");
            for part in want {
                assert!(found.iter().any(|text| text.contains(part)), "{part} in {found:?}");
            }
        };
        let (http, status) = ("http http object always", "http http.status u16 optional");
        check("1.2", &[http, status], &[]);
        check(
            "1.2",
            &[http, "http http.status keyword optional"],
            &["was u16 and is keyword", "first"],
        );
        check("1.3", &[http, "http http.status keyword optional"], &["http http.status"]);
        check("2.0", &[http, "http http.status keyword optional"], &[]);
        check("1.3", &[http], &["http http.status is gone"]);
        check("1.3", &["http http object optional", status], &["was always there"]);
        check("1.2", &[http, status, "http x u8 optional"], &["http x is new", "second"]);
        check("1.3", &[http, status, "http x u8 optional"], &[]);
        check("1.2", &[http, "http http.status u16 always"], &["second"]);
        check("1.1", &[http, status], &["comes before"]);
    }
}
