//! The transactions of a flow that are kept, by number.

use std::collections::VecDeque;

use super::transaction::Transaction;

/// Freed transactions whose memory is kept.
const SPARES: usize = 2;

/// Transactions by number; the freed ones at the front are forgotten.
#[derive(Default)]
pub(crate) struct Table {
    first: u64,
    kept: VecDeque<Option<Box<Transaction>>>,
    #[allow(clippy::vec_box, reason = "the boxes move into `kept` and back")]
    spares: Vec<Box<Transaction>>,
}

impl Table {
    /// Number of the oldest that is kept.
    pub(crate) const fn first(&self) -> u64 {
        self.first
    }

    /// Number of the next.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    /// How many there are from the oldest that is kept to the newest, freed ones between them
    /// included: so many are walked through on each packet.
    pub(crate) fn span(&self) -> usize {
        self.kept.len()
    }

    fn slot(&self, id: u64) -> Option<usize> {
        usize::try_from(id.checked_sub(self.first)?).ok()
    }

    /// One of them.
    pub(crate) fn get(&self, id: u64) -> Option<&Transaction> {
        self.kept.get(self.slot(id)?)?.as_deref()
    }

    /// One of them, to change.
    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Transaction> {
        let slot = self.slot(id)?;
        self.kept.get_mut(slot)?.as_deref_mut()
    }

    /// Makes a new one; returns its number.
    pub(crate) fn add(&mut self) -> u64 {
        let id = self.next();
        let mut transaction = self.spares.pop().unwrap_or_default();
        transaction.reset(id);
        self.kept.push_back(Some(transaction));
        id
    }

    /// Lets go of one.
    pub(crate) fn free(&mut self, id: u64) {
        let Some(slot) = self.slot(id) else { return };
        let Some(freed) = self.kept.get_mut(slot).and_then(Option::take) else { return };
        if self.spares.len() < SPARES {
            self.spares.push(freed);
        }
        while let Some(None) = self.kept.front() {
            self.kept.pop_front();
            self.first += 1;
        }
    }

    /// All that are kept.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Transaction> {
        self.kept.iter_mut().filter_map(Option::as_deref_mut)
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn numbers_go_on() {
        let mut table = Table::default();
        assert_eq!((table.add(), table.add(), table.add()), (0, 1, 2));
        table.free(1);
        assert_eq!((table.first(), table.span()), (0, 3));
        table.free(0);
        assert_eq!((table.first(), table.next(), table.span()), (2, 3, 1));
        assert_eq!(table.add(), 3);
        assert_eq!(table.get(3).map(|t| t.meta.id), Some(3));
        assert!(table.get(1).is_none());
        table.free(7);
        assert_eq!(table.iter_mut().count(), 2);
    }
}
