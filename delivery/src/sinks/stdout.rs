//! Records on standard output, a line each.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::record::Record;
use crate::sink::{Settled, Sink, Trouble};

use super::Surroundings;

/// `stdout: {}`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {}

impl Settings {
    pub(super) fn build(&self, _: &Surroundings) -> Result<Box<dyn Sink>, String> {
        // Past the standard library's buffer, which would write later what failed now.
        let out = io::stdout().as_fd().try_clone_to_owned();
        let out = out.map_err(|error| format!("standard output: {error}"))?;
        Ok(Box::new(Stdout::new(File::from(out))))
    }
}

struct Stdout<Out> {
    out: Out,
    /// Lines that go out together.
    lines: Vec<u8>,
    /// Tickets of records that were written since the last look.
    written: Vec<(u64, u64)>,
    /// The record of which only a part could be written, and how much of its line: its rest
    /// follows when it is offered again.
    begun: Option<(u64, usize)>,
    /// Trouble that is told once what was written has been.
    later: Option<Trouble>,
}

impl<Out> Stdout<Out> {
    fn new(out: Out) -> Self {
        Self { out, lines: Vec::new(), written: Vec::new(), begun: None, later: None }
    }
}

impl<Out: Write + Send> Sink for Stdout<Out> {
    fn offer(&mut self, records: &[Record<'_>], first: u64) -> Result<usize, Trouble> {
        if self.later.is_some() {
            return Ok(0);
        }
        let begun = self.begun.filter(|(ticket, _)| *ticket == first).map_or(0, |(_, part)| part);
        self.lines.clear();
        for record in records {
            self.lines.extend_from_slice(record.bytes);
            self.lines.push(b'\n');
        }
        // Others that print wait for the end of the line.
        let lock = io::stdout().lock();
        let (end, outcome) = write(&mut self.out, &self.lines, begun);
        drop(lock);
        let whole = match &outcome {
            Ok(()) => records.len(),
            Err(_) => memchr::memchr_iter(b'\n', self.lines.get(..end).unwrap_or_default()).count(),
        };
        let upto = first + whole as u64;
        if whole > 0 {
            self.written.push((first, upto));
        }
        let start: usize = records.iter().take(whole).map(|record| record.bytes.len() + 1).sum();
        self.begun = (end > start).then(|| (upto, end - start));
        self.later = outcome.err();
        Ok(whole)
    }

    fn settle(&mut self, _: Duration, settled: &mut Settled) -> Result<(), Trouble> {
        settled.delivered.append(&mut self.written);
        self.later.take().map_or(Ok(()), Err)
    }

    fn forget(&mut self) {
        self.written.clear();
        self.later = None;
    }
}

/// Writes `bytes` from `at` on; up to where they are written.
fn write(out: &mut impl Write, bytes: &[u8], mut at: usize) -> (usize, Result<(), Trouble>) {
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match out.write(rest) {
            Ok(0) => return (at, Err(trouble(&io::ErrorKind::WriteZero.into()))),
            Ok(more) => at += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (at, Err(trouble(&error))),
        }
    }
    (at, Ok(()))
}

fn trouble(error: &io::Error) -> Trouble {
    Trouble::passing(format!("standard output: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Batch;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    /// Does what the publisher does, with a pipe that takes a little at a time.
    #[test]
    fn what_was_written_in_part_is_neither_torn_nor_doubled() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let mut sink = Stdout::new(ours);
        let pad = "x".repeat(70_000);
        let text: String = (0..40).map(|n| format!("{{\"n\":{n},\"pad\":\"{pad}\"}}\n")).collect();
        let batch = Batch { worker: 0, first: 0, bytes: text.clone().into_bytes() };
        let records: Vec<_> = batch.records().collect();
        let (mut next, mut safe, mut troubles) = (0, 0, 0);
        let mut read = Vec::new();
        while safe < records.len() as u64 {
            // Two offers before what became of them is asked, as for two frames of the spool.
            for _ in 0..2 {
                let upto = (next + 15).min(records.len());
                next += sink.offer(&records[next..upto], next as u64).unwrap();
            }
            let mut settled = Settled::default();
            let outcome = sink.settle(Duration::ZERO, &mut settled);
            for (first, end) in settled.delivered {
                assert_eq!(first, safe, "in order, and once");
                safe = end;
            }
            if let Err(trouble) = outcome {
                assert!(trouble.what.starts_with("standard output: "), "{trouble}");
                troubles += 1;
                sink.forget();
                next = safe as usize;
                let mut some = [0; 50_000];
                let count = theirs.read(&mut some).unwrap();
                read.extend_from_slice(&some[..count]);
            }
            assert!(troubles < 1000);
        }
        drop(sink);
        theirs.read_to_end(&mut read).unwrap();
        assert!(troubles > 3, "{troubles}");
        assert!(String::from_utf8(read).unwrap() == text);
    }
}
