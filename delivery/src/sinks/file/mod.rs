//! Files of JSON lines: rotated by size and time, compressed, with names that records choose.

mod encoder;
mod name;
mod output;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::folder;
use super::tickets::Tickets;
use crate::record::Record;
use crate::sink::{Settled, Sink, Trouble};
use crate::template::Template;

use encoder::Encoder;
use name::Name;
use output::Output;
use settings::{Compression, Plan};

pub(super) use settings::Settings;

/// Gives the time, in seconds since 1970.
type Clock = Box<dyn Fn() -> u64 + Send>;

/// The files that are open, by the name that the template gives.
struct Files {
    plan: Plan,
    template: Template,
    encoder: Encoder,
    outputs: HashMap<String, Output>,
    /// Name of the last record's file.
    name: String,
    /// Records that are where they should be, and not told of yet.
    done: Tickets,
    /// What went wrong since the last look.
    trouble: Option<Trouble>,
    uses: u64,
    clock: Clock,
    now: u64,
    figures: Figures,
}

/// What is counted.
#[derive(Debug, Default)]
struct Figures {
    bytes: u64,
    files: u64,
    rotations: u64,
    removed: u64,
    /// Bytes of unfinished writes that were found and cut off.
    cut: u64,
    /// Files that were closed because too many were open.
    closed: u64,
}

impl Files {
    fn new(plan: Plan, template: Template, encoder: Encoder) -> Self {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        Self {
            plan,
            template,
            encoder,
            outputs: HashMap::new(),
            name: String::new(),
            done: Tickets::default(),
            trouble: None,
            uses: 0,
            now: clock(),
            clock: Box::new(clock),
            figures: Figures::default(),
        }
    }

    fn put(&mut self, record: &Record<'_>, ticket: u64) -> Result<(), Trouble> {
        let mut name = std::mem::take(&mut self.name);
        if name.is_empty() || !self.template.is_fixed() {
            name.clear();
            self.template.fill_through(record, &mut name, folder::put_name);
        }
        let outcome = self.put_into(&name, record, ticket);
        self.name = name;
        outcome
    }

    fn put_into(&mut self, name: &str, record: &Record<'_>, ticket: u64) -> Result<(), Trouble> {
        if !self.outputs.contains_key(name) {
            self.open(name)?;
        }
        let Some(output) = self.outputs.get_mut(name) else { return Ok(()) };
        self.uses += 1;
        output.used = self.uses;
        let more = record.bytes.len() + 1;
        let limit = self.plan.rotate.size.map_or(u64::MAX, |size| size.0);
        let is_plain = self.plan.compression == Compression::None;
        let length = output.length();
        let is_over = is_plain && length > 0 && length + more as u64 > limit;
        let has_waited = output.waiting() > 0;
        if is_over || (has_waited && output.waiting() + more > self.plan.batch) {
            self.figures.bytes += output.write(&mut self.encoder, &self.plan, &mut self.done)?;
            let is_large = is_over || output.length() >= limit;
            if is_large && output.may_rename(self.now) && self.rotate(name)? {
                self.open(name)?;
            }
        }
        if let Some(output) = self.outputs.get_mut(name) {
            output.gather(record.bytes, ticket);
        }
        Ok(())
    }

    fn open(&mut self, name: &str) -> Result<(), Trouble> {
        while self.outputs.len() >= self.plan.open_files {
            let oldest = self.outputs.iter().min_by_key(|(_, output)| output.used);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { break };
            self.close(&oldest)?;
            self.figures.closed += 1;
        }
        let parts = Name::new(name, self.plan.compression);
        let mut output = Output::open(parts, &self.plan, self.now, &mut self.figures)?;
        output.used = self.uses;
        self.outputs.insert(name.to_owned(), output);
        Ok(())
    }

    /// Writes what waits for a file and closes it; a compressed one is finished.
    fn close(&mut self, name: &str) -> Result<(), Trouble> {
        self.flush(name)?;
        if self.plan.compression == Compression::None || !self.rotate(name)? {
            self.outputs.remove(name);
        }
        Ok(())
    }

    fn flush(&mut self, name: &str) -> Result<(), Trouble> {
        let Some(output) = self.outputs.get_mut(name) else { return Ok(()) };
        self.figures.bytes += output.write(&mut self.encoder, &self.plan, &mut self.done)?;
        output.sync(&mut self.done)
    }

