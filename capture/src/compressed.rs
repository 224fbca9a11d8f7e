//! Compressed captures: gzip, zstd and lz4 frames, unpacked as they are read.

use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder as Lz4Decoder;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder as ZstdDecoder};

/// The most memory that a file may ask of a decompressor: the default limit of the zstd tool,
/// which covers everything but files made with `--ultra` or `--long=28` and more. gzip needs
/// 32 KiB, lz4 at most 12 MiB.
pub(crate) const MEMORY_LIMIT: u64 = 128 * 1024 * 1024;

/// A form of compression that captures come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
    Lz4,
}

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// RFC 8878, 3.1.1.1: the length of the longest header of a frame, the magic number included.
const ZSTD_LONGEST_HEADER: usize = 18;

impl Compression {
    /// The compression of a file that begins so. Skippable frames, which zstd and lz4 share,
    /// count as zstd: its reader takes frames of both kinds.
    pub(crate) fn recognise(magic: [u8; 4]) -> Option<Compression> {
        match magic {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            LZ4_MAGIC => Some(Compression::Lz4),
            ZSTD_MAGIC => Some(Compression::Zstd),
            _ if is_skippable(magic) => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// The unpacked contents of a compressed input.
    pub(crate) fn unpack(self, reader: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
        let input = Input::new(reader);
        match self {
            Compression::Gzip => {
                let reader = io::BufReader::with_capacity(INPUT_BUFFER, input);
                Box::new(Gzip(MultiGzDecoder::new(reader)))
            }
            Compression::Zstd | Compression::Lz4 => {
                Box::new(Frames { state: State::Between(input) })
            }
        }
    }
}

const INPUT_BUFFER: usize = 64 * 1024;

/// gzip members, one after another.
struct Gzip(MultiGzDecoder<io::BufReader<Input>>);

/// zstd or lz4 frames, one after another.
struct Frames {
    state: State,
}

enum State {
    Between(Input),
    Zstd(Box<Zstd>),
    Lz4(Box<Lz4Decoder<Input>>),
    Over,
}

struct Zstd {
    decoder: ZstdDecoder,
    input: Input,
    failure: Option<io::Error>,
}

/// The compressed bytes, with a look ahead.
struct Input {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Whether somebody asked for more than there was.
    exhausted: bool,
}

impl Read for Gzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A decoder that meets a fault drops what the same call has unpacked: keep that short.
        let length = buffer.len().min(16 * 1024);
        let part = buffer.get_mut(..length).unwrap_or_default();
        self.0.read(part).map_err(|error| explain("gzip", error))
    }
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.state {
                State::Over => return Ok(0),
                State::Zstd(zstd) => {
                    let count = zstd.read(buffer)?;
                    if count > 0 {
                        return Ok(count);
                    }
                }
                State::Lz4(decoder) => {
                    let count = decoder.read(buffer).map_err(|error| explain("lz4", error))?;
                    if count > 0 {
                        return Ok(count);
                    }
                    // The decoder takes an end of its input between blocks for that of the frame.
                    if decoder.get_ref().exhausted {
                        return Err(cut("lz4"));
                    }
                }
                State::Between(_) => {}
            }
            self.next_frame()?;
        }
    }
}

impl Frames {
    fn next_frame(&mut self) -> io::Result<()> {
        let mut input = match std::mem::replace(&mut self.state, State::Over) {
            State::Between(input) => input,
            State::Zstd(zstd) => zstd.input,
            State::Lz4(decoder) => decoder.into_inner(),
            State::Over => return Ok(()),
        };
        loop {
            let head = input.peek(8)?;
            let (magic, length) = match head {
                [] => return Ok(()),
                [m0, m1, m2, m3, length @ ..] => {
                    ([*m0, *m1, *m2, *m3], length.first_chunk::<4>().copied())
                }
                _ => return Err(invalid("bytes after the last frame that begin no other".into())),
            };
            if is_skippable(magic) {
                let Some(length) = length else { return Err(cut("zstd or lz4")) };
                input.skip(8 + u64::from(u32::from_le_bytes(length)))?;
                continue;
            }
            self.state = match magic {
                ZSTD_MAGIC => State::Zstd(Box::new(Zstd::new(input)?)),
                LZ4_MAGIC => State::Lz4(Box::new(Lz4Decoder::new(input))),
                _ => return Err(invalid("bytes after the last frame that begin no other".into())),
            };
            return Ok(());
        }
    }
}

impl Zstd {
    fn new(mut input: Input) -> io::Result<Zstd> {
        let needed = zstd_window(input.peek(ZSTD_LONGEST_HEADER)?);
        if needed > MEMORY_LIMIT {
            return Err(invalid(format!(
                "unpacking this zstd frame takes {needed} bytes of memory, \
                 the limit is {MEMORY_LIMIT}"
            )));
        }
        let mut decoder = ZstdDecoder::new();
        decoder.init(&mut input).map_err(|error| Zstd::explain(&input, error))?;
        Ok(Zstd { decoder, input, failure: None })
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut available = self.decoder.can_collect();
        while available < buffer.len() && !self.decoder.is_finished() {
            let more = BlockDecodingStrategy::UptoBytes(buffer.len() - available);
            if let Err(error) = self.decoder.decode_blocks(&mut self.input, more) {
                self.failure = Some(Zstd::explain(&self.input, error));
                // The decoder keeps a window back until a frame is finished. An empty last block
                // and any checksum finish this one, and what was unpacked so far comes out.
                let mut last_block: &[u8] = &[1, 0, 0, 0, 0, 0, 0];
                let _ = self.decoder.decode_blocks(&mut last_block, BlockDecodingStrategy::All);
                break;
            }
            available = self.decoder.can_collect();
        }
        let count = self.decoder.read(buffer)?;
        if count > 0 {
            return Ok(count);
        }
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        match self.decoder.get_checksum_from_data() {
            Some(stated) if self.decoder.get_calculated_checksum() != Some(stated) => {
                Err(invalid("the checksum of a zstd frame does not match its contents".into()))
            }
            _ => Ok(0),
        }
    }

