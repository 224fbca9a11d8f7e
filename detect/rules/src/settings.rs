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
