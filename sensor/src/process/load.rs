//! Rules: files to a ruleset, with everything that was refused on the way.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use engine::content::dataset::{DatasetLimits, Datasets};
use engine::{EngineSettings, Resources, RuleCounts, Ruleset};
use rules::loader::{Failure, Loader, Oddity, Skipped};
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
}

/// Texts of rules with the names of their files.
pub(crate) type Texts = Vec<(String, Arc<Vec<u8>>)>;

/// Reads and compiles rules. Those that take the place of others in a running sensor keep the
/// numbers of their names, and their data sets.
pub(crate) fn load(
    texts: &Texts,
    settings: Settings,
    thresholds: &ThresholdFile,
    engine: EngineSettings,
    limits: DatasetLimits,
    before: Option<&Loaded>,
) -> Loaded {
    let mut loader = match before {
        Some(before) => Loader::with_names(settings, (*before.ruleset.names).clone()),
        None => Loader::new(settings),
    };
    for (file, text) in texts {
        loader.load_shared(file, text);
    }
    let loaded = loader.finish();
    let datasets = match before {
        Some(before) => Arc::clone(&before.datasets),
        None => Arc::new(Datasets::new(limits)),
    };
    let read = |path: &Path| fs::read(path);
    let mut resources = Resources::new(Arc::clone(&datasets), Box::new(read));
    let names = Arc::new(loaded.names);
    let (ruleset, refused) = Ruleset::new(loaded.rules, thresholds, names, engine, &mut resources);
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
    }
}

impl Loaded {
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
