//! What the engine keeps with each transaction.

use smallvec::SmallVec;

/// How far one rule got on one transaction in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleState {
    /// Index of the rule in its ruleset.
    pub rule: u32,
    /// Bit n: the n-th buffer of the rule matched already.
    pub matched: u32,
    /// Matched as a whole, or can't match any more.
    pub finished: bool,
}

/// State that is common to transactions of all protocols.
#[derive(Clone, Debug, Default)]
pub struct TxMeta {
    /// Number within the flow, from 0; `tx_id` in EVE.
    pub id: u64,
    /// Protocol events (numbers of the protocol's event table), in order.
    pub events: SmallVec<[u8; 6]>,
    /// How many of them were reported as anomaly records already.
    pub events_reported: u8,
    /// The protocol record was written.
    pub logged: bool,
    /// A rule switched the protocol record off.
    pub log_disabled: bool,
    /// New data since the engine looked last, by direction.
    pub updated: [bool; 2],
    /// The engine is through with it, by direction.
    pub inspected: [bool; 2],
    /// Progress up to which the prefilter was run, by direction (0: nothing yet, n: states below n).
    pub prefiltered: [u8; 2],
    /// Rules that are under way or finished on it, by direction.
    pub rules: [Vec<RuleState>; 2],
    /// Alerts of packet and stream rules that showed this transaction.
    pub guessed_logs: u8,
    /// Files that it opens from now on are to be stored (`filestore` with scope `tx`), by
    /// direction.
    pub store_files: [bool; 2],
    /// `xbits:..., track tx` that are set.
    pub bits: SmallVec<[u32; 2]>,
}

impl TxMeta {
    /// A new transaction.
    pub fn new(id: u64) -> Self {
        Self { id, updated: [true; 2], ..Self::default() }
    }

    /// Adds a protocol event; one that happens again counts again.
    pub fn set_event(&mut self, event: u8) {
        if self.events.len() < 64 {
            self.events.push(event);
        }
    }
}
