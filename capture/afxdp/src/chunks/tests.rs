//! Frames on plain memory: no chunk has two, whatever the rings say.

use super::*;
use crate::mapping::Pages;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn area(chunks: u32, size: u32) -> (Chunks, Vec<Frame>) {
    let geometry = Geometry::new(chunks, size, !size.is_power_of_two(), 4096).unwrap();
    let length = usize::try_from(geometry.length()).unwrap();
    let mapping = AreaMapping::new(length, Pages::Ordinary, None).unwrap();
    Chunks::new(mapping, geometry).unwrap()
}

fn given(address: u64, length: u32) -> Descriptor {
    Descriptor { address, length, options: 0 }
}

#[test]
fn every_chunk_has_one_frame_at_first() {
    let (chunks, frames) = area(5, 2048);
    let starts: Vec<_> = frames.iter().map(|frame| frame.address).collect();
    assert_eq!(starts, [8192, 6144, 4096, 2048, 0]);
    assert!(frames.iter().all(|frame| frame.is_empty() && chunks.owns(frame)));
}

#[test]
fn memory_that_is_too_small_is_refused() {
    let mapping = AreaMapping::new(4096, Pages::Ordinary, None).unwrap();
    assert!(Chunks::new(mapping, Geometry::new(3, 2048, false, 4096).unwrap()).is_none());
}

#[test]
fn bytes_are_written_and_read() {
    let (chunks, mut frames) = area(3, 2048);
    for (number, frame) in (1_u8..).zip(&mut frames) {
        assert!(chunks.bytes(frame).is_empty());
        let room = chunks.bytes_mut(frame);
        assert_eq!(room.len(), 2048);
        room.fill(number);
        assert!(chunks.set_len(frame, 60 + usize::from(number)));
        assert!(!chunks.set_len(frame, 2049));
    }
    for (number, frame) in (1_u8..).zip(&frames) {
        assert_eq!(chunks.bytes(frame), vec![number; 60 + usize::from(number)]);
    }
}

#[test]
fn only_what_was_handed_over_comes_back() {
    let (chunks, mut frames) = area(3, 2048);
    let mut holders = [chunks.holder().unwrap(), chunks.holder().unwrap()];
    let address = chunks.transfer(&mut holders[0]).hand_chunk(frames.pop().unwrap()).unwrap();
    assert_eq!(address, 0);
    let mut claimed = None;
    for (name, holder, descriptor, comes) in [
        ("through another queue", 1, given(256, 60), false),
        ("beyond its chunk", 0, given(2000, 60), false),
        ("not handed over", 0, given(2048 + 256, 60), false),
        ("beyond the area", 0, given(6144, 60), false),
        ("far beyond the area", 0, given(u64::MAX - 5, 60), false),
        ("of absurd length", 0, given(256, u32::MAX), false),
        ("what was handed over", 0, given(256, 1792), true),
        ("the same again", 0, given(256, 60), false),
    ] {
        let frame = chunks.transfer(&mut holders[holder]).claim(descriptor);
        assert_eq!(frame.is_some(), comes, "{name}");
        claimed = claimed.or(frame);
    }
    let mut frame = claimed.unwrap();
    assert_eq!((frame.len(), frame.continues()), (1792, false));
    assert_eq!(chunks.bytes_mut(&mut frame).len(), 1792);
    assert_eq!(chunks.held(&holders[0]), 0);
    let frame = chunks.emptied(frame);
    assert_eq!((frame.address, frame.len()), (0, 0));
}

#[test]
fn frames_of_another_area_are_refused() {
    let ((one, mut of_one), (other, mut of_other)) = (area(1, 2048), area(1, 2048));
    let mut holder = one.holder().unwrap();
    let foreign = of_other.pop().unwrap();
    assert!(!one.owns(&foreign) && other.owns(&foreign));
    assert_eq!(one.transfer(&mut holder).hand_chunk(foreign), None);
    assert_eq!(one.held(&holder), 0);
    let mut foreign_holder = other.holder().unwrap();
    assert!(one.transfer(&mut foreign_holder).hand_packet(of_one.pop().unwrap()).is_none());
    assert!(one.transfer(&mut foreign_holder).claim(given(0, 1)).is_none());
}

#[test]
#[should_panic = "another area"]
#[cfg(debug_assertions)]
fn bytes_of_another_area_s_frame_are_a_mistake() {
    let ((one, _), (_, of_other)) = (area(1, 2048), area(1, 2048));
    one.bytes(&of_other[0]);
}

#[test]
#[cfg(not(debug_assertions))]
fn a_frame_of_another_area_has_no_bytes() {
    let ((one, _), (_, mut of_other)) = (area(1, 2048), area(1, 2048));
    assert!(one.bytes(&of_other[0]).is_empty());
    assert!(one.bytes_mut(&mut of_other[0]).is_empty());
    assert_eq!(one.before::<0>(&of_other[0]), None);
}

