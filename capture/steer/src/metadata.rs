//! What the XDP program writes before a frame: the hash, so that nobody computes it again.

use crate::hash::Steering;

/// Length of the metadata that stand right before a frame's first byte.
pub const METADATA_LEN: usize = 24;

const TUNNEL: u32 = 1;
const FRAGMENT: u32 = 2;
const IP: u32 = 4;

/// What the program says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Where it belongs.
    pub steering: Steering,
    /// When it came in: nanoseconds of the kernel's monotonic clock.
    pub time_ns: u64,
}

/// What the bytes before a frame say; none if the program with this number did not write them.
///
/// A driver may refuse metadata, and then there are bytes of an older frame: they could only be
/// mistaken for metadata if they came from the same load of the program. The caller who lends
/// frame memory to the kernel erases the magic number once read, or knows that the driver takes
/// metadata (`Counters::no_metadata` stays 0).
pub fn read_metadata(magic: u32, bytes: &[u8; METADATA_LEN]) -> Option<Metadata> {
    let (words, _) = bytes.as_chunks::<4>();
    let [found, hash, flags, _reserved, _, _] = words else { return None };
    let flags = u32::from_ne_bytes(*flags);
    let steering = Steering {
        hash: u32::from_ne_bytes(*hash),
        tunnel: flags & TUNNEL != 0,
        fragment: flags & FRAGMENT != 0,
        ip: flags & IP != 0,
    };
    let time_ns = u64::from_ne_bytes(*bytes.last_chunk()?);
    (u32::from_ne_bytes(*found) == magic).then_some(Metadata { steering, time_ns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_metadata_of_this_load_are_read() {
        let words = [7u32, 0x1234_5678, TUNNEL | IP, 0, 9, 0];
        let mut bytes = [0; METADATA_LEN];
        for (place, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *place = word.to_ne_bytes();
        }
        let time_ns = u64::from_ne_bytes(*bytes.last_chunk().unwrap());
        let steering = Steering { hash: 0x1234_5678, tunnel: true, fragment: false, ip: true };
        let expected = Metadata { steering, time_ns };
        assert_eq!(read_metadata(7, &bytes), Some(expected));
        assert_eq!(read_metadata(8, &bytes), None);
    }
}
