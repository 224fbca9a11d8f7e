//! What rules share at load: expressions, data sets, and a way to read files.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rules::Rule;
use rules::error::RuleError;
use rules::rule::Pcre;

use crate::content::dataset::{DatasetLimits, Datasets, SetUse, load_path, unhex};
use crate::pcre::{Regex, RegexOptions};

/// Reads a file that a rule names; given by the program, since the engine itself does no I/O.
pub type ReadFile = dyn Fn(&Path) -> std::io::Result<Vec<u8>>;

/// Resources of a load of rules.
pub struct Resources {
    regexes: HashMap<(Vec<u8>, RegexOptions), Arc<Regex>>,
    datasets: Arc<Datasets>,
    read: Box<ReadFile>,
}

impl std::fmt::Debug for Resources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resources").field("regexes", &self.regexes.len()).finish_non_exhaustive()
    }
}

impl Resources {
    /// With data sets and a way to read files.
    pub fn new(datasets: Arc<Datasets>, read: Box<ReadFile>) -> Self {
        datasets.open_declared(read.as_ref());
        Self { regexes: HashMap::new(), datasets, read }
    }

    /// Without files and with default limits; rules that load sets are refused.
    pub fn without_files() -> Self {
        let refuse = |_: &Path| Err(std::io::Error::other("files can't be read here"));
        Self::new(Arc::new(Datasets::new(DatasetLimits::default())), Box::new(refuse))
    }

    /// The data sets.
    pub fn datasets(&self) -> Arc<Datasets> {
        Arc::clone(&self.datasets)
    }

    /// The compiled form of an expression; equal ones are shared.
    pub(super) fn regex(&mut self, pcre: &Pcre, rule: &Rule) -> Result<Arc<Regex>, RuleError> {
        let options = RegexOptions::of(pcre);
        let key = (pcre.pattern.clone(), options);
        if let Some(known) = self.regexes.get(&key) {
            return Ok(Arc::clone(known));
        }
        let regex = Regex::compile(&pcre.pattern, options).map_err(|e| {
            RuleError::new(format!(
                "pcre2 compile of \"{}\" failed at offset {}: {}",
                String::from_utf8_lossy(&pcre.pattern),
                e.offset,
                e.message
            ))
            .module("detect-pcre")
            .at(rule.header_span)
        })?;
        let regex = Arc::new(regex.optimized());
        self.regexes.insert(key, Arc::clone(&regex));
        Ok(regex)
    }

    /// The digests of a list file: one in hexadecimal a line, other text ignored.
    pub(crate) fn digests(
        &self,
        list: &str,
        rule: &Rule,
    ) -> Result<std::collections::HashSet<Vec<u8>>, RuleError> {
        let path = load_path(list, &rule.file);
        let text = (self.read)(&path).map_err(|e| {
            RuleError::new(format!("opening hash file {}: {e}", path.display()))
                .module("detect-filehash")
                .at(rule.header_span)
        })?;
        let lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_start);
        Ok(lines
            .filter_map(|line| {
                let end = line.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(line.len());
                unhex(&line[..end]).filter(|d| matches!(d.len(), 16 | 20 | 32))
            })
            .collect())
    }

    pub(super) fn dataset(&mut self, index: u16, rule: &Rule) -> Result<Arc<SetUse>, RuleError> {
        let refuse = |m: String| RuleError::new(m).module("detect-dataset").at(rule.header_span);
        let Some(spec) = rule.datasets.get(usize::from(index)) else {
            return Err(refuse("unknown dataset".to_owned()));
        };
        self.datasets
            .open(spec, &rule.file, self.read.as_ref())
            .map(Arc::new)
            .map_err(|e| refuse(e.to_string()))
    }
}
