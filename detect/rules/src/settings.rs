//! What a loader is told about the sensor around it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use protocol::AppProto;

use crate::catalogue::Catalogue;
use crate::classification::Classifications;
use crate::reference::References;
use crate::rule::{DatasetType, Pcre};
use crate::variables::Variables;

/// Compiles an expression on trial; the number of its captures, or what is wrong with it.
pub type PatternCheck = fn(&Pcre) -> Result<u32, PatternFault>;

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternFault {
    /// Place in the expression, bytes.
    pub offset: usize,
    /// What the compiler says.
    pub message: String,
}

/// Settings of a loader.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address and port variables.
    pub variables: Variables,
    /// Classes of `classtype`.
    pub classifications: Classifications,
    /// Schemes of `reference`.
    pub references: References,
    /// What protocols offer.
    pub catalogue: Arc<Catalogue>,
    /// Names that `requires: feature` may ask for.
    pub features: BTreeSet<String>,
    /// Version that `requires: version` is compared with.
    pub version: (u32, u32, u32),
    /// Unknown words in `requires` do not skip the rule.
    pub ignore_unknown_requirements: bool,
    /// Inline: `replace` works.
    pub inline: bool,
    /// Files can be stored.
    pub file_store: bool,
    /// A database of countries is there.
    pub geoip: bool,
    /// Categories of reputation, by short name.
    pub reputation_categories: HashMap<String, u8>,
    /// Protocols that are switched off: headers that name them are refused.
    pub disabled_protocols: Vec<AppProto>,
    /// Data sets that the configuration declares.
    pub datasets: Vec<(String, DatasetType)>,
    /// `datasets.rules.allow-absolute-filenames`
    pub dataset_absolute_paths: bool,
    /// `datasets.rules.allow-write`
    pub dataset_write: bool,
    /// Checks expressions at load; none: the engine finds bad ones later.
    pub pattern_check: Option<PatternCheck>,
    /// At most so many `flowbits` options a rule; 0: no bound.
    pub max_flowbits: usize,
}

impl Settings {
    /// Whether texts of rules mean the same under both.
    pub fn reads_as(&self, other: &Self) -> bool {
        let Self {
            variables,
            classifications,
            references,
            catalogue,
            features,
            version,
            ignore_unknown_requirements,
            inline,
            file_store,
            geoip,
            reputation_categories,
            disabled_protocols,
            datasets,
            dataset_absolute_paths,
            dataset_write,
            // Finds fault or not; all that know rules have found none.
            pattern_check: _,
            max_flowbits,
        } = self;
        *variables == other.variables
            && *classifications == other.classifications
            && *references == other.references
            && Arc::ptr_eq(catalogue, &other.catalogue)
            && *features == other.features
            && *version == other.version
            && *ignore_unknown_requirements == other.ignore_unknown_requirements
            && *inline == other.inline
            && *file_store == other.file_store
            && *geoip == other.geoip
            && *reputation_categories == other.reputation_categories
            && *disabled_protocols == other.disabled_protocols
            && *datasets == other.datasets
            && *dataset_absolute_paths == other.dataset_absolute_paths
            && *dataset_write == other.dataset_write
            && *max_flowbits == other.max_flowbits
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            variables: Variables::default(),
            classifications: Classifications::default(),
            references: References::default(),
            catalogue: Arc::new(Catalogue::of_protocols()),
            features: BTreeSet::new(),
            version: (8, 0, 7),
            ignore_unknown_requirements: false,
            inline: false,
            file_store: false,
            geoip: false,
            reputation_categories: HashMap::new(),
            disabled_protocols: Vec::new(),
            datasets: Vec::new(),
            dataset_absolute_paths: false,
            dataset_write: true,
            pattern_check: None,
            max_flowbits: 0,
        }
    }
}
