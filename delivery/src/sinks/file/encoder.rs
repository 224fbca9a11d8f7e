//! Lines as they go to disk: as they are, or as frames of gzip or zstd that each stand alone.
//!
//! Frames behind one another are one stream to every reader (RFC 1952 section 2.2, RFC 8878 section
//! 3). What the kernel has been given is thus readable whatever happens next, and where the last
//! whole frame ends can be found without reading the contents: zstd has the length of each block
//! in front of it, and to gzip's members a field of our own adds theirs.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use flate2::{Compress, Crc, FlushCompress, Status};
use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, compress_bound};

use super::settings::Compression;

/// The gzip header: magic, deflate, with an extra field, no time, no hints, from Unix; 8 bytes of
/// extra field, which are "BE", 4 bytes, and the length of the whole member.
const GZIP: [u8; 16] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3, 8, 0, b'B', b'E', 4, 0];
/// Begins a frame of zstd.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Bytes of the whole header, and of the checksum and length that end a member.
const GZIP_HEADER: usize = 20;
const GZIP_TRAILER: usize = 8;

/// Makes frames of lines.
pub(super) struct Encoder {
    kind: Kind,
    frame: Vec<u8>,
}

enum Kind {
    Plain,
    Gzip(Compress),
    Zstd(Compressor<'static>),
}

impl Encoder {
    pub(super) fn new(compression: Compression, level: Option<i32>) -> Result<Self, String> {
        let kind = match (compression, level) {
            (Compression::None, None) => Kind::Plain,
            (Compression::None, Some(_)) => {
                return Err("level: nothing is compressed; set `compression`".to_owned());
            }
            (Compression::Gzip, level) => {
                let level = level.unwrap_or(6);
                let known = u32::try_from(level).ok().filter(|level| (1..=9).contains(level));
                let level = known.ok_or("level: gzip has levels from 1 to 9")?;
                Kind::Gzip(Compress::new(flate2::Compression::new(level), false))
            }
            (Compression::Zstd, level) => {
                let level = level.unwrap_or(3);
                if !(1..=19).contains(&level) {
                    return Err("level: zstd has levels from 1 to 19".to_owned());
                }
                let mut compressor = Compressor::new(level).map_err(|error| error.to_string())?;
                let checked = compressor.set_parameter(CParameter::ChecksumFlag(true));
                checked.map_err(|error| error.to_string())?;
                Kind::Zstd(compressor)
            }
        };
        Ok(Self { kind, frame: Vec::new() })
    }

    /// What is to be written for lines.
    pub(super) fn encode<'a>(&'a mut self, lines: &'a [u8]) -> io::Result<&'a [u8]> {
        self.frame.clear();
        match &mut self.kind {
            Kind::Plain => return Ok(lines),
            Kind::Gzip(compress) => deflate(compress, lines, &mut self.frame)?,
            Kind::Zstd(compressor) => {
                self.frame.reserve(compress_bound(lines.len()));
                compressor.compress_to_buffer(lines, &mut self.frame)?;
            }
        }
        Ok(&self.frame)
    }
}

fn deflate(compress: &mut Compress, lines: &[u8], frame: &mut Vec<u8>) -> io::Result<()> {
    frame.extend_from_slice(&GZIP);
    frame.extend_from_slice(&[0; 4]);
    compress.reset();
    // Stored blocks, which deflate falls back to, take 5 bytes for each 16 KiB or more.
    frame.reserve(lines.len() + lines.len() / 1024 + 1024);
    loop {
        let read = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        let rest = lines.get(read..).unwrap_or_default();
        match compress.compress_vec(rest, frame, FlushCompress::Finish)? {
            Status::StreamEnd => break,
            _ => frame.reserve(frame.len().max(4096)),
        }
    }
    let mut crc = Crc::new();
    crc.update(lines);
    frame.extend_from_slice(&crc.sum().to_le_bytes());
    frame.extend_from_slice(&crc.amount().to_le_bytes());
    let too_long = |_| io::Error::other("a frame of more than 4 GiB");
    let length = u32::try_from(frame.len()).map_err(too_long)?.to_le_bytes();
    if let Some(place) = frame.get_mut(GZIP.len()..GZIP_HEADER) {
        place.copy_from_slice(&length);
    }
    Ok(())
}

/// Where the last whole line or frame of a file ends.
pub(super) fn whole(file: &File, compression: Compression) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let next = match compression {
        Compression::None => return last_line(file, length),
        Compression::Gzip => gzip_member,
        Compression::Zstd => zstd_frame,
    };
    let mut at = 0;
    while let Some(end) = next(file, at)?.filter(|end| *end <= length && *end > at) {
        at = end;
    }
    Ok(at)
}

/// True when a file that has no whole frame does not even begin like one.
pub(super) fn is_foreign(file: &File, compression: Compression) -> io::Result<bool> {
    let Some(start) = bytes::<4>(file, 0)? else { return Ok(false) };
    Ok(match compression {
        Compression::None => false,
        Compression::Gzip => GZIP.first_chunk() != Some(&start),
        Compression::Zstd => start != ZSTD,
    })
}

