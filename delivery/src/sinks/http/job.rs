//! A batch on its way, and what every format of batches is.

use std::time::Duration;

use crate::http::Answer;
use crate::record::Record;
use crate::sink::{Settled, Trouble};

/// Records of one request, as the format has written them.
#[derive(Debug, Default)]
pub(super) struct Job {
    pub(super) text: Vec<u8>,
    /// Where each record ends in it.
    ends: Vec<usize>,
    pub(super) tickets: Vec<u64>,
    /// It was sent, and nobody knows whether the server took it.
    pub(super) is_doubtful: bool,
}

impl Job {
    pub(super) fn len(&self) -> usize {
        self.tickets.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    /// Its records, unless they may have arrived.
    pub(super) fn unsent(&self) -> usize {
        if self.is_doubtful { 0 } else { self.len() }
    }

    /// What was written since the last time is a record.
    pub(super) fn close(&mut self, ticket: u64) {
        self.ends.push(self.text.len());
        self.tickets.push(ticket);
    }

    /// Two smaller ones; itself when it has only one record.
    pub(super) fn halves(mut self) -> Result<(Self, Self), Self> {
        let middle = self.len() / 2;
        let Some(cut) = middle.checked_sub(1).and_then(|last| self.ends.get(last)).copied() else {
            return Err(self);
        };
        let second = Self {
            text: self.text.split_off(cut),
            ends: self.ends.split_off(middle).into_iter().map(|end| end - cut).collect(),
            tickets: self.tickets.split_off(middle),
            is_doubtful: self.is_doubtful,
        };
        Ok((self, second))
    }

    /// Takes a record out: its ticket.
    pub(super) fn remove(&mut self, at: usize) -> Option<u64> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |e| *e);
        self.text.drain(start..end);
        self.ends.remove(at);
        self.ends.iter_mut().skip(at).for_each(|later| *later -= end - start);
        Some(self.tickets.remove(at))
    }
}

/// What an answer means for its batch.
#[derive(Debug)]
pub(super) enum Outcome {
    /// What became of each record; those that are not named are offered again after trouble.
    Told { delivered: Vec<u64>, refused: Vec<(u64, String)>, trouble: Option<String> },
    /// The server will say later.
    Waits,
    /// The server will never take it as it is.
    Refused(Job, String),
    /// The server can't take it now.
    Busy(Job),
    /// This is not the server, path or password that it should be.
    Misdirected(Job),
}

impl Outcome {
    pub(super) fn all(job: Job) -> Self {
        Self::Told { delivered: job.tickets, refused: Vec::new(), trouble: None }
    }

    /// By the status alone.
    pub(super) fn of_status(answer: &Answer, job: Job) -> Self {
        match answer.status {
            200..=299 => Self::all(job),
            400 | 413 | 422 => Self::Refused(job, answer.shown()),
            408 | 425 | 429 | 500..=599 => Self::Busy(job),
            _ => Self::Misdirected(job),
        }
    }
}

/// How records are written, and answers understood.
pub(super) trait Format: Send {
    /// Path and query of requests, below the path of the address.
    fn path(&self, base: &str) -> String;

    /// Type of the body.
    fn content_type(&self) -> &'static str;

    /// Puts a record behind others.
    fn write(&self, record: &Record<'_>, out: &mut Vec<u8>);

    /// The body of records that were written one behind the other.
    fn body(&self, text: &[u8]) -> Vec<u8> {
        text.to_vec()
    }

    /// Headers that only this format has; `body` is as it will be sent.
    fn headers(&self, _body: &[u8], _out: &mut Vec<u8>) -> Result<(), Trouble> {
        Ok(())
    }

    /// What an answer means.
    fn judge(&mut self, answer: &Answer, job: Job, server: usize) -> Outcome;

    /// False while too much waits for acknowledgement.
    fn has_room(&self) -> bool {
        true
    }

    /// A server that is to be asked for acknowledgements, after one that was.
    fn unacknowledged(&self, _after: usize) -> Option<usize> {
        None
    }

    /// How often it is asked.
    fn poll_interval(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// Path and body of that question.
    fn question(&self, _server: usize, _base: &str) -> (String, Vec<u8>) {
        (String::new(), Vec::new())
    }

    /// Understands its answer.
    fn acknowledge(&mut self, _: usize, _: &[u8], _: &mut Settled) -> Result<(), Trouble> {
        Ok(())
    }

    /// Trouble when an acknowledgement takes too long.
    fn check_patience(&self) -> Result<(), Trouble> {
        Ok(())
    }

    /// Drops what waits for acknowledgement.
    fn forget(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(count: u64) -> Job {
        let mut job = Job::default();
        for ticket in 0..count {
            job.text.extend(format!("r{ticket}\n").bytes());
            job.close(ticket);
        }
        job
    }

    #[test]
    fn batches_are_halved_down_to_one() {
        let (first, second) = job(3).halves().unwrap();
        assert_eq!((first.text.as_slice(), first.tickets.as_slice()), (&b"r0\n"[..], &[0][..]));
        assert_eq!(second.text, b"r1\nr2\n");
        let (one, two) = second.halves().unwrap();
        assert_eq!((one.text.as_slice(), two.text.as_slice()), (&b"r1\n"[..], &b"r2\n"[..]));
        assert_eq!(two.halves().unwrap_err().tickets, [2]);
        assert!(job(0).halves().is_err());
    }

    #[test]
    fn a_record_is_taken_out() {
        let mut job = job(3);
        assert_eq!(job.remove(1), Some(1));
        assert_eq!((job.text.as_slice(), job.len()), (&b"r0\nr2\n"[..], 2));
        assert_eq!(job.remove(7), None);
        assert_eq!(job.halves().unwrap().1.text, b"r2\n");
    }
}
