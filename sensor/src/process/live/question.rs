//! When the workers are asked for their counters, and for whom.

use std::time::{Duration, Instant};

use crossbeam::channel::Sender;

/// A worker that does not answer in this time is left out: it is counted as it was last seen.
const PATIENCE: Duration = Duration::from_secs(2);

/// The question at hand, and those who wait for the next one.
#[derive(Debug, Default)]
pub(super) struct Question {
    wanted: Answered,
    is_wanted: bool,
    asked: Option<(Instant, Answered)>,
}

/// Whom the answer is for.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// A record of statistics is to be written.
    pub(super) statistics: bool,
    /// Clients.
    pub(super) waiting: Vec<Sender<String>>,
}

impl Question {
    /// A client wants counters.
    pub(super) fn want(&mut self, answer: Sender<String>) {
        self.is_wanted = true;
        self.wanted.waiting.push(answer);
    }

    /// A record of statistics is due.
    pub(super) const fn want_statistics(&mut self) {
        self.is_wanted = true;
        self.wanted.statistics = true;
    }

    /// Figures are to be shown.
    pub(super) const fn want_figures(&mut self) {
        self.is_wanted = true;
    }

    /// Whether it should be asked now; then it is taken for asked.
    pub(super) fn is_to_be_asked(&mut self, now: Instant) -> bool {
        if !self.is_wanted || self.asked.is_some() {
            return false;
        }
        self.is_wanted = false;
        self.asked = Some((now, std::mem::take(&mut self.wanted)));
        true
    }

    /// When all have answered, or there is no more waiting for them: whom the answer is for.
    pub(super) fn answered(&mut self, by_all: bool, now: Instant) -> Option<Answered> {
        let (since, _) = self.asked.as_ref()?;
        if !by_all && now.saturating_duration_since(*since) < PATIENCE {
            return None;
        }
        self.asked.take().map(|(_, answered)| answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam::channel::bounded;

    #[test]
    fn whoever_comes_late_waits_for_the_next_answer() {
        let start = Instant::now();
        let mut question = Question::default();
        assert!(!question.is_to_be_asked(start));
        question.want_statistics();
        assert!(question.is_to_be_asked(start));
        question.want(bounded(1).0);
        assert!(!question.is_to_be_asked(start));
        assert!(question.answered(false, start).is_none());
        let first = question.answered(true, start).unwrap();
        assert!(first.statistics && first.waiting.is_empty());
        assert!(question.is_to_be_asked(start));
        let second = question.answered(true, start).unwrap();
        assert!(!second.statistics && second.waiting.len() == 1);
        assert!(question.answered(true, start).is_none());
    }

    #[test]
    fn a_worker_that_stands_still_holds_up_nobody() {
        let start = Instant::now();
        let mut question = Question::default();
        question.want_figures();
        assert!(question.is_to_be_asked(start));
        assert!(question.answered(false, start + Duration::from_secs(1)).is_none());
        assert!(question.answered(false, start + Duration::from_secs(2)).is_some());
    }
}
