//! What the supervisor says: messages, and on a terminal a line of figures each second.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use capture::live::WorkerFigures;
use indicatif::{ProgressBar, ProgressStyle};

use crate::process::summary::grouped;

use super::Voice;
use super::balance::lost;

/// Between two lines of figures.
const INTERVAL: Duration = Duration::from_secs(1);

/// Messages, and standard error for figures.
pub(super) struct Display<'a> {
    voice: &'a dyn Voice,
    bar: Option<ProgressBar>,
    workers: Vec<Arc<WorkerFigures>>,
    before: Load,
    at: Instant,
}

/// What the workers took since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Load {
    packets: u64,
    bytes: u64,
    lost: u64,
}

/// Figures of the detectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Detected {
    pub(super) flows: u64,
    pub(super) alerts: u64,
}

impl<'a> Display<'a> {
    /// Shows figures if somebody sits at a terminal and wants them.
    pub(super) fn new(
        workers: Vec<Arc<WorkerFigures>>,
        is_quiet: bool,
        voice: &'a dyn Voice,
    ) -> Self {
        let is_wanted = !is_quiet && std::io::stderr().is_terminal();
        let bar = is_wanted.then(ProgressBar::new_spinner);
        if let Some(bar) = &bar
            && let Ok(style) = ProgressStyle::with_template("{msg}")
        {
            bar.set_style(style);
        }
        Self { voice, bar, workers, before: Load::default(), at: Instant::now() }
    }

    /// Says something, a line of its own.
    pub(super) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.voice.say(text)),
            None => self.voice.say(text),
        }
    }

    /// Says something that somebody should act on.
    pub(super) fn warn(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.voice.warn(text)),
            None => self.voice.warn(text),
        }
    }

    /// Files of messages may have been moved away.
    pub(super) fn reopen(&self) {
        self.voice.reopen();
    }

    /// Whether a line of figures is due.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.bar.is_some() && now.saturating_duration_since(self.at) >= INTERVAL
    }

    /// Shows the figures.
    pub(super) fn show(&mut self, detected: Detected, now: Instant) {
        let load = self.load();
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        if let Some(bar) = &self.bar {
            bar.set_message(line(load, self.before, seconds, detected));
            bar.tick();
        }
        (self.before, self.at) = (load, now);
    }

    /// Takes the line away.
    pub(super) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// The line for others, with figures since the start.
    pub(super) fn status(&self) -> String {
        let Load { packets, lost, .. } = self.load();
        format!("{} packets, {} lost", grouped(packets), grouped(lost))
    }

    fn load(&self) -> Load {
        let mut load = Load::default();
        for worker in &self.workers {
            load.packets += worker.taken_over.load(Ordering::Relaxed);
            load.bytes += worker.taken_over_bytes.load(Ordering::Relaxed);
            for lane in worker.lanes.iter().map(|lane| lane.snapshot()) {
                load.packets += lane.frames;
                load.bytes += lane.bytes;
                load.lost += lost(&lane);
            }
        }
        load
    }
}

fn line(now: Load, before: Load, seconds: f64, detected: Detected) -> String {
    let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds.max(1e-3);
    format!(
        "{} packets/s   {:.3} Gbit/s   {} flows   {} alerts   {} lost",
        grouped(rate(now.packets, before.packets) as u64),
        rate(now.bytes, before.bytes) * 8.0 / 1e9,
        grouped(detected.flows),
        grouped(detected.alerts),
        grouped(now.lost)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_shows_rates_since_the_last_one() {
        let before = Load { packets: 1_000, bytes: 1_000_000, lost: 1 };
        let now = Load { packets: 5_000, bytes: 251_000_000, lost: 3 };
        let detected = Detected { flows: 1_234, alerts: 5 };
        let expected = "2,000 packets/s   1.000 Gbit/s   1,234 flows   5 alerts   3 lost";
        assert_eq!(line(now, before, 2.0, detected), expected);
        assert!(line(before, now, 0.0, detected).starts_with("0 packets/s   0.000 Gbit/s"));
    }
}
