//! A bar that shows how far a replay is, when somebody sits at a terminal.

use std::io::IsTerminal;
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

/// The bar, or nothing.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    batches: u32,
}

/// The bar moves once in so many batches.
const EVERY: u32 = 256;

impl Progress {
    /// For files whose sizes add up, if standard error is a terminal.
    pub(crate) fn of_files(files: &[PathBuf]) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::default();
        }
        let sizes = files.iter().filter_map(|file| std::fs::metadata(file).ok());
        let bar = ProgressBar::new(sizes.map(|about| about.len()).sum());
        let template = "{bar:40} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar: Some(bar), batches: 0 }
    }

    /// So many bytes of frames have been read.
    pub(crate) fn at(&mut self, bytes: u64) {
        if let Some(bar) = &self.bar {
            self.batches = self.batches.wrapping_add(1);
            if self.batches.is_multiple_of(EVERY) {
                bar.set_position(bytes);
            }
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
