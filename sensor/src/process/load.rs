//! Rules: files to a ruleset, with everything that was refused on the way.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use engine::content::dataset::{DatasetLimits, Datasets};
use engine::{EngineSettings, Resources, RuleCounts, Ruleset};
use protocol::AppProto;
use rules::Known;
use rules::loader::{Failure, Loader, Oddity, Skipped};
use rules::rule::Rule;
use rules::settings::Settings;
use rules::threshold::ThresholdFile;

/// Rules that are ready, and those that are not.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// To run.
    pub(crate) ruleset: Arc<Ruleset>,
    /// Rules accepted, replaced ones counted too.
    pub(crate) accepted: usize,
    /// Refused rules, in the order of files and lines.
    pub(crate) failures: Vec<Failure>,
    /// Rules for other sensors.
    pub(crate) skipped: Vec<Skipped>,
    /// Oddities of accepted rules.
    pub(crate) warnings: Vec<Oddity>,
    /// Data sets, some of which are saved at the end.
    pub(crate) datasets: Arc<Datasets>,
    /// What is said once they are in force.
    pub(crate) remarks: Vec<String>,
    /// How texts of rules were read.
    pub(crate) settings: Settings,
    /// Keys of the configuration that have changed and wait for a restart.
    pub(crate) pending: Vec<String>,
    /// The set of a store that they are of, if they are of one.
    pub(crate) set: Option<RuleSet>,
}

/// A set of rules as a manifest beside its file names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleSet {
    /// By which it is known everywhere.
    pub(crate) bundle: String,
    /// As its manifest has it.
    pub(crate) version: u64,
}

/// Refused rules that are named one by one.
const MOST_NAMED: usize = 10;

/// Numbers of places to look in are taken over as well, those of rules long gone too. With so many,
/// of some 65,000, they are given anew.
const MOST_TARGETS: usize = 16_384;

/// Texts of rules with the names of their files.
pub(crate) type Texts = Vec<(String, Arc<Vec<u8>>)>;

/// Reads and compiles rules. Those that take the place of others in a running sensor keep the
/// numbers of their names, and their data sets but those whose files have changed.
pub(crate) fn load(
    texts: &Texts,
    settings: Settings,
    thresholds: &ThresholdFile,
    engine: EngineSettings,
    limits: DatasetLimits,
    before: Option<&Loaded>,
) -> Loaded {
    let known = before.map_or_else(Known::default, |before| before.known(&settings, &engine));
    let mut loader = Loader::taking_over(settings.clone(), known);
    for (file, text) in texts {
        loader.load_shared(file, text);
    }
    let loaded = loader.finish();
    let datasets = match before {
        Some(before) => Arc::new(Datasets::after(&before.datasets)),
        None => Arc::new(Datasets::new(limits)),
    };
    let read = |path: &Path| fs::read(path);
    let mut resources = Resources::new(Arc::clone(&datasets), Box::new(read));
    let names = Arc::new(loaded.names);
    let unchanged = before.map(|before| before.ruleset.unchanged(&loaded.kept)).unwrap_or_default();
    let (ruleset, refused) =
        Ruleset::taking_over(&unchanged, loaded.rules, thresholds, names, engine, &mut resources);
    datasets.settle();
    let mut failures = loaded.failures;
    let accepted = loaded.accepted.saturating_sub(refused.len());
    failures.extend(refused.into_iter().map(|refused| Failure {
        file: Arc::clone(&refused.rule.file),
        line: refused.rule.line,
        text: refused.rule.text.to_string(),
        error: refused.error,
        warnings: Vec::new(),
    }));
    tracing::debug!(accepted, refused = failures.len(), "rules are loaded");
    // The order of files is that of their names in `texts`, not of the alphabet.
    let place = |file: &str| texts.iter().position(|(name, _)| name == file);
    failures.sort_by_cached_key(|failure| (place(&failure.file), failure.line));
    Loaded {
        ruleset: Arc::new(ruleset),
        accepted,
        failures,
        skipped: loaded.skipped,
        warnings: loaded.warnings,
        datasets,
        remarks: Vec::new(),
        settings,
        pending: Vec::new(),
        set: set_of(texts),
    }
}

/// The set of the first file that is of one: a sensor has one store.
fn set_of(texts: &Texts) -> Option<RuleSet> {
    let of = |(name, text): &(String, Arc<Vec<u8>>)| {
        let (hash, manifest) = supply::in_force::set_of(Path::new(name), text)?;
        Some(RuleSet { bundle: hash.to_string(), version: manifest.version })
    };
    texts.iter().find_map(of)
}

impl Loaded {
    /// What rules that take the place of these can take over: what has not changed need not be read
    /// and kept twice.
    fn known(&self, settings: &Settings, engine: &EngineSettings) -> Known {
        let names = (*self.ruleset.names).clone();
        let is_alike = self.settings.reads_as(settings)
            && self.ruleset.settings.action_order == engine.action_order
            && self.ruleset.targets().len() < MOST_TARGETS;
        match is_alike {
            true => Known::new(names, self.ruleset.rules().iter().map(|rule| &rule.rule)),
            false => Known::names(names),
        }
    }

