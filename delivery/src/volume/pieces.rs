//! Records that stay, in batches that are numbered without holes.

use crate::record::Batch;

/// Batches that grow record by record.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    batches: Vec<Batch>,
    /// The number behind the last record.
    next: u64,
}

impl Pieces {
    /// Begins with what is already numbered without holes.
    pub(super) fn beginning(worker: u16, first: u64, count: u64, bytes: &[u8]) -> Self {
        if count == 0 {
            return Self::default();
        }
        let batches = vec![Batch { worker, first, bytes: bytes.to_vec() }];
        Self { batches, next: first + count }
    }

    /// Adds a record, which comes in parts, without its line end.
    pub(super) fn push(&mut self, worker: u16, sequence: u64, parts: &[&[u8]]) {
        let last = self.batches.last_mut();
        let follows = last.filter(|last| last.worker == worker && self.next == sequence);
        let bytes = match follows {
            Some(last) => &mut last.bytes,
            None => {
                let size = parts.iter().map(|part| part.len()).sum::<usize>() + 1;
                let bytes = Vec::with_capacity(size);
                self.batches.push(Batch { worker, first: sequence, bytes });
                let Some(last) = self.batches.last_mut() else { return };
                &mut last.bytes
            }
        };
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        bytes.push(b'\n');
        self.next = sequence.wrapping_add(1);
    }

    /// The batches.
    pub(super) fn into_batches(self) -> Vec<Batch> {
        self.batches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_begin_batches() {
        let mut pieces = Pieces::beginning(1, 5, 2, b"a\nb\n");
        for (worker, sequence) in [(1, 7), (1, 9), (2, 10), (2, 11), (1, 10)] {
            pieces.push(worker, sequence, &[b"c", b"d"]);
        }
        let batches = pieces.into_batches();
        let shown: Vec<_> = batches.iter().map(|b| (b.worker, b.first, b.count())).collect();
        assert_eq!(shown, [(1, 5, 3), (1, 9, 1), (2, 10, 2), (1, 10, 1)]);
        assert_eq!(batches[0].bytes, b"a\nb\ncd\n");
        let none = Pieces::beginning(1, 5, 0, b"");
        assert!(none.into_batches().is_empty());
    }
}