    /// Writes what waits for a file, gives the file its name for good, and closes it. False when
    /// that can't be done now.
    fn rotate(&mut self, name: &str) -> Result<bool, Trouble> {
        self.flush(name)?;
        let Some(output) = self.outputs.get_mut(name) else { return Ok(false) };
        let is_done = output.may_rename(self.now)
            && output.rename(&self.plan, self.now, &mut self.figures)?;
        if is_done {
            self.outputs.remove(name);
        }
        Ok(is_done)
    }

    /// Does something with every file, and remembers the first trouble.
    fn each(&mut self, work: impl Fn(&mut Self, &str) -> Result<(), Trouble>) {
        let names: Vec<String> = self.outputs.keys().cloned().collect();
        for name in names {
            if let Err(trouble) = work(self, &name) {
                self.trouble.get_or_insert(trouble);
            }
        }
    }

    /// Looks at the clock, and rotates all files when their period is over.
    fn tick(&mut self) {
        let before = std::mem::replace(&mut self.now, (self.clock)());
        let period = |seconds: u64| seconds.checked_div(self.plan.period);
        if period(before) != period(self.now) {
            self.each(|files, name| files.rotate(name).map(|_| ()));
        }
    }

    /// Writes and syncs what may not wait any longer.
    fn tend(&mut self) {
        for output in self.outputs.values_mut() {
            match output.tend(&mut self.encoder, &self.plan, &mut self.done) {
                Ok(bytes) => self.figures.bytes += bytes,
                Err(trouble) => {
                    self.trouble.get_or_insert(trouble);
                }
            }
        }
        let limit = self.plan.rotate.size.map_or(u64::MAX, |size| size.0);
        let now = self.now;
        let is_over = |output: &Output| output.length() > limit && output.may_rename(now);
        if self.outputs.values().any(is_over) {
            self.each(|files, name| match files.outputs.get(name) {
                Some(output) if is_over(output) => files.rotate(name).map(|_| ()),
                _ => Ok(()),
            });
        }
    }
}

impl Sink for Files {
    /// Trouble is told by [`Sink::settle`], together with what is settled all the same.
    fn offer(&mut self, records: &[Record<'_>], first: u64) -> Result<usize, Trouble> {
        self.tick();
        for (at, record) in records.iter().enumerate() {
            if self.trouble.is_some() {
                return Ok(at);
            }
            if let Err(trouble) = self.put(record, first + at as u64) {
                self.trouble = Some(trouble);
                return Ok(at);
            }
        }
        Ok(records.len())
    }

    fn settle(&mut self, patience: Duration, settled: &mut Settled) -> Result<(), Trouble> {
        let until = Instant::now() + patience;
        self.tick();
        loop {
            self.tend();
            let due = self.outputs.values().filter_map(|output| output.due(&self.plan)).min();
            let left = until.saturating_duration_since(Instant::now());
            let Some(due) = due else { break };
            if self.trouble.is_some() || !self.done.is_empty() || left.is_zero() {
                break;
            }
            std::thread::sleep(due.min(left));
        }
        let trouble = self.trouble.take();
        if trouble.is_some() {
            // What went to other files need not be offered again.
            self.each(Self::flush);
            self.trouble = None;
        }
        self.done.settle(settled);
        trouble.map_or(Ok(()), Err)
    }

    fn forget(&mut self) {
        self.trouble = None;
        self.outputs.retain(|_, output| output.roll_back());
    }

    fn finish(&mut self) {
        self.each(Self::flush);
    }

    fn reopen(&mut self) {
        self.each(Self::close);
    }

    fn counters(&self, out: &mut dyn FnMut(&str, u64)) {
        out("bytes-written", self.figures.bytes);
        out("files-made", self.figures.files);
        out("files-open", self.outputs.len() as u64);
        out("files-closed-early", self.figures.closed);
        out("rotations", self.figures.rotations);
        out("files-removed", self.figures.removed);
        out("torn-bytes-cut", self.figures.cut);
    }
}

impl Drop for Files {
    /// Compressed files get their names when the sensor stops.
    fn drop(&mut self) {
        self.outputs.retain(|_, output| output.roll_back());
        if self.plan.compression != Compression::None {
            self.each(Self::close);
        }
    }
}
