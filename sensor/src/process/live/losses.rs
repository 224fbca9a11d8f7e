//! Tells when frames are lost, while they are.

use std::time::{Duration, Instant};

use super::balance::Terms;

/// It is told no more often.
const PAUSE: Duration = Duration::from_secs(60);

/// What was told of losses so far.
#[derive(Debug, Default)]
pub(super) struct Losses {
    told: u64,
    at: Option<Instant>,
}

impl Losses {
    /// Looks at the balance; says what is new.
    pub(super) fn look(&mut self, terms: &Terms, now: Instant) -> Option<String> {
        let lost = terms.lost();
        let is_early = self.at.is_some_and(|at| now.saturating_duration_since(at) < PAUSE);
        if lost <= self.told || is_early {
            return None;
        }
        (self.told, self.at) = (lost, Some(now));
        Some(format!("frames are lost: {}; `bateleur doctor` says what helps", in_words(terms)))
    }
}

/// How many frames were lost, and where.
pub(super) fn in_words(terms: &Terms) -> String {
    let (lost, wire) = (terms.lost(), terms.wire + terms.nic_drops);
    let share = lost as f64 * 100.0 / wire.max(1) as f64;
    let parts = [
        (terms.nic_drops, "in the NIC"),
        (terms.ring_full, "ring full"),
        (terms.no_memory, "no memory in the kernel"),
        (terms.hand_over_full, "hand-over ring full"),
        (terms.xdp.empty_slot, "no socket for their queue"),
        (terms.invalid, "senseless"),
    ];
    let named = parts.iter().filter(|(count, _)| *count > 0);
    let named: Vec<String> = named.map(|(count, what)| format!("{count} {what}")).collect();
    format!("{lost} of {wire} so far, {share:.2} % ({})", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_told_when_they_grow_but_not_all_the_time() {
        let mut losses = Losses::default();
        let start = Instant::now();
        let terms = |ring_full| Terms { wire: 200, ring_full, ..Terms::default() };
        assert_eq!(losses.look(&terms(0), start), None);
        let said = losses.look(&terms(50), start).unwrap();
        assert!(said.contains("50 of 200 so far, 25.00 % (50 ring full)"), "{said}");
        assert_eq!(losses.look(&terms(60), start + PAUSE / 2), None);
        assert_eq!(losses.look(&terms(50), start + PAUSE * 2), None);
        assert!(losses.look(&terms(60), start + PAUSE * 2).is_some());
    }
}