fn last_line(file: &File, length: u64) -> io::Result<u64> {
    let mut buffer = [0; 64 * 1024];
    let mut end = length;
    while end > 0 {
        let size = end.min(buffer.len() as u64);
        let start = end - size;
        let part = buffer.get_mut(..size as usize).unwrap_or_default();
        file.read_exact_at(part, start)?;
        if let Some(at) = memchr::memrchr(b'\n', part) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Some bytes of a file; none if it ends before.
fn bytes<const N: usize>(file: &File, at: u64) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The end of the member that begins at a place; none if none of ours does.
fn gzip_member(file: &File, at: u64) -> io::Result<Option<u64>> {
    let Some(header) = bytes::<GZIP_HEADER>(file, at)? else { return Ok(None) };
    let (fixed, length) = header.split_at(GZIP.len());
    let length = length.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let is_ours = fixed == GZIP && length as usize >= GZIP_HEADER + GZIP_TRAILER;
    Ok(is_ours.then_some(at + u64::from(length)))
}

/// The end of the zstd frame that begins at a place (RFC 8878 section 3.1.1); none if none does.
fn zstd_frame(file: &File, start: u64) -> io::Result<Option<u64>> {
    let Some([a, b, c, d, descriptor]) = bytes::<5>(file, start)? else { return Ok(None) };
    if [a, b, c, d] != ZSTD {
        return Ok(None);
    }
    let is_single = descriptor & 0x20 != 0;
    let window = u64::from(!is_single);
    let dictionary = [0, 1, 2, 4].get(usize::from(descriptor & 3)).copied().unwrap_or(0);
    let content = match descriptor >> 6 {
        0 => u64::from(is_single),
        flag => 1 << flag,
    };
    let mut at = start + 5 + window + dictionary + content;
    loop {
        let Some([a, b, c]) = bytes::<3>(file, at)? else { return Ok(None) };
        let header = u32::from_le_bytes([a, b, c, 0]);
        at += 3 + match (header >> 1) & 3 {
            1 => 1,
            3 => return Ok(None),
            _ => u64::from(header >> 3),
        };
        if header & 1 != 0 {
            break;
        }
    }
    let checksum = if descriptor & 4 != 0 { 4 } else { 0 };
    Ok(Some(at + checksum))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use proptest::prelude::*;

    use super::*;

    fn plain(bytes: &[u8], compression: Compression) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        match compression {
            Compression::None => out.extend_from_slice(bytes),
            Compression::Gzip => {
                flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out)?;
            }
            Compression::Zstd => out = zstd::decode_all(bytes)?,
        }
        Ok(out)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_file_that_is_cut_anywhere_is_whole_up_to_its_last_frame(
            parts in prop::collection::vec((0usize..400, any::<u32>()), 1..6),
            cut in 0.0f64..1.0,
            noise in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
                let mut encoder = Encoder::new(compression, None).unwrap();
                let (mut all, mut ends) = (Vec::new(), vec![0]);
                for (count, seed) in &parts {
                    let lines: String = (0..*count)
                        .map(|at| format!("{{\"a\":{}}}\n", seed.wrapping_mul(at as u32)))
                        .collect();
                    all.extend_from_slice(encoder.encode(lines.as_bytes()).unwrap());
                    ends.push(all.len());
                }
                prop_assert!(plain(&all, compression).is_ok());
                let kept = (all.len() as f64 * cut) as usize;
                let mut torn = all[..kept].to_vec();
                if compression != Compression::None && ends.contains(&kept) {
                    torn.extend(noise.iter().filter(|byte| **byte != 0x1f && **byte != 0x28));
                }
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(&torn).unwrap();
                let found = whole(&file, compression).unwrap() as usize;
                let want = match compression {
                    Compression::None => memchr::memrchr(b'\n', &torn).map_or(0, |at| at + 1),
                    _ => *ends.iter().rev().find(|end| **end <= kept).unwrap(),
                };
                prop_assert_eq!(found, want, "{:?} of {:?}", compression, ends);
                prop_assert!(found == 0 || plain(&torn[..found], compression).is_ok());
            }
        }

        #[test]
        fn any_bytes_have_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for (compression, magic) in [
                (Compression::None, &b""[..]),
                (Compression::Gzip, &GZIP),
                (Compression::Zstd, &ZSTD),
            ] {
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(magic).unwrap();
                file.write_all(&bytes).unwrap();
                let length = (magic.len() + bytes.len()) as u64;
                prop_assert!(whole(&file, compression).unwrap() <= length);
            }
        }
    }

    #[test]
    fn levels_are_checked() {
        let check = |compression, level, is_good| {
            assert_eq!(Encoder::new(compression, level).is_ok(), is_good, "{level:?}");
        };
        check(Compression::None, None, true);
        check(Compression::None, Some(1), false);
        check(Compression::Gzip, Some(9), true);
        check(Compression::Gzip, Some(0), false);
        check(Compression::Zstd, Some(19), true);
        check(Compression::Zstd, Some(-1), false);
    }
}