    fn explain(input: &Input, error: impl std::fmt::Display) -> io::Error {
        if input.exhausted {
            return cut("zstd");
        }
        invalid(format!("the zstd data is broken: {error}"))
    }
}

/// How much memory the header of a frame asks for (RFC 8878, 3.1.1.1); 0 if it is cut short.
fn zstd_window(header: &[u8]) -> u64 {
    let [_, _, _, _, descriptor, rest @ ..] = header else { return 0 };
    let single_segment = descriptor & 0x20 != 0;
    if !single_segment {
        let Some(window) = rest.first().copied() else { return 0 };
        let base = 1u64 << (10 + (window >> 3));
        return base + base / 8 * u64::from(window & 7);
    }
    let dictionary = match descriptor & 3 {
        3 => 4,
        other => usize::from(other),
    };
    let rest = rest.get(dictionary..).unwrap_or_default();
    match (descriptor >> 6, rest) {
        (0, [size, ..]) => u64::from(*size),
        (1, [s0, s1, ..]) => u64::from(u16::from_le_bytes([*s0, *s1])) + 256,
        (2, rest) => rest.first_chunk().map_or(0, |size| u64::from(u32::from_le_bytes(*size))),
        (3, rest) => rest.first_chunk().map_or(0, |size| u64::from_le_bytes(*size)),
        _ => 0,
    }
}

impl Input {
    fn new(reader: Box<dyn Read + Send>) -> Input {
        Input { reader, buffer: vec![0; INPUT_BUFFER], start: 0, end: 0, exhausted: false }
    }

    /// Up to `count` bytes without taking them; fewer at the end of the input.
    fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.end - self.start < count && self.fill()? {}
        let end = self.end.min(self.start + count);
        Ok(self.buffer.get(self.start..end).unwrap_or_default())
    }

    fn skip(&mut self, mut count: u64) -> io::Result<()> {
        loop {
            let here = ((self.end - self.start) as u64).min(count);
            self.start += here as usize;
            count -= here;
            if count == 0 {
                return Ok(());
            }
            if !self.fill()? {
                return Err(cut("zstd or lz4"));
            }
        }
    }

    /// One successful read; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        loop {
            match self.reader.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
                Ok(count) => {
                    self.end = self.buffer.len().min(self.end + count);
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end && !buffer.is_empty() && !self.fill()? {
            self.exhausted = true;
            return Ok(0);
        }
        let mut rest = self.buffer.get(self.start..self.end).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.start += count;
        Ok(count)
    }
}

fn is_skippable(magic: [u8; 4]) -> bool {
    matches!(magic, [0x50..=0x5f, 0x2a, 0x4d, 0x18])
}

fn cut(format: &str) -> io::Error {
    let what = format!("the file ends too early: its {format} data is incomplete");
    io::Error::new(io::ErrorKind::UnexpectedEof, what)
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Puts the decoder's words in context; trouble with the input itself passes unchanged.
fn explain(format: &str, error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => cut(format),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            invalid(format!("the {format} data is broken: {error}"))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zstd_memory() {
        let magic = ZSTD_MAGIC;
        let head = |rest: &[u8]| [&magic[..], rest].concat();
        for (header, window) in [
            (head(&[0x00, 0x00]), 1024),
            (head(&[0x00, 0x8a]), (1 << 27) + (1 << 27) / 4),
            (head(&[0x00, 0xff]), (1 << 41) + 7 * (1 << 38)),
            (head(&[0x20, 9]), 9),
            (head(&[0x21, 0xaa, 9]), 9),
            (head(&[0x60, 1, 0]), 257),
            (head(&[0xa0, 0, 0, 0, 0x80]), 1 << 31),
            (head(&[0xe3, 1, 2, 3, 4, 0, 0, 0, 0, 1, 0, 0, 0]), 1 << 32),
            (head(&[]), 0),
            (head(&[0xe0, 1]), 0),
        ] {
            assert_eq!(zstd_window(&header), window, "{header:02x?}");
        }
    }

    #[test]
    fn frames_that_want_too_much_memory_are_refused() {
        let frame = [&ZSTD_MAGIC[..], &[0x00, 0x8a], &[1, 0, 0]].concat();
        let mut reader = Compression::Zstd.unpack(Box::new(io::Cursor::new(frame)));
        let error = reader.read(&mut [0; 10]).unwrap_err();
        assert!(error.to_string().contains("the limit is 134217728"), "{error}");
    }

    #[test]
    fn frames_of_several_kinds_follow_each_other() {
        let skippable = [0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        let zstd = |data: &[u8]| {
            ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
        };
        let lz4 = |data: &[u8]| {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            io::Write::write_all(&mut encoder, data).unwrap();
            encoder.finish().unwrap()
        };
        let mut bytes = Vec::new();
        for part in [&skippable[..], &zstd(b"one "), &skippable, &lz4(b"two "), &zstd(b"three")] {
            bytes.extend_from_slice(part);
        }
        let magic = *bytes.first_chunk().unwrap();
        let mut unpacked = String::new();
        let compression = Compression::recognise(magic).unwrap();
        let mut reader = compression.unpack(Box::new(io::Cursor::new(bytes)));
        reader.read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, "one two three");
    }
}
