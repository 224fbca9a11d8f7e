//! Tests of reassembly against models: a golden table by operating system, splits and orders
//! of segments, and a policy applied byte by byte.

use decode::settings::OsPolicy;
use proptest::prelude::*;

use super::buffer::{Buffer, Place};
use super::overlap::new_wins;
use super::segments::Segment;
use super::{AppData, Data, Stream};
use crate::tcp::{StreamCounters, StreamSettings};

const ISN: u32 = 0xffff_ff00;

/// A stream that was acknowledged as far as it goes.
fn stream(settings: &StreamSettings, os: OsPolicy) -> Stream {
    let mut stream = Stream::default();
    stream.reset(settings, 0);
    stream.start(ISN);
    stream.os = Some(os);
    stream
}

fn insert(
    stream: &mut Stream,
    at: u64,
    bytes: &[u8],
    settings: &StreamSettings,
    counters: &mut StreamCounters,
) -> super::insert::Inserted {
    let seq = ISN.wrapping_add(1).wrapping_add(at as u32);
    stream.insert(Data { seq, bytes, urgent: false }, settings, counters)
}

/// Everything that is stored, with `_` for holes.
fn stored(stream: &Stream) -> Vec<u8> {
    let mut all = Vec::new();
    for (offset, bytes) in stream.all_buffered(true).1 {
        all.resize(offset as usize, b'_');
        all.extend_from_slice(bytes);
    }
    all
}

/// `A16 J8` written out.
fn spelled(text: &str) -> Vec<u8> {
    let runs = text.split_whitespace().map(|run| run.split_at(1));
    runs.flat_map(|(letter, n)| letter.as_bytes().repeat(n.parse().unwrap())).collect()
}

/// Overlapping segments as every receiver would put them together; E means seen in a run of
/// Suricata 8.
#[test]
fn overlaps_by_operating_system() {
    let segments = "0:A16 24:B16 48:C16 64:D8 80:E24 104:F16 8:J24 48:K24 64:L24 80:M24 104:N8 \
                    104:O24 120:P8 40:x8";
    let check = |os: OsPolicy, expected: &str| {
        let settings =
            StreamSettings { check_overlap_different_data: true, ..StreamSettings::default() };
        let mut counters = StreamCounters::default();
        let mut stream = stream(&settings, os);
        let mut events = 0;
        for segment in segments.split_whitespace() {
            let (at, run) = segment.split_once(':').unwrap();
            let done =
                insert(&mut stream, at.parse().unwrap(), &spelled(run), &settings, &mut counters);
            events += u32::from(done.differs);
        }
        let found = stored(&stream);
        assert_eq!(
            String::from_utf8_lossy(&found),
            String::from_utf8_lossy(&spelled(expected)),
            "{os:?}"
        );
        assert_eq!((events, counters.tcp.overlap), (7, 7), "{os:?}");
    };
    for os in OsPolicy::ALL {
        use OsPolicy::{Hpux11, Linux, OldLinux, OldSolaris, Solaris, Vista};
        let expected = match os {
            Linux => "A16 J16 B8 x8 K24 L16 E16 O24",
            OldLinux => "A16 J16 B8 x8 K24 L16 M16 O24",
            Solaris | OldSolaris | Hpux11 => "A8 J16 B16 x8 K16 L16 M24 O24",
            Vista => "A16 J8 B16 x8 C16 D8 L8 E24 F16 O8",
            _ => "A16 J16 B8 x8 C16 K8 L16 E16 F16 O8",
        };
        check(os, expected);
    }
}

fn os() -> impl Strategy<Value = OsPolicy> {
    (0..OsPolicy::ALL.len()).prop_map(|at| OsPolicy::ALL[at])
}

/// Segments with their own content: where, how long, and a letter.
fn conflicting() -> impl Strategy<Value = Vec<(u64, usize, u8)>> {
    prop::collection::vec((0u64..120, 1usize..40, b'a'..=b'z'), 1..40)
}

