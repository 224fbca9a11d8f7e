//! What a detector is told from outside while it runs: whom it shares with, the time, other rules,
//! the end.

use std::sync::Arc;

use decode::Timestamp;
use engine::Ruleset;

use super::{Detector, apply_needs};
use crate::checksums::ChecksumSample;
use crate::output::Events;
use crate::shared::{Place, Shared};

/// Flows that end at once when no packets come.
const ENDED_AT_REST: usize = 128;

impl Detector {
    /// Shares with other workers what is kept beyond one flow; with `place` in the order of the
    /// capture. Its sizes are shown in the statistics of one worker: `shows_size`.
    pub fn share(&mut self, shared: &Shared, place: Option<Arc<Place>>, shows_size: bool) {
        let ways = shared.with_turns(place.as_ref(), shows_size);
        self.inspector.set_remembered(ways.remembered);
        self.ranges = ways.ranges;
        self.reporter.set_file_numbers(ways.files);
        self.place = place;
    }

    /// End of input: all flows end, at most `most` of them in this call. True: call again.
    pub fn finish(&mut self, most: usize, events: &mut Events) -> bool {
        if !self.finishing {
            self.finishing = true;
            self.flows.drain(self.now, &mut self.ended);
            let flows = &self.flows;
            self.ended.make_contiguous().sort_by_key(|(id, _)| flows.get(*id).start);
        }
        for _ in 0..most {
            let Some((id, reason)) = self.ended.pop_front() else {
                self.late.move_sorted(events);
                return false;
            };
            if let Some(place) = &self.place {
                place.at_end(self.flows.get(id).start.0);
            }
            self.end_flow(id, reason, events);
        }
        true
    }

    /// Time goes on without packets: flows that have timed out by `now` end, some at each call.
    pub fn pass_time(&mut self, now: Timestamp, events: &mut Events) {
        self.advance(now);
        self.flows.expire(self.now, ENDED_AT_REST, &mut self.ended);
        for _ in 0..ENDED_AT_REST {
            let Some((id, reason)) = self.ended.pop_front() else { return };
            self.end_flow(id, reason, events);
        }
    }

    /// Inspects by other rules from now on; see [`Inspector::set_rules`]. What the summary counts
    /// by rule begins anew.
    pub fn set_rules(&mut self, rules: Arc<Ruleset>) {
        let mut own = (*self.settings).clone();
        apply_needs(&mut own, &rules.needs);
        own.stream.check_overlap_different_data |= rules.needs.overlap_event;
        self.raw_stream = own.detection && rules.needs.raw_stream;
        own.stream.raw = self.raw_configured && self.raw_stream;
        self.detection = protocol::detection::Detector::new(&own.protocol);
        self.settings = Arc::new(own);
        self.summary.forget_alerts();
        self.inspector.set_rules(rules);
    }

    /// Time goes on although this detector saw no packet: other workers did.
    pub fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// Takes over the sample of checksums over all workers' frames; the detector's own ends.
    pub fn set_checksums(&mut self, sample: ChecksumSample) {
        self.sample = sample.ended();
    }
}
