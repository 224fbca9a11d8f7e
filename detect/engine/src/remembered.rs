//! What is kept beyond one flow, for rules: thresholds, bits and tags of hosts.

use flow::hostbits::{HostBits, HostBitsSettings, HostKey};

use crate::ruleset::EngineSettings;
use crate::tag::HostTags;
use crate::threshold::Thresholds;

/// What rules remember beyond one flow.
#[derive(Debug)]
pub struct Remembered {
    /// Counts of matches.
    pub thresholds: Thresholds,
    /// Tags of hosts in force.
    pub host_tags: HostTags,
    /// Bits of hosts.
    hosts: HostBits,
    /// Bits of pairs of hosts.
    pairs: HostBits,
}

impl Remembered {
    /// Empty, with the limits of `settings`.
    pub fn new(settings: &EngineSettings) -> Self {
        let bits = |memcap: usize| {
            let limits = HostBitsSettings { memcap: memcap as u64, ..HostBitsSettings::default() };
            HostBits::new(limits, settings.seed)
        };
        Self {
            thresholds: Thresholds::new(settings.threshold_memcap),
            host_tags: HostTags::default(),
            hosts: bits(settings.host_memcap),
            pairs: bits(settings.pair_memcap),
        }
    }

    /// The table in which the bits of `key` are: hosts and pairs have a limit each.
    pub fn bits(&mut self, key: HostKey) -> &mut HostBits {
        match key {
            HostKey::Host(_) => &mut self.hosts,
            HostKey::Pair(..) => &mut self.pairs,
        }
    }

    /// Bits that were not set for lack of memory: of hosts, and of pairs.
    pub fn refused_bits(&self) -> [u64; 2] {
        [self.hosts.refused(), self.pairs.refused()]
    }
}
