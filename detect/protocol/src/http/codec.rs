//! One decoder of a content coding, fed in pieces; checksums and trailers do not matter.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use liblzma::stream::{Action, Stream};

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// gzip, RFC 1952.
    Gzip,
    /// Bare deflate, RFC 1951.
    Deflate,
    /// zlib, RFC 1950.
    Zlib,
    /// Brotli, RFC 7932.
    Brotli,
    /// LZMA with the header of the `.lzma` format.
    Lzma,
}

impl Coding {
    /// What is tried when the data is not in this coding.
    pub(crate) const fn fallback(self) -> Self {
        match self {
            Self::Gzip | Self::Brotli | Self::Lzma => Self::Deflate,
            Self::Deflate => Self::Zlib,
            Self::Zlib => Self::Gzip,
        }
    }
}

/// The data can't be decoded any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undecodable;

/// How far a step got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// Bytes of input used.
    pub(crate) used: usize,
    /// Bytes of output made.
    pub(crate) made: usize,
    /// The stream is at its end.
    pub(crate) end: bool,
    /// It is broken after this output.
    pub(crate) broken: bool,
}

type Brotli = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

/// State of a decoder.
pub(crate) enum Codec {
    /// Deflate data of gzip, of which nothing was read yet.
    Member(Decompress),
    /// Deflate data, behind a gzip header that is not through yet, if there is one.
    Inflate(Option<GzipHeader>, Decompress),
    /// Brotli.
    Brotli(Box<Brotli>),
    /// In the header of LZMA.
    LzmaHeader(Vec<u8>, u64),
    /// LZMA.
    Lzma(Stream),
    /// Everything passes through after so many bytes.
    Skip(usize),
    /// Everything passes through.
    Pass,
    /// Nothing comes out any more.
    Done,
}

impl Codec {
    /// A decoder; `spare` is an inflater that can be used again.
    pub(crate) fn new(coding: Coding, spare: Option<Decompress>, lzma_memlimit: u64) -> Self {
        let inflater = |zlib: bool| match spare {
            Some(mut inflater) => {
                inflater.reset(zlib);
                inflater
            }
            None => Decompress::new(zlib),
        };
        match coding {
            Coding::Gzip => Self::Inflate(Some(GzipHeader::default()), inflater(false)),
            Coding::Deflate => Self::Inflate(None, inflater(false)),
            Coding::Zlib => Self::Inflate(None, inflater(true)),
            Coding::Brotli => {
                let alloc = StandardAlloc::default;
                Self::Brotli(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())))
            }
            Coding::Lzma => Self::LzmaHeader(Vec::new(), lzma_memlimit),
        }
    }

    /// The inflater, to be used again.
    pub(crate) fn into_spare(self) -> Option<Decompress> {
        match self {
            Self::Member(inflater) | Self::Inflate(_, inflater) => Some(inflater),
            _ => None,
        }
    }

    fn begin_member(&mut self) {
        if let Self::Inflate(_, inflater) = std::mem::replace(self, Self::Done) {
            *self = Self::Member(inflater);
        }
    }

    /// What is behind the header is inflated as it comes.
    pub(crate) fn begin_pieces(&mut self) {
        if matches!(self, Self::Member(_))
            && let Self::Member(inflater) = std::mem::replace(self, Self::Done)
        {
            *self = Self::Inflate(None, inflater);
        }
    }

    /// Decodes some of `input` into `out`.
    pub(crate) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, Undecodable> {
        match self {
            Self::Pass => {
                let n = input.len().min(out.len());
                if let (Some(to), Some(from)) = (out.get_mut(..n), input.get(..n)) {
                    to.copy_from_slice(from);
                }
                Ok(Step { used: n, made: n, ..Step::default() })
            }
            Self::Skip(left) => {
                let used = input.len().min(*left);
                *left -= used;
                if *left == 0 {
                    *self = Self::Pass;
                }
                Ok(Step { used, ..Step::default() })
            }
            Self::Done => Ok(Step { used: input.len(), ..Step::default() }),
            Self::Inflate(None, inflater) => inflate(inflater, input, out),
            Self::Inflate(Some(header), _) => {
                let used = header.skip(input)?;
                if header.is_done() {
                    self.begin_member();
                }
                Ok(Step { used, ..Step::default() })
            }
            Self::Member(_) => {
                self.begin_pieces();
                Ok(Step::default())
            }
            Self::Brotli(state) => brotli(state, input, out),
            Self::LzmaHeader(header, limit) => {
                let used = input.len().min(LZMA_HEADER - header.len());
                header.extend_from_slice(input.get(..used).unwrap_or(&[]));
                if header.len() == LZMA_HEADER {
                    let stream = lzma_stream(header, *limit)?;
                    *self = Self::Lzma(stream);
                }
                Ok(Step { used, ..Step::default() })
            }
            Self::Lzma(stream) => lzma(stream, input, out),
        }
    }
}

fn inflate(inflater: &mut Decompress, input: &[u8], out: &mut [u8]) -> Result<Step, Undecodable> {
    let (read, written) = (inflater.total_in(), inflater.total_out());
    let result = inflater.decompress(input, out, FlushDecompress::None);
    let used = (inflater.total_in() - read) as usize;
    let made = (inflater.total_out() - written) as usize;
    match result {
        Ok(status) => Ok(Step { used, made, end: status == Status::StreamEnd, broken: false }),
        // What was made before the fault counts.
        Err(_) if made > 0 => Ok(Step { used, made, end: false, broken: true }),
        Err(_) => Err(Undecodable),
    }
}