proptest! {
    /// Cut anywhere, sent in any order and partly twice, the same bytes come out.
    #[test]
    fn any_order_gives_the_same_bytes(
        data in prop::collection::vec(any::<u8>(), 1..3000),
        pieces in prop::collection::vec((any::<prop::sample::Index>(), 1usize..400), 0..60),
        policy in os(), reads in any::<bool>(),
    ) {
        let settings = StreamSettings::default();
        let mut counters = StreamCounters::default();
        let mut stream = stream(&settings, policy);
        let mut read = Vec::new();
        let in_order = data.chunks(97).enumerate().map(|(at, piece)| (at * 97, piece));
        let random = pieces.iter().map(|(index, len)| {
            let at = index.index(data.len());
            (at, &data[at..data.len().min(at + len)])
        });
        stream.next_seq = ISN.wrapping_add(1 + data.len() as u32);
        let mut acked = 0;
        for (at, piece) in random.chain(in_order) {
            insert(&mut stream, at as u64, piece, &settings, &mut counters);
            if reads {
                // Only what is there is acknowledged.
                if let Place::Data(bytes) = stream.buffer.at(acked) { acked += bytes.len() as u64 }
                stream.update_last_ack(ISN.wrapping_add(1 + acked as u32));
                while let AppData::Data { bytes, offset } = stream.app_data(false) {
                    prop_assert_eq!(offset, read.len() as u64);
                    read.extend_from_slice(bytes);
                    let n = bytes.len() as u64;
                    stream.app_consume(n);
                    stream.raw_mark_inspected(offset + n);
                }
                stream.prune(false, &mut counters);
            }
        }
        if let AppData::Data { bytes, .. } = stream.app_data(true) { read.extend_from_slice(bytes) }
        prop_assert_eq!(read, data);
        stream.release(&mut counters);
        prop_assert_eq!(counters.tcp.reassembly_memuse, 0);
    }

    /// Conflicting segments in any order: byte by byte, a stored segment keeps what the policy
    /// lets it keep.
    #[test]
    fn conflicts_follow_the_policy_byte_by_byte(
        segments in conflicting(), policy in os(), inline in any::<bool>(),
    ) {
        let settings = StreamSettings { inline, ..StreamSettings::default() };
        let mut counters = StreamCounters::default();
        let mut stream = stream(&settings, policy);
        let mut model: Vec<Option<u8>> = vec![None; 200];
        let mut known: Vec<Segment> = Vec::new();
        for (start, len, letter) in segments {
            let new = Segment { start, len: len as u32 };
            for at in start..new.end() {
                let covers = |old: &&Segment| old.start <= at && at < old.end();
                let mut over = known.iter().filter(covers).peekable();
                let free = over.peek().is_none();
                if free || (!inline && over.all(|old| new_wins(policy, *old, new))) {
                    model[at as usize] = Some(letter);
                }
            }
            known.push(new);
            let done = insert(&mut stream, start, &vec![letter; len], &settings, &mut counters);
            prop_assert!(done.added);
        }
        let mut expected: Vec<u8> = model.iter().map(|byte| byte.unwrap_or(b'_')).collect();
        let found = stored(&stream);
        expected.truncate(found.len());
        prop_assert_eq!(found, expected);
    }

    /// Writes far and near, discards in between: the buffer holds what a map of bytes holds.
    #[test]
    fn the_buffer_behaves_as_a_map(
        work in prop::collection::vec((0u64..3_000_000, 1usize..3000, 0u8..5), 1..40),
    ) {
        let mut counters = StreamCounters::default();
        let mut buffer = Buffer::default();
        let mut model: Vec<(u64, u64, u8)> = Vec::new();
        for (number, (at, len, what)) in work.into_iter().enumerate() {
            if what == 0 {
                buffer.discard(at / 4, &mut counters);
                continue;
            }
            // Mostly near the base, so that regions grow, merge and move.
            let at = buffer.base() + if what == 1 { at } else { at % 20_000 };
            let letter = number as u8;
            if buffer.write(at, &vec![letter; len], 4, u64::MAX, &mut counters).is_ok() {
                model.push((at, at + len as u64, letter));
            }
        }
        let byte = |offset: u64| {
            let last = model.iter().rev().find(|(start, end, _)| (*start..*end).contains(&offset));
            last.map(|(_, _, letter)| *letter)
        };
        let mut borders: Vec<u64> =
            model.iter().flat_map(|(start, end, _)| [*start, *end, end - 1]).collect();
        borders.push(buffer.base());
        for offset in borders.into_iter().filter(|offset| *offset >= buffer.base()) {
            let found = match buffer.at(offset) {
                Place::Data(bytes) => bytes.first().copied(),
                Place::Hole(next) => {
                    prop_assert!(next > offset && byte(next).is_some());
                    None
                }
                Place::End => None,
            };
            prop_assert_eq!(found, byte(offset), "at {}", offset);
        }
        buffer.clear(&mut counters);
        prop_assert_eq!(counters.tcp.reassembly_memuse, 0);
    }
}

#[test]
fn far_data_gets_regions_of_its_own_up_to_the_limit() {
    let settings = StreamSettings { max_regions: 3, ..StreamSettings::default() };
    let mut counters = StreamCounters::default();
    let mut stream = stream(&settings, OsPolicy::Bsd);
    let far = |number: u64| number * 600_000;
    for number in 0..3 {
        let done = insert(&mut stream, far(number), b"data", &settings, &mut counters);
        assert!(done.added && done.failed.is_none());
        assert_eq!(u64::from(stream.max_regions()), number + 1);
    }
    let done = insert(&mut stream, far(3), b"data", &settings, &mut counters);
    assert_eq!(done.failed, Some(super::InsertError::Limit));
    assert_eq!(counters.tcp.insert_data_normal_fail, 1);
}

#[test]
fn data_backwards_costs_no_more_than_forwards() {
    let settings = StreamSettings::default();
    let mut counters = StreamCounters::default();
    let mut stream = stream(&settings, OsPolicy::Bsd);
    // A far segment first, then a long stretch towards it from its end.
    for at in (500_000..515_000u64).rev() {
        insert(&mut stream, at, b"x", &settings, &mut counters);
    }
    assert!(counters.tcp.segment_from_pool + counters.tcp.segment_from_cache < 64);
    assert_eq!(stored(&stream).len(), 515_000);
}
