//! Frames of Lumberjack v2: windows of JSON events on their way out, acknowledgements coming in.

use std::mem;

use flate2::{Compress, Compression, FlushCompress, Status};

use crate::record::Record;
use crate::sinks::mark::Mark;

/// `2J`, sequence, length.
const JSON_HEADER: usize = 10;

/// Bytes of a window before compression, from which on it is full. Together with the number of
/// windows in flight this bounds the memory that a receiver can make us hold.
pub(super) const WINDOW_BYTES: usize = 4 << 20;

/// Receivers refuse longer events, and would refuse them for ever.
const LONGEST_RECORD: usize = 32 << 20;

/// Events that go out together and are acknowledged by their number in the window.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// JSON frames, one after the other.
    frames: Vec<u8>,
    /// Ticket of each event, and where its frame ends.
    events: Vec<(u64, usize)>,
}

impl Window {
    /// How many events there are.
    pub(super) fn count(&self) -> usize {
        self.events.len()
    }

    /// True when no more events should be put in.
    pub(super) fn is_full(&self, events: usize) -> bool {
        self.events.len() >= events || self.frames.len() >= WINDOW_BYTES
    }

    /// Puts a record in as an event.
    ///
    /// # Errors
    /// Why no receiver will ever take it.
    pub(super) fn push(
        &mut self,
        record: &Record<'_>,
        ticket: u64,
        mark: &Mark,
    ) -> Result<(), String> {
        if record.bytes.len() > LONGEST_RECORD {
            return Err(format!("longer than {LONGEST_RECORD} bytes"));
        }
        let start = self.frames.len();
        self.frames.extend([0; JSON_HEADER]);
        if !mark.write(record, &mut self.frames) {
            self.frames.truncate(start);
            return Err("not a JSON object".to_owned());
        }
        let length = (self.frames.len() - start - JSON_HEADER) as u32;
        let sequence = self.events.len() as u32 + 1;
        if let Some(header) = self.frames.get_mut(start..start + JSON_HEADER) {
            header.copy_from_slice(&json_header(sequence, length));
        }
        self.events.push((ticket, self.frames.len()));
        Ok(())
    }

    /// Tickets of events `from..to`, in ranges.
    pub(super) fn tickets(&self, from: usize, to: usize, ranges: &mut Vec<(u64, u64)>) {
        for (ticket, _) in self.events.get(from..to).unwrap_or_default() {
            match ranges.last_mut() {
                Some((_, end)) if end == ticket => *end += 1,
                _ => ranges.push((*ticket, ticket + 1)),
            }
        }
    }

    /// Drops the first `count` events; the others are numbered from 1 again.
    pub(super) fn drop_front(&mut self, count: usize) {
        if count > 0 {
            *self = self.split_off(count);
        }
    }

    /// Takes the events from number `at` on (from 0) into a window of their own.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let at = at.min(self.events.len());
        let cut =
            at.checked_sub(1).and_then(|last| self.events.get(last)).map_or(0, |(_, end)| *end);
        let mut rest =
            Self { frames: self.frames.split_off(cut), events: self.events.split_off(at) };
        let mut start = 0;
        for ((_, end), sequence) in rest.events.iter_mut().zip(1_u32..) {
            *end -= cut;
            if let Some(number) = rest.frames.get_mut(start + 2..start + 6) {
                number.copy_from_slice(&sequence.to_be_bytes());
            }
            start = *end;
        }
        rest
    }
}

fn json_header(sequence: u32, length: u32) -> [u8; JSON_HEADER] {
    let ([a, b, c, d], [e, f, g, h]) = (sequence.to_be_bytes(), length.to_be_bytes());
    [b'2', b'J', a, b, c, d, e, f, g, h]
}

/// Writes windows, compressed or not.
#[derive(Debug)]
pub(super) struct Encoder {
    deflate: Option<Compress>,
}

impl Encoder {
    /// For a level of zlib; 0 does not compress.
    pub(super) fn new(level: u32) -> Self {
        let deflate = (level > 0).then(|| Compress::new(Compression::new(level.min(9)), true));
        Self { deflate }
    }

    /// Appends the window's size and its events.
    pub(super) fn write(&mut self, window: &Window, out: &mut Vec<u8>) {
        out.extend(b"2W");
        out.extend((window.events.len() as u32).to_be_bytes());
        let start = out.len();
        if self.compress(&window.frames, out).is_none() {
            out.truncate(start);
            out.extend(&window.frames);
        }
    }

    /// Appends a `2C` frame. None when that can't be done.
    fn compress(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let deflate = self.deflate.as_mut()?;
        deflate.reset();
        out.extend(b"2C\0\0\0\0");
        let start = out.len();
        loop {
            out.reserve(frames.len() / 4 + 1024);
            let rest = frames.get(usize::try_from(deflate.total_in()).ok()?..)?;
            match deflate.compress_vec(rest, out, FlushCompress::Finish).ok()? {
                Status::StreamEnd => break,
                Status::Ok | Status::BufError => {}
            }
        }
        let length = u32::try_from(out.len() - start).ok()?;
        out.get_mut(start - 4..start)?.copy_from_slice(&length.to_be_bytes());
        Some(())
    }
}

/// Reads acknowledgements, however they are cut into pieces.
#[derive(Debug, Default)]
pub(super) struct Acknowledgements {
    frame: [u8; 6],
    have: usize,
}

