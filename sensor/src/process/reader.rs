//! The reader of a replay with several workers: deals out frames round by round.

use capture::{OwnedBatch, Received, Source};
use crossbeam::channel::{Receiver, Sender};
use detect::checksums::ChecksumSample;
use detect::settings::Settings;

use crate::bpf::Filter;

use super::distribute::Dealer;
use super::replay::{BATCH, passes, raw};
use super::stop::Stop;
use super::writer::Report;

/// Frames in one round, for each worker.
const ROUND: usize = 4 * BATCH;

/// Frames of one worker in one round, with their numbers.
#[derive(Default)]
pub(super) struct Share {
    /// Which round.
    pub(super) round: u64,
    /// The frames.
    pub(super) batch: OwnedBatch,
    /// Their numbers.
    pub(super) numbers: Vec<u64>,
    /// Time of the last frame of all shares so far, microseconds.
    pub(super) time_us: u64,
    /// Number of the last frame of all shares so far.
    pub(super) number: u64,
    /// Checksums of all shares so far.
    pub(super) checksums: ChecksumSample,
}

/// The input and what is found out about all of its frames.
pub(super) struct Reader<'r> {
    source: Box<dyn Source>,
    filter: Option<&'r Filter>,
    dealer: Dealer,
    stop: Stop,
    number: u64,
    time_us: u64,
}

impl<'r> Reader<'r> {
    pub(super) fn new(
        source: Box<dyn Source>,
        filter: Option<&'r Filter>,
        settings: &Settings,
        stop: Stop,
        workers: usize,
    ) -> Self {
        let dealer = Dealer::new(settings.decode.clone(), workers, settings.checksum_auto);
        Self { source, filter, dealer, stop, number: 0, time_us: 0 }
    }

    /// Every worker gets its share of every round, if only an empty one.
    pub(super) fn run(
        mut self,
        workers: &[Sender<Share>],
        spare: &Receiver<Share>,
        reports: &Sender<Report>,
    ) {
        let mut ended = false;
        for round in 0.. {
            let mut shares: Vec<Share> = workers
                .iter()
                .map(|_| {
                    let mut share = spare.try_recv().unwrap_or_default();
                    share.batch.clear();
                    share.numbers.clear();
                    share.round = round;
                    share
                })
                .collect();
            let before = self.number;
            while !ended && self.number - before < (ROUND * workers.len()) as u64 {
                match self.source.receive(BATCH) {
                    _ if self.stop.is_wanted() => ended = true,
                    Ok(Received::Frames) => self.deal(&mut shares),
                    Ok(Received::Idle) => break,
                    Ok(Received::End) => ended = true,
                    Err(error) => ended = reports.send(Report::Fault(error)).is_err(),
                }
            }
            for (worker, mut share) in workers.iter().zip(shares) {
                (share.time_us, share.number) = (self.time_us, self.number);
                share.checksums = self.dealer.checksums;
                if worker.send(share).is_err() {
                    return;
                }
            }
            let statistics = self.source.statistics();
            let bytes = statistics.bytes;
            let read = Report::Read { statistics, bytes, end: ended };
            if reports.send(read).is_err() || ended {
                return;
            }
        }
    }

    /// Deals out the frames of the batch at hand.
    fn deal(&mut self, shares: &mut [Share]) {
        for frame in self.source.batch().frames().filter(|frame| passes(self.filter, frame)) {
            self.number += 1;
            self.time_us = self.time_us.max(frame.timestamp_us);
            let worker = self.dealer.worker(raw(&frame, self.number));
            if let Some(share) = shares.get_mut(worker) {
                share.batch.push(&frame);
                share.numbers.push(self.number);
            }
        }
    }
}
