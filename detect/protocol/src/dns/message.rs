//! DNS messages: validity, sections, records (RFC 1035, 4).
//!
//! A message is walked once when it comes in, which shows where its sections start and whether
//! they can be read. Later questions walk the bytes again, without copies.

use super::name::{self, NameRead, Sink};

/// Labels and pointers that all names of one message may have together.
const LABEL_BUDGET: u32 = 64 * 1024;

/// Length of the header.
pub(crate) const HEADER_LEN: usize = 12;

/// Record types that are decoded.
pub(crate) mod rrtype {
    pub(crate) const A: u16 = 1;
    pub(crate) const NS: u16 = 2;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const NULL: u16 = 10;
    pub(crate) const PTR: u16 = 12;
    pub(crate) const MX: u16 = 15;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const SRV: u16 = 33;
    pub(crate) const OPT: u16 = 41;
    pub(crate) const SSHFP: u16 = 44;
}

/// The header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: u16,
    pub(crate) flags: u16,
    /// Entries of the four sections.
    pub(crate) counts: [u16; 4],
}

impl Header {
    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        let header = message.first_chunk::<HEADER_LEN>()?;
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        Some(Self { id: word(0), flags: word(2), counts: [word(4), word(6), word(8), word(10)] })
    }

    pub(crate) const fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    pub(crate) const fn opcode(&self) -> u8 {
        (self.flags >> 11) as u8 & 15
    }

    pub(crate) const fn rcode(&self) -> u8 {
        self.flags as u8 & 15
    }

    /// Whether a message of that length can have it.
    pub(crate) fn fits(&self, len: usize) -> bool {
        let entries: usize = self.counts.iter().map(|count| usize::from(*count)).sum();
        let empty = entries == 0 && len != HEADER_LEN;
        2 * entries <= len && !empty && (self.is_response() || self.counts[0] > 0)
    }
}

/// What bytes look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    /// A request.
    Request,
    /// A response.
    Response,
    /// Too few bytes to tell.
    Incomplete,
    /// Not DNS.
    Other,
}

/// Looks at a datagram.
pub(crate) fn guess_udp(message: &[u8]) -> Guess {
    guess(message, message.len())
}

/// Looks at the start of a stream.
pub(crate) fn guess_tcp(stream: &[u8]) -> Guess {
    match stream {
        [high, low, rest @ ..] => {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            guess(rest.get(..len).unwrap_or(rest), len)
        }
        _ => Guess::Incomplete,
    }
}

fn guess(message: &[u8], len: usize) -> Guess {
    let Some(header) = Header::read(message) else {
        return if len < HEADER_LEN { Guess::Other } else { Guess::Incomplete };
    };
    // Of a message that is not there as a whole, only the header can be judged.
    let readable = message.len() < len || Outline::read(message).is_some();
    if !header.fits(len) || !readable {
        return Guess::Other;
    }
    if header.is_response() { Guess::Response } else { Guess::Request }
}

/// Where the parts of a message are, and what is wrong with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    pub(crate) header: Header,
    /// Entries that can be read, by section.
    pub(crate) counts: [u16; 4],
    /// Where the sections start.
    pub(crate) starts: [u32; 4],
    pub(crate) invalid_authorities: bool,
    pub(crate) invalid_additionals: bool,
    pub(crate) name_truncated: bool,
    pub(crate) name_looped: bool,
    pub(crate) too_many_labels: bool,
}

impl Outline {
    /// Walks a message; none when questions or answers can't be read.
    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        let header = Header::read(message)?;
        let mut outline = Self { header, counts: header.counts, ..Self::default() };
        let mut walk = Walker { message, budget: LABEL_BUDGET, outline: &mut outline };
        let mut pos = walk.questions(HEADER_LEN, header.counts[0])?;
        let answers = pos;
        pos = walk.records(pos, header.counts[1])?;
        let authorities = pos;
        let mut additionals = pos;
        match walk.records(pos, header.counts[2]) {
            Some(next) => {
                additionals = next;
                if walk.records(next, header.counts[3]).is_none() {
                    outline.invalid_additionals = true;
                    outline.counts[3] = 0;
                }
            }
            None => {
                outline.invalid_authorities = true;
                outline.counts[2] = 0;
                outline.counts[3] = 0;
            }
        }
        let starts = [HEADER_LEN, answers, authorities, additionals];
        outline.starts = starts.map(|start| u32::try_from(start).unwrap_or(u32::MAX));
        Some(outline)
    }
}

