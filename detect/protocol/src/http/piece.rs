//! A response that is a part of a file: its bytes on the way to the whole, which other connections
//! may carry parts of, too.

use decode::Timestamp;

use super::message::Known;
use super::range::ContentRange;
use super::transaction::{Context, Transaction};
use crate::file::range::{RangePart, Ranges};
use crate::file::{File, FileSettings};

/// What came of a part since the last call.
enum News {
    Bytes(Vec<u8>),
    Gap(u64),
}

/// The part of a file that a response carries.
pub(crate) struct Piece {
    /// Host and name: what the parts of one file have in common.
    key: Vec<u8>,
    name: Vec<u8>,
    first: u64,
    total: u64,
    settings: FileSettings,
    news: Vec<News>,
    part: Option<RangePart>,
    opened: bool,
    ended: bool,
}

impl Piece {
    /// The part that a response announces; none without the name of a file and of a host.
    pub(crate) fn announced(
        tx: &Transaction,
        name: Option<&[u8]>,
        range: &ContentRange,
        settings: FileSettings,
    ) -> Option<Self> {
        let (first, _) = range.part()?;
        let total = range.size?;
        let host = tx.request.message.value(Known::Host).or(Some(&tx.request.host));
        let host = host.filter(|host| !host.is_empty())?;
        let name = name?.to_vec();
        let key = [host.to_ascii_lowercase().as_slice(), name.as_slice()].concat();
        Some(Self {
            key,
            name,
            first,
            total,
            settings,
            news: Vec::new(),
            part: None,
            opened: false,
            ended: false,
        })
    }

    /// More bytes of it.
    pub(crate) fn append(&mut self, bytes: &[u8], context: &mut Context) {
        if bytes.is_empty() {
            return;
        }
        match self.news.last_mut() {
            Some(News::Bytes(known)) => known.extend_from_slice(bytes),
            _ => self.news.push(News::Bytes(bytes.to_vec())),
        }
        context.parts = true;
    }

    /// Bytes of it were lost.
    pub(crate) fn gap(&mut self, len: u64, context: &mut Context) {
        self.news.push(News::Gap(len));
        context.parts = true;
    }

    /// Nothing comes any more.
    pub(crate) fn end(&mut self, context: &mut Context) {
        self.ended = true;
        context.parts = true;
    }

    /// Hands on what is new; the whole file when it is complete with that. Called once more after
    /// the end it has nothing to do.
    pub(crate) fn join(&mut self, ranges: &mut Ranges, now: Timestamp) -> Option<File> {
        if !std::mem::replace(&mut self.opened, true) {
            let place = (self.first, self.total);
            self.part = ranges.open(&self.key, &self.name, place, &self.settings, now);
        }
        for news in self.news.drain(..) {
            let Some(part) = &mut self.part else { continue };
            match news {
                News::Bytes(bytes) => ranges.append(part, &bytes, now),
                News::Gap(len) => ranges.gap(part, len, now),
            }
        }
        if !self.ended {
            return None;
        }
        ranges.close(self.part.take()?, now)
    }
}