impl Acknowledgements {
    /// Reads `bytes` and calls `each` with every sequence number in them.
    ///
    /// # Errors
    /// What is wrong with them, or what `each` says.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(u32) -> Result<(), String>,
    ) -> Result<(), String> {
        for byte in bytes {
            match (self.have, byte) {
                (0, b'2') | (1, b'A') | (2.., _) => {}
                (0, 0x15) => return Err("the receiver wants TLS (tls)".to_owned()),
                _ => {
                    return Err("the answer is not of Lumberjack v2: \
                                is this the port of a beats input?"
                        .to_owned());
                }
            }
            if let Some(place) = self.frame.get_mut(self.have) {
                *place = *byte;
            }
            self.have += 1;
            if self.have == self.frame.len() {
                self.have = 0;
                let [_, _, sequence @ ..] = mem::take(&mut self.frame);
                each(u32::from_be_bytes(sequence))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(records: &[&str]) -> Window {
        let mut window = Window::default();
        let mark = Mark::new("s", false);
        for (ticket, record) in (10..).zip(records) {
            let record = Record { worker: 0, sequence: ticket, bytes: record.as_bytes() };
            window.push(&record, ticket, &mark).expect("an object");
        }
        window
    }

    /// Sequence numbers and the first bytes of events, as a receiver reads them.
    fn events(mut frames: &[u8]) -> Vec<(u32, String)> {
        let mut found = Vec::new();
        while let [b'2', b'J', a, b, c, d, e, f, g, h, rest @ ..] = frames {
            let length = u32::from_be_bytes([*e, *f, *g, *h]) as usize;
            let text = String::from_utf8(rest[..length].to_vec()).expect("UTF-8");
            let own = text.split_once("},").map_or(text.clone(), |(_, own)| own.to_owned());
            found.push((u32::from_be_bytes([*a, *b, *c, *d]), own));
            frames = &rest[length..];
        }
        assert!(frames.is_empty());
        found
    }

    fn numbered(events: &[(u32, &str)]) -> Vec<(u32, String)> {
        events.iter().map(|(sequence, text)| (*sequence, (*text).to_owned())).collect()
    }

    #[test]
    fn what_is_left_of_a_window_is_numbered_from_one() {
        let mut whole = window(&["{\"a\":1}", "{\"a\":2}", "{\"a\":3}", "{\"a\":4}"]);
        whole.drop_front(1);
        assert_eq!(
            events(&whole.frames),
            numbered(&[(1, "\"a\":2}"), (2, "\"a\":3}"), (3, "\"a\":4}")])
        );
        let tail = whole.split_off(2);
        assert_eq!(events(&whole.frames), numbered(&[(1, "\"a\":2}"), (2, "\"a\":3}")]));
        assert_eq!(events(&tail.frames), numbered(&[(1, "\"a\":4}")]));
        let mut ranges = Vec::new();
        tail.tickets(0, 1, &mut ranges);
        whole.tickets(0, 2, &mut ranges);
        assert_eq!(ranges, [(13, 14), (11, 13)]);
        whole.drop_front(9);
        assert_eq!(whole.count(), 0);
    }

    #[test]
    fn windows_are_written_plain_and_compressed() {
        let text = format!("{{\"a\":\"{}\"}}", "x".repeat(100_000));
        let window = window(&[&text, "{\"b\":1}"]);
        let mut plain = Vec::new();
        Encoder::new(0).write(&window, &mut plain);
        assert_eq!(plain[..6], *b"2W\0\0\0\x02");
        assert_eq!(plain[6..], window.frames);
        let mut encoder = Encoder::new(3);
        for _ in 0..2 {
            let mut small = Vec::new();
            encoder.write(&window, &mut small);
            assert_eq!((&small[..8], small.len() < 2000), (&b"2W\0\0\0\x022C"[..], true));
            let mut inflated = Vec::new();
            let mut decoder = flate2::read::ZlibDecoder::new(&small[12..]);
            std::io::Read::read_to_end(&mut decoder, &mut inflated).expect("zlib");
            assert_eq!(inflated, window.frames);
        }
    }

    #[test]
    fn records_that_nobody_takes_are_refused() {
        let mut window = Window::default();
        let mark = Mark::new("s", true);
        let long = [b"{\"a\":\"".to_vec(), vec![b'x'; LONGEST_RECORD], b"\"}".to_vec()].concat();
        for (bytes, why) in [(&b"[]"[..], "not a JSON object"), (&long, "longer than")] {
            let record = Record { worker: 0, sequence: 0, bytes };
            let error = window.push(&record, 0, &mark).expect_err("refused");
            assert!(error.contains(why), "{error}");
        }
        assert_eq!((window.count(), window.frames.len()), (0, 0));
    }

    #[test]
    fn acknowledgements_come_in_pieces() {
        let bytes = b"2A\0\0\0\0" as &[u8];
        let all = [bytes, b"2A\0\0\x01\x02", b"2A\xff\xff\xff\xff"].concat();
        for size in 1..=all.len() {
            let (mut reader, mut found) = (Acknowledgements::default(), Vec::new());
            for piece in all.chunks(size) {
                let mut note = |sequence| {
                    found.push(sequence);
                    Ok(())
                };
                reader.read(piece, &mut note).expect("frames");
            }
            assert_eq!(found, [0, 0x102, u32::MAX]);
        }
        for (garbage, why) in [
            (&b"HTTP/1.1 400"[..], "beats input"),
            (b"2W\0\0\0\x01", "beats input"),
            (b"1A\0\0\0\x01", "beats input"),
            (b"\x15\x03\x01", "wants TLS"),
        ] {
            let error = Acknowledgements::default().read(garbage, |_| Ok(())).expect_err("garbage");
            assert!(error.contains(why), "{error}");
        }
    }
}
