//! A reusable collector that keeps each reported id once.

/// The ids found so far, each once, in the order of their first report.
///
/// Clearing costs as much as there are ids in it, so that one collector serves all searches.
#[derive(Clone, Debug, Default)]
pub struct Hits {
    ids: Vec<u32>,
    seen: Vec<u64>,
}

impl Hits {
    /// An empty collector that grows with the ids it meets.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty collector with room for all ids below `ids`.
    pub fn with_capacity(ids: usize) -> Self {
        Self { ids: Vec::with_capacity(ids), seen: vec![0; ids.div_ceil(64)] }
    }

    /// Notes an id; true if it is new.
    #[inline]
    pub fn insert(&mut self, id: u32) -> bool {
        let word = (id / 64) as usize;
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        let bit = 1 << (id % 64);
        let Some(seen) = self.seen.get_mut(word) else {
            return false;
        };
        let is_new = *seen & bit == 0;
        if is_new {
            *seen |= bit;
            self.ids.push(id);
        }
        is_new
    }

    /// Whether an id was noted.
    #[inline]
    pub fn contains(&self, id: u32) -> bool {
        self.seen.get((id / 64) as usize).is_some_and(|word| word & (1 << (id % 64)) != 0)
    }

    /// The ids noted, in the order of their first report.
    #[inline]
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// How many ids were noted.
    #[inline]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether nothing was noted.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Sorts the ids in ascending order.
    #[inline]
    pub fn sort(&mut self) {
        self.ids.sort_unstable();
    }

    /// Forgets everything but keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        for &id in &self.ids {
            if let Some(word) = self.seen.get_mut((id / 64) as usize) {
                *word = 0;
            }
        }
        self.ids.clear();
    }
}