struct Walker<'a> {
    message: &'a [u8],
    budget: u32,
    outline: &'a mut Outline,
}

impl Walker<'_> {
    fn questions(&mut self, mut pos: usize, count: u16) -> Option<usize> {
        for _ in 0..count {
            pos = self.name(pos, self.message.len())? + 4;
            if pos > self.message.len() {
                return None;
            }
        }
        Some(pos)
    }

    fn records(&mut self, mut pos: usize, count: u16) -> Option<usize> {
        for _ in 0..count {
            let fixed = self.name(pos, self.message.len())?;
            let record = Record::fixed(self.message, fixed)?;
            self.rdata(&record)?;
            pos = record.end;
        }
        Some(pos)
    }

    fn name(&mut self, pos: usize, end: usize) -> Option<usize> {
        let read = name::read(self.message, pos, end, &mut self.budget, &mut ());
        let read = read?;
        self.outline.name_truncated |= read.truncated;
        self.outline.name_looped |= read.looped;
        self.outline.too_many_labels |= read.too_many;
        Some(read.next)
    }

    fn rdata(&mut self, record: &Record) -> Option<()> {
        let (start, end) = (record.data, record.end);
        match record.rrtype {
            rrtype::CNAME | rrtype::NS | rrtype::PTR => self.name(start, end).map(|_| ()),
            rrtype::MX if end - start >= 2 => self.name(start + 2, end).map(|_| ()),
            rrtype::SRV if end - start >= 6 => self.name(start + 6, end).map(|_| ()),
            rrtype::SSHFP if end - start >= 2 => Some(()),
            rrtype::MX | rrtype::SRV | rrtype::SSHFP => None,
            rrtype::SOA => {
                let owner = self.name(start, end)?;
                let numbers = self.name(owner, end)?;
                (end.checked_sub(numbers)? >= 20).then_some(())
            }
            rrtype::TXT => {
                let first = self.message.get(start..end)?.first();
                first.is_none_or(|len| start + usize::from(*len) < end).then_some(())
            }
            _ => Some(()),
        }
    }
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) rrtype: u16,
    /// Behind it.
    pub(crate) end: usize,
}

impl Question {
    /// The question at a place, its name put into `out`.
    pub(crate) fn read(
        message: &[u8],
        pos: usize,
        out: &mut impl Sink,
    ) -> Option<(Self, NameRead)> {
        let name = read_name(message, pos, message.len(), out)?;
        let rrtype = word(message, name.next)?;
        Some((Self { rrtype, end: name.next + 4 }, name))
    }
}

/// One resource record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) rrtype: u16,
    pub(crate) ttl: u32,
    /// Where its data starts and ends.
    pub(crate) data: usize,
    pub(crate) end: usize,
}

impl Record {
    /// The record at a place, its name put into `out`.
    pub(crate) fn read(
        message: &[u8],
        pos: usize,
        out: &mut impl Sink,
    ) -> Option<(Self, NameRead)> {
        let name = read_name(message, pos, message.len(), out)?;
        Some((Self::fixed(message, name.next)?, name))
    }

    fn fixed(message: &[u8], at: usize) -> Option<Self> {
        let fixed = message.get(at..)?.first_chunk::<10>()?;
        let len = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        let data = at + 10;
        let end = data + len;
        (end <= message.len()).then_some(Self {
            rrtype: u16::from_be_bytes([fixed[0], fixed[1]]),
            ttl: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            data,
            end,
        })
    }

    /// Its data.
    pub(crate) fn bytes<'a>(&self, message: &'a [u8]) -> &'a [u8] {
        message.get(self.data..self.end).unwrap_or(&[])
    }
}

/// Reads a name of a message that was walked before.
pub(crate) fn read_name(
    message: &[u8],
    pos: usize,
    end: usize,
    out: &mut impl Sink,
) -> Option<NameRead> {
    name::read(message, pos, end, &mut 512, out)
}

/// Two bytes of a message.
pub(crate) fn word(message: &[u8], at: usize) -> Option<u16> {
    message.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}