#[test]
fn metadata_is_in_front_and_within_the_chunk() {
    let (chunks, mut frames) = area(2, 2048);
    for frame in &mut frames {
        for (place, byte) in chunks.bytes_mut(frame).iter_mut().enumerate() {
            *byte = place as u8;
        }
    }
    let mut holder = chunks.holder().unwrap();
    frames
        .drain(..)
        .for_each(|frame| assert!(chunks.transfer(&mut holder).hand_chunk(frame).is_some()));
    let mut frame = chunks.transfer(&mut holder).claim(given(2048 + 6, 10)).unwrap();
    assert_eq!(chunks.before::<4>(&frame), Some([2, 3, 4, 5]));
    assert_eq!(chunks.before::<6>(&frame), Some([0, 1, 2, 3, 4, 5]));
    assert_eq!(chunks.before::<7>(&frame), None);
    assert_eq!(chunks.take_before::<7>(&mut frame), None);
    assert_eq!(chunks.take_before::<4>(&mut frame), Some([2, 3, 4, 5]));
    assert_eq!(chunks.before::<6>(&frame), Some([0, 1, 0, 0, 0, 0]));
    assert_eq!(chunks.bytes(&frame), [6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    assert_eq!(chunks.before::<0>(&frame), Some([]));
    let frame = chunks.transfer(&mut holder).claim(given(0, 10)).unwrap();
    assert_eq!(chunks.before::<1>(&frame), None);
}

#[test]
fn what_a_holder_left_is_recovered_and_no_more() {
    let (chunks, mut frames) = area(6, 2048);
    let mut holders = [chunks.holder().unwrap(), chunks.holder().unwrap()];
    for holder in [0, 1, 0] {
        assert!(chunks.transfer(&mut holders[holder]).hand_chunk(frames.pop().unwrap()).is_some());
    }
    assert_eq!((chunks.held(&holders[0]), chunks.held(&holders[1])), (2, 1));
    // SAFETY: no kernel is involved.
    unsafe { chunks.recover(&mut holders[0], &mut frames) };
    assert_eq!((chunks.held(&holders[0]), chunks.held(&holders[1])), (0, 1));
    let starts: BTreeSet<_> = frames.iter().map(|frame| frame.address).collect();
    assert_eq!(starts, BTreeSet::from([0, 4096, 6144, 8192, 10240]));
    assert_eq!(frames.len(), 5);
}

#[test]
fn frames_of_two_threads_do_not_meet() {
    let (chunks, frames) = area(8, 2048);
    std::thread::scope(|scope| {
        for (number, mut frame) in (0_u8..).zip(frames) {
            let chunks = &chunks;
            scope.spawn(move || {
                chunks.bytes_mut(&mut frame)[..64].fill(number);
                assert!(chunks.set_len(&mut frame, 64));
                let mut holder = chunks.holder().unwrap();
                let descriptor = chunks.transfer(&mut holder).hand_packet(frame).unwrap();
                let frame = chunks.transfer(&mut holder).claim(descriptor).unwrap();
                assert_eq!(chunks.bytes(&frame), [number; 64]);
            });
        }
    });
}

#[derive(Clone, Debug)]
enum Step {
    HandChunk { holder: usize },
    HandPacket { holder: usize, length: usize },
    Give { holder: usize, address: u64, length: u32 },
    Recover { holder: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let holder = 0..3_usize;
    let address = prop_oneof![
        0..40_000_u64,
        any::<u64>(),
        (0..40_000_u64, 0..3000_u64).prop_map(|(base, offset)| base | offset << 48),
    ];
    prop_oneof![
        holder.clone().prop_map(|holder| Step::HandChunk { holder }),
        (holder.clone(), 0..3000_usize)
            .prop_map(|(holder, length)| Step::HandPacket { holder, length }),
        (holder.clone(), address, prop_oneof![0..3000_u32, any::<u32>()])
            .prop_map(|(holder, address, length)| Step::Give { holder, address, length }),
        holder.prop_map(|holder| Step::Recover { holder }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 8 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    /// Whatever a kernel were to put into the rings, frames and what was handed over are together
    /// all chunks, each once.
    #[test]
    fn no_chunk_is_doubled(
        size in prop_oneof![Just(2048_u32), Just(3000), Just(4096)],
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let (chunks, mut frames) = area(8, size);
        let mut holders: Vec<_> = (0..3).map(|_| chunks.holder().unwrap()).collect();
        for step in steps {
            match step {
                Step::HandChunk { holder } => {
                    if let Some(frame) = frames.pop() {
                        prop_assert!(chunks.transfer(&mut holders[holder]).hand_chunk(frame).is_some());
                    }
                }
                Step::HandPacket { holder, length } => {
                    if let Some(mut frame) = frames.pop() {
                        chunks.set_len(&mut frame, length);
                        prop_assert!(chunks.transfer(&mut holders[holder]).hand_packet(frame).is_some());
                    }
                }
                Step::Give { holder, address, length } => {
                    frames.extend(chunks.transfer(&mut holders[holder]).claim(given(address, length)));
                }
                // SAFETY: no kernel is involved.
                Step::Recover { holder } => unsafe {
                    chunks.recover(&mut holders[holder], &mut frames);
                },
            }
            let starts: BTreeSet<_> = frames.iter().map(|frame| frame.chunk).collect();
            let away: usize = holders.iter().map(|holder| chunks.held(holder)).sum();
            prop_assert_eq!(starts.len(), frames.len());
            prop_assert_eq!(frames.len() + away, 8);
            for frame in &frames {
                prop_assert!(chunks.bytes(frame).len() <= size as usize);
            }
        }
    }
}
