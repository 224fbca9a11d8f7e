//! Records on standard output, a line each.

use std::io::{self, Write};
use std::time::Duration;

use serde::Deserialize;

use crate::record::Record;
use crate::sink::{Settled, Sink, Trouble};

use super::Surroundings;

/// `stdout: {}`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {}

impl Settings {
    pub(super) fn build(&self, _: &Surroundings) -> Result<Box<dyn Sink>, String> {
        Ok(Box::new(Stdout { written: Vec::new() }))
    }
}

struct Stdout {
    /// Tickets of records that were written since the last look.
    written: Vec<(u64, u64)>,
}

impl Sink for Stdout {
    fn offer(&mut self, records: &[Record<'_>], first: u64) -> Result<usize, Trouble> {
        let mut out = io::stdout().lock();
        let mut write = || -> io::Result<()> {
            for record in records {
                out.write_all(record.bytes)?;
                out.write_all(b"\n")?;
            }
            out.flush()
        };
        write().map_err(|error| Trouble::passing(format!("standard output: {error}")))?;
        self.written.push((first, first + records.len() as u64));
        Ok(records.len())
    }

    fn settle(&mut self, _: Duration, settled: &mut Settled) -> Result<(), Trouble> {
        settled.delivered.append(&mut self.written);
        Ok(())
    }

    fn forget(&mut self) {}
}