fn brotli(state: &mut Brotli, input: &[u8], out: &mut [u8]) -> Result<Step, Undecodable> {
    let (mut available_in, mut used) = (input.len(), 0);
    let (mut available_out, mut made, mut total) = (out.len(), 0, 0);
    let result = BrotliDecompressStream(
        &mut available_in,
        &mut used,
        input,
        &mut available_out,
        &mut made,
        out,
        &mut total,
        state,
    );
    match result {
        BrotliResult::ResultFailure if made == 0 => Err(Undecodable),
        BrotliResult::ResultFailure => Ok(Step { used, made, end: false, broken: true }),
        BrotliResult::ResultSuccess => Ok(Step { used, made, end: true, broken: false }),
        _ => Ok(Step { used, made, ..Step::default() }),
    }
}

const LZMA_HEADER: usize = 13;

/// Starts the decoder with the header that was read. The dictionary is made no larger than the
/// limit: output within the limit decodes whatever dictionary was declared.
fn lzma_stream(header: &mut [u8], limit: u64) -> Result<Stream, Undecodable> {
    let [_, d0, d1, d2, d3, ..] = header else { return Err(Undecodable) };
    let declared = u32::from_le_bytes([*d0, *d1, *d2, *d3]);
    let dictionary = u64::from(declared).min(limit.max(4096)) as u32;
    [*d0, *d1, *d2, *d3] = dictionary.to_le_bytes();
    let memory = u64::from(dictionary).saturating_add(1 << 20);
    let mut stream = Stream::new_lzma_decoder(memory).map_err(|_| Undecodable)?;
    // The decoder takes nothing without room for output; the header yields none.
    stream.process(header, &mut [0], Action::Run).map_err(|_| Undecodable)?;
    Ok(stream)
}

fn lzma(stream: &mut Stream, input: &[u8], out: &mut [u8]) -> Result<Step, Undecodable> {
    let (read, written) = (stream.total_in(), stream.total_out());
    let result = stream.process(input, out, Action::Run);
    let used = (stream.total_in() - read) as usize;
    let made = (stream.total_out() - written) as usize;
    match result {
        Ok(status) => Ok(Step {
            used,
            made,
            end: status == liblzma::stream::Status::StreamEnd,
            broken: false,
        }),
        Err(_) if made > 0 => Ok(Step { used, made, end: false, broken: true }),
        Err(_) => Err(Undecodable),
    }
}

/// Skips the header of a gzip member: reserved flags and the checksum do not matter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GzipHeader {
    part: Part,
    flags: u8,
    count: u16,
    extra: u16,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Fixed,
    ExtraLen,
    Extra,
    Name,
    Comment,
    Checksum,
    Done,
}

const FHCRC: u8 = 2;
const FEXTRA: u8 = 4;
const FNAME: u8 = 8;
const FCOMMENT: u8 = 16;

impl GzipHeader {
    fn is_done(&self) -> bool {
        self.part == Part::Done
    }

    /// How many bytes of `input` belong to the header.
    fn skip(&mut self, input: &[u8]) -> Result<usize, Undecodable> {
        self.settle();
        let mut at = 0;
        while self.part != Part::Done {
            let rest = input.get(at..).unwrap_or(&[]);
            let Some(&byte) = rest.first() else { break };
            match self.part {
                Part::Fixed => self.fixed(byte)?,
                Part::ExtraLen => {
                    self.extra |= u16::from(byte) << (8 * self.count);
                    self.count += 1;
                    if self.count == 2 {
                        self.enter(Part::Extra);
                    }
                }
                Part::Extra | Part::Checksum => {
                    self.count += 1;
                    if self.part == Part::Checksum && self.count == 2 {
                        self.enter(Part::Done);
                    }
                }
                Part::Name | Part::Comment => match memchr::memchr(0, rest) {
                    None => {
                        at += rest.len();
                        continue;
                    }
                    Some(nul) => {
                        at += nul;
                        let name = self.part == Part::Name;
                        self.enter(if name { Part::Comment } else { Part::Checksum });
                    }
                },
                Part::Done => {}
            }
            at += 1;
            self.settle();
        }
        Ok(at)
    }

    fn fixed(&mut self, byte: u8) -> Result<(), Undecodable> {
        let magic = [0x1f, 0x8b, 8];
        if magic.get(usize::from(self.count)).is_some_and(|&want| want != byte) {
            return Err(Undecodable);
        }
        if self.count == 3 {
            self.flags = byte;
        }
        self.count += 1;
        if self.count == 10 {
            self.enter(Part::ExtraLen);
        }
        Ok(())
    }

    fn enter(&mut self, part: Part) {
        self.part = part;
        self.count = 0;
    }

    /// Passes over parts that the flags say are not there.
    fn settle(&mut self) {
        loop {
            let next = match self.part {
                Part::ExtraLen if self.flags & FEXTRA == 0 => Part::Name,
                Part::Extra if self.count >= self.extra => Part::Name,
                Part::Name if self.flags & FNAME == 0 => Part::Comment,
                Part::Comment if self.flags & FCOMMENT == 0 => Part::Checksum,
                Part::Checksum if self.flags & FHCRC == 0 => Part::Done,
                _ => return,
            };
            self.enter(next);
        }
    }
}
