//! Short of memory: emergency mode, and which flow makes room.

use decode::Timestamp;

use super::{FlowId, FlowTable};
use crate::entry::{EndReason, Flow, FlowState};

/// Rows searched for a flow that can go.
const ROWS: u32 = 5;

/// Flows looked at besides the wheel in one call.
const SWEPT: usize = 64;

/// Flows over the limit while as many ended ones wait for their removal.
const WAITING: usize = 256;

/// Seconds with enough spare flows after which emergency mode ends.
const CALM: u64 = 30;

/// Whether the table is in emergency mode.
#[derive(Debug, Default)]
pub(super) struct Emergency {
    on: bool,
    /// Second since which enough flows are spare.
    calm_since: Option<u64>,
}

impl Emergency {
    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    /// Memory ran out; true if that begins an emergency.
    pub(super) fn enter(&mut self) -> bool {
        self.calm_since = None;
        !std::mem::replace(&mut self.on, true)
    }

    /// Looks whether it is over: `spare` of `most` flows are unused. True when it just ended.
    pub(super) fn check(&mut self, spare: usize, most: usize, recovery: u8, second: u64) -> bool {
        if !self.on {
            return false;
        }
        if spare * 100 <= most * usize::from(recovery) {
            self.calm_since = None;
            return false;
        }
        let since = *self.calm_since.get_or_insert(second);
        let over = second.saturating_sub(since) >= CALM;
        if over {
            *self = Self::default();
        }
        over
    }
}

impl<X: Default> FlowTable<X> {
    /// Ends an idle flow of the next rows to make room; false if none can go.
    pub(super) fn make_room(
        &mut self,
        now: Timestamp,
        ended: &mut impl Extend<(FlowId, EndReason)>,
    ) -> bool {
        if self.emergency.enter() {
            self.counters.emerg_mode_entered += 1;
        }
        if self.waiting > 0 && self.held < self.most.saturating_add(WAITING) {
            // Room is on its way: ended flows wait for their removal.
            return true;
        }
        let rows = self.buckets.rows() as u32;
        let mut searched = 0;
        while searched < rows {
            let row = self.victim_row;
            self.victim_row = self.victim_row.wrapping_add(1);
            searched += 1;
            let mut occupied = false;
            let victim = self.buckets.places(row).map(FlowId).find(|&id| {
                occupied = true;
                self.counters.get_used_eval += 1;
                can_go(self.slab.get(id), now)
            });
            match victim {
                Some(id) => {
                    self.slab.get_mut(id).emergency = true;
                    self.counters.get_used += 1;
                    self.end(id, EndReason::Forced, ended);
                    return true;
                }
                None if occupied => self.counters.get_used_eval_reject += 1,
                // Empty rows do not count, but a search is bounded all the same.
                None => {}
            }
            if searched >= ROWS && (occupied || searched >= 16 * ROWS) {
                break;
            }
        }
        self.counters.get_used_failed += 1;
        false
    }

    /// In an emergency time-outs are shorter than the wheel knows: looks at some more flows,
    /// in turn.
    pub(super) fn sweep(
        &mut self,
        now: Timestamp,
        max: usize,
        ended: &mut impl Extend<(FlowId, EndReason)>,
    ) {
        let mut left = max;
        for _ in 0..SWEPT.min(self.slab.places()) {
            if left == 0 {
                return;
            }
            self.sweep_place = (self.sweep_place + 1) % self.slab.places();
            let id = FlowId(self.sweep_place as u32);
            let flow = self.slab.get(id);
            if !flow.ended && self.is_expired(flow, now) {
                self.counters.mgr_flows_timeout += 1;
                self.end(id, EndReason::Timeout, ended);
                left -= 1;
            }
        }
    }
}

/// True if `flow` has been idle long enough to make room for another.
fn can_go<X>(flow: &Flow<X>, now: Timestamp) -> bool {
    let idle = now.since_us(flow.last);
    const SECOND: u64 = 1_000_000;
    match flow.state {
        FlowState::New => idle > SECOND,
        FlowState::Established => idle > 5 * SECOND,
        FlowState::Closed => idle > 3 * SECOND,
        FlowState::Bypassed => idle >= 30 * SECOND,
    }
}
