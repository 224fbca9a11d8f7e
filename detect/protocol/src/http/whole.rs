//! Bodies of gzip that came in one piece are inflated at once, which takes half the time.
//!
//! Whether a piece is a whole member is seen by its last four bytes, which tell the length of what
//! it holds (RFC 1952, 2.3.1). They are believed only when exactly that much comes out; all else is
//! left to the decoder that takes pieces.

use std::cell::RefCell;

use libdeflater::Decompressor;

/// Bytes that come out at most.
const LIMIT: usize = 64 * 1024;

/// Checksum and length behind the data.
const TRAILER: usize = 8;

/// Deflate makes no more bytes of one.
const RATIO: usize = 1032;

/// Deflate takes no more bytes than these beyond its output: five for each stored block.
const OVERHEAD: usize = 1024;

thread_local! {
    static BENCH: RefCell<Option<Bench>> = const { RefCell::new(None) };
}

/// What a thread inflates with.
struct Bench {
    decompressor: Decompressor,
    out: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        Self { decompressor: Decompressor::new(), out: vec![0; LIMIT] }
    }
}

/// Gives `take` what a member of gzip holds, of which `data` is all behind its header, and returns
/// what that returns. None when it is not whole, or holds more than `most` bytes.
pub(super) fn inflate<T>(data: &[u8], most: u64, take: impl FnOnce(&[u8]) -> T) -> Option<T> {
    let length = u32::from_le_bytes(*data.last_chunk()?) as usize;
    let packed = data.len().checked_sub(TRAILER)?;
    let is_likely =
        length > 0 && length <= packed.saturating_mul(RATIO) && packed <= length + OVERHEAD;
    if !is_likely || length > LIMIT || length as u64 > most {
        return None;
    }
    // A thread that is ending has none any more.
    BENCH
        .try_with(|bench| {
            let mut bench = bench.try_borrow_mut().ok()?;
            let Bench { decompressor, out } = bench.get_or_insert_with(Bench::new);
            let out = out.get_mut(..length)?;
            let made = decompressor.deflate_decompress(data.get(..packed)?, out).ok()?;
            (made == length).then(|| take(out))
        })
        .ok()?
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn member(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        // Behind a header without name and comment.
        encoder.finish().unwrap().split_off(10)
    }

    fn whole(data: &[u8], most: u64) -> Option<Vec<u8>> {
        inflate(data, most, <[u8]>::to_vec)
    }

    #[test]
    fn only_whole_members_are_inflated() {
        let text: Vec<u8> = (0..9000u32).flat_map(|n| (n * n).to_le_bytes()).collect();
        let data = member(&text);
        assert_eq!(whole(&data, u64::MAX), Some(text.clone()));
        assert_eq!(whole(&data, text.len() as u64), Some(text.clone()));
        assert_eq!(whole(&data, text.len() as u64 - 1), None);
        for end in 0..data.len() {
            assert_eq!(whole(&data[..end], u64::MAX), None, "{end}");
        }
        // What comes behind it hides its length.
        assert_eq!(whole(&[data.as_slice(), b"more"].concat(), u64::MAX), None);
        // Another length than there is.
        let mut other = data.clone();
        let at = other.len() - 4;
        other[at] ^= 1;
        assert_eq!(whole(&other, u64::MAX), None);
        assert_eq!(whole(&member(&vec![7; LIMIT + 1]), u64::MAX), None);
        assert_eq!(whole(&member(&vec![7; LIMIT]), u64::MAX), Some(vec![7; LIMIT]));
        assert_eq!(whole(&member(b""), u64::MAX), None);
    }
}
