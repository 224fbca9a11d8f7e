//! Thresholds of rules: those that a stored set brings along, then the file of the configuration.
//!
//! Both hold. Where both say how often one rule alerts, the later word counts, which is the
//! configuration's; what either suppresses is suppressed.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use ::rules::threshold::ThresholdFile;
use ::rules::variables::Variables;
use anyhow::{Context, Result, bail};

use crate::config::process::{RuleSources, RuleStore};

/// The file of a set.
const OF_SET: &str = "threshold.config";

/// All entries, in order; `set` is the folder of a stored set.
///
/// # Errors
/// When a file can't be read, or a line of the configuration's own file can't be used. A set with
/// such a line is refused when it is tested; one that is in use already loses this line alone,
/// since variables in it may have changed here.
pub(super) fn entries(
    sources: &RuleSources,
    set: Option<&Path>,
    variables: &Variables,
) -> Result<ThresholdFile> {
    let is_test = matches!(sources.store, Some(RuleStore::Set(_)));
    let mut all = match set {
        Some(folder) => of_set(&folder.join(OF_SET), variables, is_test)?,
        None => ThresholdFile::default(),
    };
    let Some(path) = &sources.threshold else { return Ok(all) };
    let name = path.display().to_string();
    let place = sources.places.get(&name).map(|place| format!("{place}: ")).unwrap_or_default();
    let bytes = fs::read(path).with_context(|| format!("{place}{name}: cannot be read"))?;
    let (own, bad) = ThresholdFile::parse(&String::from_utf8_lossy(&bytes), variables);
    if let Some(bad) = bad.first() {
        bail!("{name}:{}: {}", bad.line, bad.message);
    }
    all.entries.extend(own.of_file(&name).entries);
    Ok(all)
}

fn of_set(path: &Path, variables: &Variables, is_test: bool) -> Result<ThresholdFile> {
    let name = path.display().to_string();
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(ThresholdFile::default()),
        read => read.with_context(|| format!("{name}: cannot be read"))?,
    };
    let (entries, bad) = ThresholdFile::parse(&String::from_utf8_lossy(&bytes), variables);
    for bad in bad {
        let said = format!("{name}:{}: {}", bad.line, bad.message);
        if is_test {
            bail!(said);
        }
        tracing::warn!("{said}; this line is left out");
    }
    Ok(entries.of_file(&name))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use ::rules::threshold::{EntryKind, ThresholdEntry};

    use super::*;

    struct Stage {
        folder: tempfile::TempDir,
        sources: RuleSources,
    }

    impl Stage {
        fn new(of_set: Option<&str>, own: Option<&str>, is_test: bool) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let set = folder.path().join("set");
            fs::create_dir(&set).unwrap();
            let write = |path: PathBuf, text: &str| {
                fs::write(&path, text).unwrap();
                path
            };
            if let Some(text) = of_set {
                write(set.join(OF_SET), text);
            }
            let threshold = own.map(|text| write(folder.path().join("own.config"), text));
            let store = match is_test {
                true => RuleStore::Set(set),
                false => RuleStore::Current(folder.path().to_path_buf()),
            };
            let sources = RuleSources { threshold, store: Some(store), ..RuleSources::default() };
            Self { folder, sources }
        }

        fn entries(&self) -> Result<Vec<ThresholdEntry>, String> {
            let set = self.folder.path().join("set");
            entries(&self.sources, Some(&set), &Variables::default())
                .map(|file| file.entries)
                .map_err(|error| format!("{error:#}"))
        }
    }

    const SUPPRESS: &str = "suppress gen_id 1, sig_id 1\n";
    const LIMIT: &str =
        "# ours\nthreshold gen_id 1, sig_id 2, type limit, track by_src, count 1, seconds 60\n";

    #[test]
    fn the_sets_come_first_and_the_configurations_have_the_last_word() {
        let found = Stage::new(Some(SUPPRESS), Some(LIMIT), false).entries().unwrap();
        let seen: Vec<(u32, u32, bool)> = found
            .iter()
            .map(|entry| (entry.sid, entry.line, matches!(entry.entry, EntryKind::Suppress(None))))
            .collect();
        assert_eq!(seen, [(1, 1, true), (2, 2, false)]);
        let file = |at: usize| found[at].file.as_deref().unwrap();
        assert!(file(0).ends_with("set/threshold.config"), "{}", file(0));
        assert!(file(1).ends_with("own.config"), "{}", file(1));
        assert!(Stage::new(None, None, false).entries().unwrap().is_empty());
    }

    #[test]
    fn bad_lines_refuse_a_set_under_test_and_are_left_out_of_one_in_use() {
        let bad = format!("nonsense\n{SUPPRESS}");
        let said = Stage::new(Some(&bad), None, true).entries().unwrap_err();
        assert!(said.contains("set/threshold.config:1: "), "{said}");
        assert_eq!(Stage::new(Some(&bad), None, false).entries().unwrap().len(), 1);
        let said = Stage::new(Some(SUPPRESS), Some(&bad), false).entries().unwrap_err();
        assert!(said.contains("own.config:1: "), "{said}");
    }
}
