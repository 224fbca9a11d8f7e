//! Sets at a reload: which stay as they are, and which are filled anew from their files.
//!
//! As with Suricata 8, a set that only rules' `load` fills is read again, and one with `save` or
//! `state`, without a file, or of the configuration, stays. Unlike there, what rules have learned
//! into a set with `load` alone is not lost.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use rules::rule::{Dataset, DatasetFormat};

use super::{DataSet, Datasets};
use crate::content::resources::ReadFile;

/// What a set was filled from: a file with these bytes, read in this way. Its path does not count:
/// a new generation of rules has the same files in another folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    length: usize,
    hash: u64,
    format: DatasetFormat,
    value_key: Option<String>,
    array_key: Option<String>,
    remove_key: bool,
}

impl Source {
    pub(super) fn new(spec: &Dataset, bytes: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        Self {
            length: bytes.len(),
            hash: hasher.finish(),
            format: spec.format,
            value_key: spec.value_key.clone(),
            array_key: spec.array_key.clone(),
            remove_key: spec.remove_key,
        }
    }
}

impl Datasets {
    /// For rules that take the place of those which use these sets. Sets that files alone fill are
    /// looked at again when a rule names them, and the others are the same.
    pub fn after(before: &Self) -> Self {
        let sets = before.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let (earlier, kept): (HashMap<_, _>, HashMap<_, _>) = sets
            .iter()
            .map(|(name, set)| (name.clone(), Arc::clone(set)))
            .partition(|(_, set)| set.source.is_some());
        Self {
            limits: before.limits.clone(),
            sets: Mutex::new(kept),
            earlier: Mutex::new(earlier),
            notes: Mutex::default(),
        }
    }

    /// Lets go of sets of earlier rules that no rule has asked for.
    pub fn settle(&self) {
        self.earlier.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The set of this name from earlier rules, when it is to be had from its file as it is, or
    /// when rules have written into it.
    pub(super) fn unchanged(
        &self,
        sets: &HashMap<String, Arc<DataSet>>,
        spec: &Dataset,
        path: &Path,
        read: &ReadFile,
    ) -> Option<Arc<DataSet>> {
        let mut earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        // Without a file, or with one to save, it is another set by now.
        spec.load.as_ref()?;
        if spec.save.is_some() || spec.state.is_some() {
            return None;
        }
        let known = Arc::clone(earlier.get(&spec.name)?);
        if spec.kind != Some(known.kind) {
            return None;
        }
        let size = self.size(sets, spec).ok();
        let source = read(path).map(|bytes| Some(Source::new(spec, &bytes)));
        let is_same = source.as_ref().is_ok_and(|source| *source == known.source)
            && size == Some((known.rows, known.memcap));
        if !is_same && known.written.load(Ordering::Relaxed) {
            let what = source.map_or_else(
                |error| format!("can't be read ({error})"),
                |_| "has changed".to_owned(),
            );
            self.note(format!(
                "dataset {}: {} {what}; rules have written into the set, which stays as it is \
                 until the next start",
                spec.name,
                path.display()
            ));
            earlier.remove(&spec.name);
            return Some(known);
        }
        if is_same {
            earlier.remove(&spec.name);
        }
        is_same.then_some(known)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use rules::rule::{DatasetCommand, DatasetType};

    use super::*;
    use crate::content::dataset::{DatasetLimits, SetUse};

    fn spec(load: &str, command: DatasetCommand) -> Dataset {
        Dataset {
            kind: Some(DatasetType::Ipv4),
            load: Some(load.to_owned()),
            ..Dataset::new("s", command)
        }
    }

    fn open(sets: &Datasets, spec: &Dataset, text: &'static str) -> SetUse {
        let read = move |_: &Path| -> io::Result<Vec<u8>> { Ok(text.as_bytes().to_vec()) };
        sets.open(spec, "a.rules", &read).unwrap()
    }

    #[test]
    fn a_set_of_the_same_bytes_is_the_same_one() {
        let first = Datasets::new(DatasetLimits::default());
        let is = spec("a.lst", DatasetCommand::IsSet);
        let known = open(&first, &is, "10.0.0.1\n").set;
        let check = |spec: &Dataset, text: &'static str, is_same: bool| {
            let after = Datasets::after(&first);
            let found = open(&after, spec, text).set;
            assert_eq!(Arc::ptr_eq(&found, &known), is_same, "{spec:?} {text}");
            after.settle();
            assert!(after.earlier.lock().unwrap().is_empty());
        };
        check(&is, "10.0.0.1\n", true);
        check(&spec("other/a.lst", DatasetCommand::IsSet), "10.0.0.1\n", true);
        check(&is, "10.0.0.2\n", false);
        check(&is, "10.0.0.1\n\n", false);
        check(&Dataset { hashsize: Some(8), ..is.clone() }, "10.0.0.1\n", false);
        check(&Dataset { memcap: Some(1 << 20), ..is.clone() }, "10.0.0.1\n", false);
        check(&Dataset { kind: Some(DatasetType::Ip), ..is.clone() }, "10.0.0.1\n", false);
        check(&Dataset { state: Some("b".into()), load: None, ..is.clone() }, "", false);
        // A rule writes from now on: what it learns stays.
        let writes = spec("a.lst", DatasetCommand::Set);
        check(&writes, "10.0.0.1\n", true);
        check(&writes, "10.0.0.2\n", true);
        // Neither does a file that is away for a moment take it.
        let after = Datasets::after(&first);
        let gone = |_: &Path| -> io::Result<Vec<u8>> { Err(io::ErrorKind::NotFound.into()) };
        let other = Dataset { kind: Some(DatasetType::Ip), ..is.clone() };
        assert!(after.open(&other, "a.rules", &gone).is_err());
        assert!(Arc::ptr_eq(&after.open(&writes, "a.rules", &gone).unwrap().set, &known));
    }

    #[test]
    fn sets_that_no_rule_names_any_more_go_unless_they_are_to_be_saved() {
        let first = Datasets::new(DatasetLimits::default());
        let _ = open(&first, &spec("a.lst", DatasetCommand::IsSet), "10.0.0.1\n");
        let learns = Dataset {
            name: "learned".into(),
            load: None,
            state: Some("learned.lst".into()),
            ..spec("", DatasetCommand::Set)
        };
        let _ = open(&first, &learns, "");
        let after = Datasets::after(&first);
        after.settle();
        let names: Vec<String> = after.sets.lock().unwrap().keys().cloned().collect();
        assert_eq!(names, ["learned"]);
    }
}
