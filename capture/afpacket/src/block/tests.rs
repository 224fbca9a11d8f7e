//! Blocks made by hand, sound and hostile.

use proptest::prelude::*;

use super::*;

const BLOCK_SIZE: usize = 4096;
const TAGGED: u32 = libc::TP_STATUS_VLAN_VALID | libc::TP_STATUS_VLAN_TPID_VALID;

/// A frame as the kernel lays it into a block.
#[derive(Clone, Debug)]
struct Laid {
    bytes: Vec<u8>,
    status: u32,
    tpid: u16,
    tci: u32,
    packet_type: u8,
    /// Distance from the header to the bytes.
    mac: u16,
}

impl Laid {
    fn new(length: usize) -> Laid {
        let bytes = (0..length).map(|i| i as u8).collect();
        Laid { bytes, status: libc::TP_STATUS_USER, tpid: 0, tci: 0, packet_type: 0, mac: 86 }
    }

    fn tagged(length: usize, status: u32, tpid: u16, tci: u32) -> Laid {
        Laid { status: libc::TP_STATUS_USER | status, tpid, tci, ..Laid::new(length) }
    }
}

fn put(block: &mut [u8], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A block of these frames, and where their headers are.
fn lay(frames: &[Laid]) -> (Vec<u8>, Vec<usize>) {
    let mut block = vec![0; BLOCK_SIZE];
    let mut position = BLOCK_HEADER;
    let mut headers = Vec::new();
    for (number, frame) in frames.iter().enumerate() {
        headers.push(position);
        let length = (usize::from(frame.mac) + frame.bytes.len()).next_multiple_of(8);
        let next = if number + 1 == frames.len() { 0 } else { length as u32 };
        let size = frame.bytes.len() as u32;
        put(&mut block, position, &next.to_ne_bytes());
        put(&mut block, position + 4, &(1_700_000_000 + number as u32).to_ne_bytes());
        put(&mut block, position + 8, &999_999_999u32.to_ne_bytes());
        put(&mut block, position + 12, &size.to_ne_bytes());
        put(&mut block, position + 16, &(size + 10).to_ne_bytes());
        put(&mut block, position + 20, &frame.status.to_ne_bytes());
        put(&mut block, position + 24, &frame.mac.to_ne_bytes());
        put(&mut block, position + 32, &frame.tci.to_ne_bytes());
        put(&mut block, position + 36, &frame.tpid.to_ne_bytes());
        block[position + 58] = frame.packet_type;
        put(&mut block, position + usize::from(frame.mac), &frame.bytes);
        position += length;
    }
    put(&mut block, 8, &libc::TP_STATUS_USER.to_ne_bytes());
    put(&mut block, 12, &(frames.len() as u32).to_ne_bytes());
    put(&mut block, 16, &(BLOCK_HEADER as u32).to_ne_bytes());
    put(&mut block, 20, &(position as u32).to_ne_bytes());
    (block, headers)
}

/// The slots of a block, in batches of `max`, and the frames lost to malformed headers.
fn walk(block: &mut [u8], max: usize, ethernet: bool) -> (Vec<Slot>, Option<u32>) {
    let mut walk = match Walk::begin(block, ethernet) {
        Ok(walk) => walk,
        Err(malformed) => return (Vec::new(), Some(malformed.unread)),
    };
    let mut slots = Vec::new();
    while !walk.is_done() {
        let before = slots.len();
        if let Err(malformed) = walk.advance(block, max, &mut slots) {
            assert!(walk.is_done());
            return (slots, Some(malformed.unread));
        }
        assert!(slots.len() > before && slots.len() - before <= max);
    }
    (slots, None)
}

#[test]
fn the_layout_is_that_of_the_kernel() {
    assert_eq!((BLOCK_HEADER, STATUS, FRAMES, FIRST, LENGTH), (48, 8, 12, 16, 20));
    assert_eq!((FRAME_HEADER, VLAN_TCI, VLAN_TPID, PACKET_TYPE), (68, 32, 36, 58));
}

#[test]
fn frames_come_in_order_and_whole() {
    let lengths = [60, 0, 1, 1514, 14, 61, 200];
    let frames: Vec<Laid> = lengths.map(Laid::new).into();
    for max in [1, 2, 3, 7, usize::MAX] {
        let (mut block, _) = lay(&frames);
        let (slots, malformed) = walk(&mut block, max, true);
        assert_eq!((slots.len(), malformed), (lengths.len(), None));
        for (number, (slot, laid)) in slots.iter().zip(&frames).enumerate() {
            let frame = slot.frame(&block);
            assert_eq!(frame.bytes, laid.bytes);
            assert_eq!(frame.wire_len as usize, laid.bytes.len() + 10);
            let seconds = 1_700_000_000 + number as u64;
            assert_eq!(frame.timestamp_ns, seconds * 1_000_000_000 + 999_999_999);
            assert!(!frame.vlan_restored && !frame.outgoing && !frame.losing);
        }
    }
}

#[test]
fn the_last_header_may_lead_nowhere() {
    let (mut block, headers) = lay(&[Laid::new(60), Laid::new(60)]);
    put(&mut block, headers[1], &152u32.to_ne_bytes());
    assert_eq!(walk(&mut block, 8, true).0.len(), 2);
}

#[test]
fn status_bits_become_flags() {
    let check = |status, packet_type, block_status: u32, expected: [bool; 4]| {
        let laid = Laid { status, packet_type, ..Laid::new(60) };
        let (mut block, _) = lay(&[laid]);
        put(&mut block, 8, &block_status.to_ne_bytes());
        let (slots, _) = walk(&mut block, 1, true);
        let frame = slots[0].frame(&block);
        let flags = [frame.checksum_not_ready, frame.checksum_valid, frame.outgoing, frame.losing];
        assert_eq!(flags, expected);
    };
    check(1, 0, 1, [false; 4]);
    check(1 | 8, 0, 1, [true, false, false, false]);
    check(1 | 128, 0, 1, [false, true, false, false]);
    check(1, 4, 1, [false, false, true, false]);
    check(1, 3, 1 | 4, [false, false, false, true]);
}

#[test]
fn a_vlan_tag_is_put_back_where_it_was() {
    // `tag`: what stands behind the addresses afterwards; none if the bytes stay as they are.
    let check = |laid: Laid, ethernet, tag: Option<[u8; 4]>| {
        let around = [Laid::new(60), laid.clone(), Laid::new(60)];
        let (mut block, _) = lay(&around);
        let (slots, malformed) = walk(&mut block, 8, ethernet);
        assert_eq!((slots.len(), malformed), (3, None));
        let frame = slots[1].frame(&block);
        assert_eq!(frame.vlan_restored, tag.is_some());
        let expected = match tag {
            None => laid.bytes.clone(),
            Some(tag) => [&laid.bytes[..12], &tag, &laid.bytes[12..]].concat(),
        };
        assert_eq!(frame.bytes, expected);
        assert_eq!(frame.wire_len as usize, expected.len() + 10);
        for neighbour in [0, 2] {
            assert_eq!(slots[neighbour].frame(&block).bytes, around[neighbour].bytes);
        }
    };
    check(Laid::tagged(60, TAGGED, 0x8100, 5), true, Some([0x81, 0, 0, 5]));
    check(Laid::tagged(60, TAGGED, 0x88a8, 0xe123), true, Some([0x88, 0xa8, 0xe1, 0x23]));
    check(Laid::tagged(60, TAGGED, 0x8100, 0), true, Some([0x81, 0, 0, 0]));
    check(Laid::tagged(60, libc::TP_STATUS_VLAN_VALID, 0, 7), true, Some([0x81, 0, 0, 7]));
    check(Laid::tagged(12, TAGGED, 0x8100, 5), true, Some([0x81, 0, 0, 5]));
    check(Laid::tagged(11, TAGGED, 0x8100, 5), true, None);
    check(Laid::tagged(60, TAGGED, 0x8100, 5), false, None);
    check(Laid::tagged(60, 0, 0x8100, 5), true, None);
    let near = Laid { mac: 72, ..Laid::tagged(60, TAGGED, 0x8100, 5) };
    check(near, true, Some([0x81, 0, 0, 5]));
}

#[test]
fn a_header_that_lies_ends_its_block() {
    // In a block of four frames, the header of the third (or of the block) is changed.
    let check = |what: &str, at: usize, value: &[u8], of_block: bool, delivered, unread| {
        let (mut block, headers) = lay(&[60, 61, 62, 63].map(Laid::new));
        let base = if of_block { 0 } else { headers[2] };
        put(&mut block, base + at, value);
        let (slots, malformed) = walk(&mut block, 3, true);
        assert_eq!((slots.len(), malformed), (delivered, Some(unread)), "{what}");
    };
    check("next: none", 0, &0u32.to_ne_bytes(), false, 3, 1);
    check("next: odd", 0, &153u32.to_ne_bytes(), false, 2, 2);
    check("next: inside the header", 0, &64u32.to_ne_bytes(), false, 2, 2);
    check("next: before the end of the frame", 0, &144u32.to_ne_bytes(), false, 2, 2);
    check("next: outside", 0, &8192u32.to_ne_bytes(), false, 2, 2);
    check("next: largest", 0, &0xffff_fff8u32.to_ne_bytes(), false, 2, 2);
    check("length: outside", 12, &5000u32.to_ne_bytes(), false, 2, 2);
    check("length: largest", 12, &u32::MAX.to_ne_bytes(), false, 2, 2);
    check("length: more than on the wire", 16, &61u32.to_ne_bytes(), false, 2, 2);
    check("start: inside the header", 24, &67u16.to_ne_bytes(), false, 2, 2);
    check("start: outside", 24, &u16::MAX.to_ne_bytes(), false, 2, 2);
    check("frames: too many", 12, &5u32.to_ne_bytes(), true, 4, 1);
    check("first: inside the header", 16, &40u32.to_ne_bytes(), true, 0, 4);
    check("first: odd", 16, &49u32.to_ne_bytes(), true, 0, 4);
    check("first: outside", 16, &8000u32.to_ne_bytes(), true, 0, 4);
    check("written: more than the block", 20, &4097u32.to_ne_bytes(), true, 0, 4);
    check("written: nothing", 20, &0u32.to_ne_bytes(), true, 0, 4);
    check("written: before the third", 20, &400u32.to_ne_bytes(), true, 2, 2);
    let (mut block, _) = lay(&[Laid { mac: 71, ..Laid::tagged(60, TAGGED, 0x8100, 5) }]);
    assert_eq!(walk(&mut block, 8, true), (vec![], Some(1)), "no room for the tag");
    assert_eq!(walk(&mut [0; 47], 8, true), (vec![], Some(0)), "no header");
}

fn laid() -> impl Strategy<Value = Laid> {
    (0usize..300, prop_oneof![Just(0), Just(TAGGED)], any::<u16>(), any::<u32>(), 68u16..100)
        .prop_map(|(length, status, tpid, tci, mac)| Laid {
            mac,
            ..Laid::tagged(length, status, tpid, tci)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn hostile_blocks_stay_inside_themselves(
        frames in prop::collection::vec(laid(), 0..8),
        changes in prop::collection::vec((0..BLOCK_SIZE, any::<u8>()), 0..40),
        near in prop::collection::vec((0usize..8, 0usize..68, any::<u8>()), 0..6),
        ethernet in any::<bool>(),
        max in 1usize..5,
    ) {
        let (mut block, headers) = lay(&frames);
        for (at, value) in changes {
            block[at] = value;
        }
        for (number, at, value) in near {
            if let Some(header) = headers.get(number) {
                block[header + at] = value;
            }
        }
        let before = block.clone();
        let promised = u32::from_ne_bytes([block[12], block[13], block[14], block[15]]);
        let (slots, unread) = walk(&mut block, max, ethernet);
        prop_assert_eq!(slots.len() as u64 + u64::from(unread.unwrap_or(0)), promised.into());
        let mut last = BLOCK_HEADER;
        let mut changed = vec![false; block.len()];
        for slot in &slots {
            let (start, end) = (slot.start as usize, (slot.start + slot.length) as usize);
            prop_assert!(last + FRAME_HEADER <= start && end <= block.len());
            prop_assert_eq!(slot.frame(&block).bytes.len(), slot.length as usize);
            prop_assert!(slot.length <= slot.wire_length);
            if slot.vlan_restored {
                changed[start..start + 16].fill(true);
            }
            last = end;
        }
        for (at, may) in changed.iter().enumerate() {
            prop_assert!(*may || block[at] == before[at], "byte {} was changed", at);
        }
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(mut block in prop::collection::vec(any::<u8>(), 0..600)) {
        let (slots, _) = walk(&mut block, 4, true);
        for slot in &slots {
            prop_assert_eq!(slot.frame(&block).bytes.len(), slot.length as usize);
        }
    }
}
