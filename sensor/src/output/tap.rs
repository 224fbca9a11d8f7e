//! Where the records of an output leave for delivery, numbered by worker.

use std::time::Instant;

use delivery::Delivery;
use delivery::queue::Queue;
use delivery::record::{Batch, process_on, worker_on};
use detect::output::Records;

/// What becomes of records that find the queue full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// They wait: a replay has time.
    Waits,
    /// They are shed and counted, alerts last.
    NeverWaits,
}

/// Takes the records of one output.
#[derive(Debug)]
pub(crate) struct Tap {
    pace: Pace,
    output: usize,
    /// What tells its records from those of other outputs.
    channel: u16,
    queue: Queue,
    /// Number of the next record of each worker.
    next: Vec<u64>,
    /// Number of the next record of the process itself.
    own: u64,
}

impl Tap {
    /// Of an output on its channel, for so many workers.
    pub(crate) fn new(
        delivery: &Delivery,
        output: usize,
        channel: u16,
        workers: usize,
        pace: Pace,
    ) -> Self {
        let first = |worker| delivery.first_sequence(worker_on(channel, worker as u16));
        Self {
            pace,
            output,
            channel,
            queue: delivery.queue(),
            next: (0..workers.max(1)).map(first).collect(),
            own: delivery.first_sequence(process_on(channel)),
        }
    }

    /// The output whose records it takes.
    pub(crate) fn output(&self) -> usize {
        self.output
    }

    /// Takes records of a worker of a replay, which waits when the queue is full.
    pub(crate) fn take(&mut self, worker: usize, records: &Records) {
        let Some(next) = self.next.get_mut(worker) else { return };
        let mut bytes = self.queue.buffer();
        bytes.extend_from_slice(&records.bytes);
        let worker = worker_on(self.channel, worker as u16);
        let batch = Batch { worker, first: *next, bytes };
        *next += records.count;
        self.queue.offer_waiting(batch);
    }

    /// Takes a record of the process itself.
    pub(crate) fn take_own(&mut self, line: &[u8]) {
        let batch =
            Batch { worker: process_on(self.channel), first: self.own, bytes: line.to_vec() };
        self.own += batch.count();
        match self.pace {
            Pace::Waits => self.queue.offer_waiting(batch),
            Pace::NeverWaits => self.queue.offer(batch),
        }
    }

    /// The part of a worker of live capture, which never waits. `keep`: the records are also
    /// written to a file.
    pub(crate) fn of_worker(&self, worker: usize, keep: bool) -> WorkerTap {
        let next = self.next.get(worker).copied().unwrap_or_default();
        WorkerTap {
            output: self.output,
            queue: self.queue.clone(),
            worker: worker_on(self.channel, worker as u16),
            next,
            keep,
            seen: (0, 0),
        }
    }
}

/// Takes the records of one worker of live capture.
#[derive(Debug)]
pub(crate) struct WorkerTap {
    output: usize,
    queue: Queue,
    worker: u16,
    next: u64,
    keep: bool,
    /// Bytes and records of the present buffer that were taken.
    seen: (usize, u64),
}

impl WorkerTap {
    /// Takes what is new in the buffers of outputs; returns how many records are gone from there.
    /// Never waits: what delivery has no room for is counted there.
    pub(crate) fn take(&mut self, outputs: &mut [Records]) -> u64 {
        self.take_by(outputs, |queue, batch| {
            let begin = Instant::now();
            queue.offer(batch);
            queue.figures().held.add(begin.elapsed(), 1);
        })
    }

    /// The same when there is time to wait until there is room.
    pub(crate) fn take_waiting(&mut self, outputs: &mut [Records]) -> u64 {
        self.take_by(outputs, Queue::offer_waiting)
    }

    fn take_by(&mut self, outputs: &mut [Records], offer: impl FnOnce(&Queue, Batch)) -> u64 {
        let Some(records) = outputs.get_mut(self.output) else { return 0 };
        let (from, before) = self.seen;
        let count = records.count.saturating_sub(before);
        if records.bytes.len() <= from {
            return 0;
        }
        let mut bytes = self.queue.buffer();
        let gone = match self.keep {
            true => {
                bytes.extend_from_slice(records.bytes.get(from..).unwrap_or_default());
                self.seen = (records.bytes.len(), records.count);
                0
            }
            false => {
                std::mem::swap(&mut bytes, &mut records.bytes);
                records.count = 0;
                records.marks.clear();
                count
            }
        };
        offer(&self.queue, Batch { worker: self.worker, first: self.next, bytes });
        self.next += count;
        gone
    }

    /// Everything in the buffers was taken, as they are now: they are others, or have less in them.
    pub(crate) fn settle(&mut self, outputs: &[Records]) {
        let records = outputs.get(self.output);
        self.seen = records.map_or((0, 0), |records| (records.bytes.len(), records.count));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn add(outputs: &mut [Records], text: &str) {
        outputs[0].bytes.extend_from_slice(text.as_bytes());
        outputs[0].count += 1;
    }

    fn taken(queue: &Queue) -> Vec<(u64, String)> {
        let batches = queue.take(Duration::ZERO).unwrap_or_default();
        batches.into_iter().map(|b| (b.first, String::from_utf8(b.bytes).unwrap())).collect()
    }

    fn check(keep: bool) {
        let queue = Queue::new(1 << 20);
        let mut tap =
            WorkerTap { output: 0, queue: queue.clone(), worker: 2, next: 7, keep, seen: (0, 0) };
        let mut outputs = [Records::default()];
        assert_eq!(tap.take(&mut outputs), 0);
        add(&mut outputs, "{1}\n");
        add(&mut outputs, "{2}\n");
        assert_eq!(tap.take(&mut outputs), if keep { 0 } else { 2 });
        assert_eq!(outputs[0].bytes.is_empty(), !keep);
        assert_eq!(taken(&queue), [(7, "{1}\n{2}\n".to_owned())]);
        // The buffer could not be handed on: what is new is taken, and nothing twice.
        add(&mut outputs, "{3}\n");
        tap.take(&mut outputs);
        tap.take(&mut outputs);
        assert_eq!(taken(&queue), [(9, "{3}\n".to_owned())]);
        outputs = [Records::default()];
        tap.settle(&outputs);
        add(&mut outputs, "{4}\n");
        tap.take(&mut outputs);
        assert_eq!(taken(&queue), [(10, "{4}\n".to_owned())]);
    }

    #[test]
    fn records_are_taken_once_whether_files_have_them_or_not() {
        check(true);
        check(false);
    }
}
