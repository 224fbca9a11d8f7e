//! All fields in one list, by path.

use std::fmt::Write as _;

use crate::event::{EVENTS, Event};
use crate::field::{Field, Kind};

/// A field of a type of record, wherever it stands.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Where: names with dots, `[]` for items of arrays.
    pub path: String,
    /// The field.
    pub field: &'static Field,
}

impl Leaf {
    /// The path as a query has it: items of arrays look like their array.
    pub fn query_path(&self) -> String {
        self.path.replace("[]", "")
    }
}

/// The fields of a type of record, objects before their members.
pub fn leaves(event: &Event) -> Vec<Leaf> {
    let mut found = Vec::new();
    for field in event.fields() {
        collect("", field, &mut found);
    }
    found
}

fn collect(within: &str, field: &'static Field, found: &mut Vec<Leaf>) {
    let path = match within {
        "" => field.name.to_owned(),
        _ => format!("{within}.{}", field.name),
    };
    found.push(Leaf { path: path.clone(), field });
    let within = members_path(path, field.kind);
    for member in inner(field.kind).members() {
        collect(&within, member, found);
    }
}

/// Under which path the members of a field stand.
fn members_path(path: String, kind: Kind) -> String {
    match kind {
        Kind::List(of) => members_path(format!("{path}[]"), *of),
        Kind::Map(of) => members_path(format!("{path}.*"), *of),
        _ => path,
    }
}

/// The kind whose members those of a map or list are.
fn inner(kind: Kind) -> Kind {
    match kind {
        Kind::List(of) | Kind::Map(of) => inner(*of),
        _ => kind,
    }
}

/// The fields as a listing: path, type, whether always there, meaning.
pub fn fields(of: Option<&Event>) -> String {
    let mut out =
        format!("# version {}\n# event_type\tpath\ttype\tpresence\tmeaning\n", crate::VERSION);
    for event in EVENTS.iter().filter(|event| of.is_none_or(|of| of.name == event.name)) {
        for leaf in leaves(event) {
            let presence = if leaf.field.always { "always" } else { "optional" };
            // Writing to a string can't fail.
            let _ = writeln!(
                out,
                "{}\t{}\t{}\t{presence}\t{}",
                event.name,
                leaf.path,
                leaf.field.kind.name(),
                leaf.field.doc
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;

    #[test]
    fn a_path_has_one_type_in_all_records() {
        let mut types: BTreeMap<String, (String, &str)> = BTreeMap::new();
        for event in EVENTS {
            for leaf in leaves(event) {
                let kind = leaf.field.kind.name();
                let (known, first) =
                    types.entry(leaf.path.clone()).or_insert((kind.clone(), event.name));
                assert_eq!(*known, kind, "{} of {} and {first}", leaf.path, event.name);
            }
        }
    }

    #[test]
    fn names_are_given_once_and_explained() {
        for event in EVENTS {
            let mut seen = HashSet::new();
            for leaf in leaves(event) {
                assert!(seen.insert(leaf.path.clone()), "{} of {}", leaf.path, event.name);
                let doc = leaf.field.doc;
                assert!(!doc.is_empty() && !doc.contains(['\t', '\n']), "{}", leaf.path);
            }
        }
        assert!(EVENTS.is_sorted_by_key(|event| event.name));
    }

    #[test]
    fn members_of_lists_and_maps_have_their_place() {
        let paths: Vec<String> = EVENTS.iter().flat_map(leaves).map(|leaf| leaf.path).collect();
        for path in [
            "dns.answers[].soa.serial",
            "alert.files[].sha256",
            "files[].sha256",
            "stats.threads.*.detect.engines[].id",
        ] {
            assert_eq!(paths.iter().any(|p| p == path), path != "alert.files[].sha256", "{path}");
        }
    }
}
