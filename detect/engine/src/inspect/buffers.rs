//! Buffers of the transaction at hand, composed and transformed once for all rules.

use decode::Direction;
use protocol::Parser;
use protocol::registry::AnyParser;
use rules::Place;

use crate::content::Data;
use crate::content::transform::Chain;
use crate::pcre::Matcher;
use crate::ruleset::Ruleset;

/// Buffers that are kept for other rules; what is beyond is made each time it is asked for, since
/// to look through the buffers of a message with hundreds of files would take longer.
const MAX_MADE: usize = 64;

/// One buffer that was made.
#[derive(Debug, Clone, Copy)]
struct Made {
    target: u16,
    direction: Direction,
    index: u32,
    start: usize,
    len: usize,
    offset: u64,
    end: bool,
}

/// A worker's buffers.
#[derive(Debug)]
pub struct Buffers {
    chains: Vec<Chain>,
    arena: Vec<u8>,
    made: Vec<Made>,
    scratch: Vec<u8>,
    out: Vec<u8>,
    spare: Vec<u8>,
    matcher: Matcher,
}

/// Which buffer of which transaction.
#[derive(Clone, Copy, Debug)]
pub struct Which {
    /// Transaction.
    pub tx: u64,
    /// Number of the target.
    pub target: u16,
    /// Its direction.
    pub direction: Direction,
    /// Instance.
    pub index: usize,
}

impl Buffers {
    /// For the targets of a ruleset.
    pub fn new(rules: &Ruleset) -> Self {
        Self {
            chains: rules.targets().iter().map(|t| Chain::new(&t.transforms)).collect(),
            arena: Vec::new(),
            made: Vec::new(),
            scratch: Vec::new(),
            out: Vec::new(),
            spare: Vec::new(),
            matcher: Matcher::new(3500, 1500),
        }
    }

    /// Expressions of transforms that were given up at a limit.
    pub const fn exceeded(&self) -> u64 {
        self.matcher.exceeded()
    }

    /// Forgets what was made: another transaction, or new data.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.made.clear();
    }

    /// Gives a buffer to `look`; none when there is no such instance.
    pub fn with<R>(
        &mut self,
        rules: &Ruleset,
        parser: &AnyParser,
        which: Which,
        look: impl FnOnce(&Data<'_>) -> R,
    ) -> Option<R> {
        let index = which.index as u32;
        let known = self.made.iter().find(|m| {
            m.target == which.target && m.direction == which.direction && m.index == index
        });
        if let Some(m) = known.copied() {
            let bytes = self.arena.get(m.start..m.start + m.len).unwrap_or(&[]);
            return Some(look(&Data { bytes, offset: m.offset, end: m.end, ..Data::default() }));
        }
        let Place::Buffer(buffer) = rules.target(which.target)?.place else { return None };
        self.scratch.clear();
        let view =
            parser.buffer(which.tx, buffer, which.direction, which.index, &mut self.scratch)?;
        let (offset, end, len) = (view.offset, view.end, view.bytes.len());
        let chain = self.chains.get(usize::from(which.target));
        let (result, keep) = match chain.filter(|c| !c.is_empty()) {
            Some(chain) => {
                chain.run(view.bytes, &mut self.out, &mut self.spare, &mut self.matcher);
                let data = Data { bytes: &self.out, offset, end, ..Data::default() };
                (look(&data), true)
            }
            None => {
                let data = Data { bytes: view.bytes, offset, end, ..Data::default() };
                (look(&data), false)
            }
        };
        let bytes: &[u8] = if keep { &self.out } else { &self.scratch };
        // Without transforms only what was composed is worth keeping.
        let room = self.made.len() < MAX_MADE;
        if room && !bytes.is_empty() && (keep || bytes.len() == len) {
            let start = self.arena.len();
            self.arena.extend_from_slice(bytes);
            self.made.push(Made {
                target: which.target,
                direction: which.direction,
                index,
                start,
                len: bytes.len(),
                offset,
                end,
            });
        }
        Some(result)
    }

    /// Transforms bytes that are not of a transaction (payload, headers).
    pub fn transform<R>(
        &mut self,
        target: u16,
        data: &Data<'_>,
        look: impl FnOnce(&Data<'_>) -> R,
    ) -> R {
        match self.chains.get(usize::from(target)).filter(|c| !c.is_empty()) {
            Some(chain) => {
                chain.run(data.bytes, &mut self.out, &mut self.spare, &mut self.matcher);
                look(&Data { bytes: &self.out, ..*data })
            }
            None => look(data),
        }
    }
}
