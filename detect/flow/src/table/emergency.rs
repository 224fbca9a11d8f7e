//! Short of memory: emergency mode, and which flow makes room.

use decode::Timestamp;

use crate::entry::{Flow, FlowState};

/// Rows searched for a flow that can go.
pub(super) const ROWS: u32 = 5;

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

/// True if `flow` has been idle long enough to make room for another.
pub(super) fn can_go<X>(flow: &Flow<X>, now: Timestamp) -> bool {
    let idle = now.since_us(flow.last);
    const SECOND: u64 = 1_000_000;
    match flow.state {
        FlowState::New => idle > SECOND,
        FlowState::Established => idle > 5 * SECOND,
        FlowState::Closed => idle > 3 * SECOND,
        FlowState::Bypassed => idle >= 30 * SECOND,
    }
}
