//! Names and types of a message, one after the other.

use super::message::{Outline, Question, Record, read_name, rrtype};
use super::name::Sink;

/// Which names are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// Of one section: 0 questions, 1 answers, 2 authorities, 3 additionals.
    Section(u8),
    /// Of all sections, and those that answers, authorities and additionals carry as data.
    Response,
}

/// A place in a walk over the entries of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    wanted: Names,
    section: u8,
    left: u16,
    pos: usize,
    data: Option<(usize, usize)>,
}

impl Walk {
    /// Before the first entry.
    pub(crate) fn new(wanted: Names, outline: &Outline) -> Self {
        let section = match wanted {
            Names::Section(section) => section,
            Names::Response => 0,
        };
        let mut walk = Self { wanted, section, left: 0, pos: 0, data: None };
        walk.enter(outline);
        walk
    }

    fn enter(&mut self, outline: &Outline) {
        let at = usize::from(self.section);
        self.left = outline.counts.get(at).copied().unwrap_or(0);
        let start = outline.starts.get(at).copied().unwrap_or(0);
        self.pos = usize::try_from(start).unwrap_or(usize::MAX);
    }

    /// Puts the next name that is not the root into `out`; false at the end.
    pub(crate) fn next_name(
        &mut self,
        message: &[u8],
        outline: &Outline,
        out: &mut Vec<u8>,
    ) -> bool {
        loop {
            out.clear();
            if let Some((start, end)) = self.data.take() {
                read_name(message, start, end, out);
            } else if self.entry(message, outline, out).is_none() {
                return false;
            }
            if !out.is_empty() {
                return true;
            }
        }
    }

    /// The next record or question type; none at the end.
    pub(crate) fn next_type(&mut self, message: &[u8], outline: &Outline) -> Option<u16> {
        self.data = None;
        self.entry(message, outline, &mut ())
    }

    fn entry(&mut self, message: &[u8], outline: &Outline, out: &mut impl Sink) -> Option<u16> {
        while self.left == 0 {
            if self.wanted != Names::Response || self.section >= 3 {
                return None;
            }
            self.section += 1;
            self.enter(outline);
        }
        self.left -= 1;
        if self.section == 0 {
            let (question, _) = Question::read(message, self.pos, out)?;
            self.pos = question.end;
            return Some(question.rrtype);
        }
        let (record, _) = Record::read(message, self.pos, out)?;
        self.pos = record.end;
        if self.wanted == Names::Response {
            self.data = name_in_data(&record);
        }
        Some(record.rrtype)
    }
}

/// Where the name in a record's data is; for SOA the primary server.
fn name_in_data(record: &Record) -> Option<(usize, usize)> {
    match record.rrtype {
        rrtype::CNAME | rrtype::NS | rrtype::PTR | rrtype::SOA => Some((record.data, record.end)),
        rrtype::MX => Some((record.data + 2, record.end)),
        _ => None,
    }
}
