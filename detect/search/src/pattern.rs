//! Patterns as the caller gives them, and as distinct literals with the ids that share them.

/// One byte string to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern<'a> {
    /// The bytes; an empty pattern never matches.
    pub bytes: &'a [u8],
    /// Whether ASCII letters match in either case.
    pub nocase: bool,
    /// The first position of the haystack at which a match may start.
    pub offset: u32,
    /// The position at or before which a match must end; 0 means no limit.
    pub depth: u32,
    /// What is reported; several patterns may share an id.
    pub id: u32,
}

/// Who is told of a match, and where in the haystack the match has to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    /// First allowed start.
    pub(crate) first: u32,
    /// Last allowed end; `u32::MAX` when there is no limit.
    pub(crate) last: u32,
    /// The id to report.
    pub(crate) id: u32,
}

impl Target {
    /// Whether a match may lie anywhere.
    pub(crate) fn is_anywhere(&self) -> bool {
        self.first == 0 && self.last == u32::MAX
    }

    /// Whether a match from `start` to `end` counts.
    pub(crate) fn allows(&self, start: usize, end: usize) -> bool {
        start >= self.first as usize && (self.last == u32::MAX || end <= self.last as usize)
    }
}

/// A distinct byte string with the range of its targets.
#[derive(Clone, Debug)]
pub(crate) struct Literal {
    /// Where its bytes start in the common store.
    pub(crate) start: u32,
    /// How many bytes it has.
    pub(crate) len: u32,
    /// Where its targets start.
    pub(crate) targets: u32,
    /// How many targets it has.
    pub(crate) target_count: u32,
    /// Where the window used by the filter lies in the literal.
    pub(crate) window: u32,
    /// The last position at which a match that interests any target may end.
    pub(crate) last: u32,
    /// Whether ASCII letters match in either case; its bytes are then stored in lower case.
    pub(crate) nocase: bool,
    /// Whether every target takes a match anywhere.
    pub(crate) anywhere: bool,
}

/// The distinct literals of a set in the order of their first appearance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Literals {
    literals: Vec<Literal>,
    bytes: Vec<u8>,
    targets: Vec<Target>,
}

impl Literals {
    /// All literals.
    pub(crate) fn as_slice(&self) -> &[Literal] {
        &self.literals
    }

    /// All literals, to set their windows.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [Literal] {
        &mut self.literals
    }

    /// The bytes of a literal.
    pub(crate) fn bytes(&self, literal: &Literal) -> &[u8] {
        let start = literal.start as usize;
        self.bytes.get(start..start + literal.len as usize).unwrap_or_default()
    }

    /// The targets of a literal.
    pub(crate) fn targets(&self, literal: &Literal) -> &[Target] {
        let start = literal.targets as usize;
        self.targets.get(start..start + literal.target_count as usize).unwrap_or_default()
    }

    /// Whether there is no literal.
    pub(crate) fn is_empty(&self) -> bool {
        self.literals.is_empty()
    }

    /// The last position at which a match of any literal may end.
    pub(crate) fn last(&self) -> u32 {
        self.literals.iter().map(|literal| literal.last).max().unwrap_or(0)
    }

    /// The bytes of heap memory in use.
    pub(crate) fn memory(&self) -> usize {
        self.literals.capacity() * size_of::<Literal>()
            + self.bytes.capacity()
            + self.targets.capacity() * size_of::<Target>()
    }
}

/// Gathers patterns and merges those with the same bytes and the same case rule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gatherer {
    literals: Vec<Literal>,
    bytes: Vec<u8>,
    /// The literal of each target, in the order of arrival.
    owners: Vec<(u32, Target)>,
    /// Open addressing: literal number + 1, 0 where free; the length is a power of two.
    slots: Vec<u32>,
}

impl Gatherer {
    /// Adds a pattern; one that can never match is left out.
    pub(crate) fn add(&mut self, pattern: &Pattern<'_>) {
        let last = if pattern.depth == 0 { u32::MAX } else { pattern.depth };
        let Ok(len) = u32::try_from(pattern.bytes.len()) else {
            return;
        };
        if u64::from(pattern.offset) + u64::from(len) > u64::from(last) {
            return;
        }
        // A case rule without a letter to apply it to is no rule: more patterns become equal.
        let nocase = pattern.nocase && pattern.bytes.iter().any(u8::is_ascii_alphabetic);
        let owner = self.intern(pattern.bytes, nocase);
        self.owners.push((owner, Target { first: pattern.offset, last, id: pattern.id }));
    }

    /// The finished literals, their targets sorted and freed of repetitions.
    pub(crate) fn finish(mut self) -> Literals {
        self.owners.sort_unstable();
        self.owners.dedup();
        let mut targets = Vec::with_capacity(self.owners.len());
        for (owner, target) in self.owners {
            let Some(literal) = self.literals.get_mut(owner as usize) else {
                continue;
            };
            if literal.target_count == 0 {
                literal.targets = targets.len() as u32;
            }
            literal.target_count += 1;
            literal.last = literal.last.max(target.last);
            literal.anywhere &= target.is_anywhere();
            targets.push(target);
        }
        self.literals.shrink_to_fit();
        self.bytes.shrink_to_fit();
        Literals { literals: self.literals, bytes: self.bytes, targets }
    }

    fn intern(&mut self, bytes: &[u8], nocase: bool) -> u32 {
        if (self.literals.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        if nocase {
            self.bytes[start..].make_ascii_lowercase();
        }
        let mask = self.slots.len() - 1;
        let mut slot = hash(&self.bytes[start..], nocase) as usize & mask;
        while self.slots[slot] != 0 {
            let known = &self.literals[self.slots[slot] as usize - 1];
            let from = known.start as usize;
            if known.nocase == nocase
                && self.bytes[from..from + known.len as usize] == self.bytes[start..]
            {
                self.bytes.truncate(start);
                return self.slots[slot] - 1;
            }
            slot = (slot + 1) & mask;
        }
        self.literals.push(Literal {
            start: start as u32,
            len: bytes.len() as u32,
            targets: 0,
            target_count: 0,
            window: 0,
            last: 0,
            nocase,
            anywhere: true,
        });
        self.slots[slot] = self.literals.len() as u32;
        self.slots[slot] - 1
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(64);
        self.slots = vec![0; size];
        for (number, literal) in self.literals.iter().enumerate() {
            let from = literal.start as usize;
            let bytes = &self.bytes[from..from + literal.len as usize];
            let mut slot = hash(bytes, literal.nocase) as usize & (size - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = number as u32 + 1;
        }
    }
}

/// A quick hash of up to the whole string, eight bytes at a time.
fn hash(bytes: &[u8], nocase: bool) -> u32 {
    let mut state = (bytes.len() as u64) << 1 | u64::from(nocase);
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = (state ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        state ^= state >> 29;
    }
    (state >> 32) as u32
}