    /// Names the first of the refused rules, each with its place and the reason, and says how many
    /// there are; nothing if none was refused.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let refused = self.failures.len();
        let mut lines: Vec<String> = self.failures.iter().take(MOST_NAMED).map(complaint).collect();
        if refused > 0 {
            let rules = if refused == 1 { "rule was" } else { "rules were" };
            let further = refused.saturating_sub(MOST_NAMED);
            lines.push(match further {
                0 => format!("{refused} {rules} refused; `bateleur rules check` shows where"),
                _ => format!(
                    "{refused} {rules} refused, {further} more than these; `bateleur rules check` \
                     names all"
                ),
            });
        }
        lines
    }

    /// Rules that never fire, since they ask for parts of protocols that have no parser: in the
    /// order of files' names and of lines, with the reason.
    pub(crate) fn dead(&self) -> Vec<(&Rule, String)> {
        let of = |rule: &'_ Rule| match rule.without_parser() {
            [] => None,
            protocols => Some(format!(
                "never fires: this version has no parser for {}",
                names_of(protocols.iter().copied())
            )),
        };
        let rules = self.ruleset.rules().iter().filter(|one| !one.reversed).map(|one| &*one.rule);
        let mut dead: Vec<(&Rule, String)> =
            rules.filter_map(|rule| of(rule).map(|why| (rule, why))).collect();
        dead.sort_by(|(one, _), (other, _)| (&one.file, one.line).cmp(&(&other.file, other.line)));
        dead
    }

    /// How many rules never fire and why, in a line; nothing if all can.
    pub(crate) fn dead_in_short(&self) -> Option<String> {
        let rules = self.ruleset.rules().iter().filter(|one| !one.reversed);
        let rules = rules.map(|one| one.rule.without_parser());
        let dead: Vec<&[AppProto]> = rules.filter(|missing| !missing.is_empty()).collect();
        let missing: BTreeSet<AppProto> =
            dead.iter().flat_map(|some| some.iter()).copied().collect();
        let rules = if dead.len() == 1 { "rule never fires" } else { "rules never fire" };
        (!dead.is_empty()).then(|| {
            format!(
                "{} {rules}: this version has no parser for {}; `bateleur rules check` names them",
                dead.len(),
                names_of(missing.into_iter())
            )
        })
    }

    /// The first refused rule of a file of which every rule was refused, and how many there are.
    pub(crate) fn wholly_refused(&self, file: &str, text: &[u8]) -> Option<(&Failure, usize)> {
        let mut refused = self.failures.iter().filter(|failure| &*failure.file == file);
        let first = refused.next()?;
        let count = 1 + refused.count();
        (count >= rules_in(text)).then_some((first, count))
    }

    /// Counts of rules by kind.
    pub(crate) fn counts(&self) -> RuleCounts {
        self.ruleset.counts
    }

    /// Writes the data sets that are kept.
    ///
    /// # Errors
    /// With the first file that could not be written.
    pub(crate) fn save_datasets(&self) -> Result<(), (String, io::Error)> {
        let mut saved = Ok(());
        for (path, bytes) in self.datasets.to_save() {
            // One that cannot be written does not keep the others from being.
            let written = fs::write(&path, bytes);
            saved = saved.and(written.map_err(|error| (path.display().to_string(), error)));
        }
        saved
    }
}

fn names_of(protocols: impl Iterator<Item = AppProto>) -> String {
    protocols.map(AppProto::name).collect::<Vec<_>>().join(", ")
}

/// As `rules check` has it.
pub(crate) fn complaint(failure: &Failure) -> String {
    let Failure { file, line, error, .. } = failure;
    format!("{file}:{line}:{}: {}", failure.column(), error.message)
}

/// Lines that begin a rule: neither empty nor a comment, nor the rest of the line before.
fn rules_in(text: &[u8]) -> usize {
    let mut goes_on = false;
    let begins = |line: &&[u8]| {
        let line = line.trim_ascii();
        let begins = !goes_on && !line.is_empty() && !line.starts_with(b"#");
        goes_on = line.ends_with(b"\\") && (goes_on || begins);
        begins
    };
    text.split(|byte| *byte == b'\n').filter(begins).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Loaded {
        let texts = vec![("a.rules".to_owned(), Arc::new(text.as_bytes().to_vec()))];
        load(
            &texts,
            Settings::default(),
            &ThresholdFile::default(),
            EngineSettings::default(),
            DatasetLimits::default(),
            None,
        )
    }

    #[test]
    fn refused_rules_are_named_up_to_a_number() {
        let check = |bad: usize, lines: usize, last: &str| {
            let complaints = loaded(&"alert nonsense\n".repeat(bad)).complaints();
            assert_eq!(complaints.len(), lines, "{complaints:?}");
            assert!(complaints.last().is_none_or(|line| line.contains(last)), "{complaints:?}");
            assert!(complaints.first().is_none_or(|line| line.starts_with("a.rules:1:")));
        };
        check(0, 0, "");
        check(1, 2, "1 rule was refused");
        check(10, 11, "10 rules were refused;");
        check(13, 11, "13 rules were refused, 3 more than these");
    }

    #[test]
    fn files_without_a_good_rule_are_found() {
        let good = "alert ip any any -> any any (sid:1;)\n";
        let check = |text: &str, expected: Option<usize>| {
            let loaded = loaded(text);
            let found = loaded.wholly_refused("a.rules", text.as_bytes());
            assert_eq!(found.map(|(_, count)| count), expected, "{text}");
        };
        check("alert nonsense\n# comment\n\nalert more\n", Some(2));
        check("alert \\\n nonsense\n", Some(1));
        check(&format!("alert nonsense\n{good}"), None);
        check(good, None);
        check("# nothing\n", None);
        // What took the place of another was accepted.
        check(&format!("{good}{good}alert nonsense\n"), None);
    }
}
