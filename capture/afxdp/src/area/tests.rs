//! Areas without queues: settings, lists, memory that lasts.

use super::*;

fn settings() -> AreaSettings {
    AreaSettings { chunks: 16, huge_pages: HugePages::Never, ..AreaSettings::default() }
}

#[test]
fn settings_that_cannot_work_are_named() {
    for (settings, part) in [
        (settings(), None),
        (AreaSettings { chunk_size: 4096, ..settings() }, None),
        (AreaSettings { headroom: 1791, ..settings() }, None),
        (AreaSettings { headroom: 1792, ..settings() }, Some("at most 1791")),
        (AreaSettings { headroom: u32::MAX, ..settings() }, Some("headroom")),
        (AreaSettings { chunks: 0, ..settings() }, Some("at least one")),
        (AreaSettings { chunk_size: 3000, ..settings() }, Some("2048 or 4096")),
        (AreaSettings { chunk_size: 3000, unaligned: true, ..settings() }, None),
        (AreaSettings { chunk_size: 8192, ..settings() }, Some("2048 or 4096")),
        (AreaSettings { chunk_size: 8192, unaligned: true, ..settings() }, Some("2048 to 4096")),
        (AreaSettings { chunk_size: 64, unaligned: true, ..settings() }, Some("not 64")),
        (AreaSettings { chunk_size: 0, ..settings() }, Some("not 0")),
    ] {
        match (Area::new(&settings), part) {
            (Ok(area), None) => assert_eq!(area.free_chunks(), 16),
            (Err(error), Some(part)) if error.to_string().contains(part) => {}
            (outcome, part) => panic!("{outcome:?} instead of {part:?} for {settings:?}"),
        }
    }
}

#[test]
fn frames_are_taken_in_order_and_none_is_lost() {
    let area = Area::new(&settings()).unwrap();
    let mut frames = Vec::new();
    assert_eq!(area.inner().take(17, &mut frames), Err(16));
    area.inner().take(10, &mut frames).unwrap();
    assert_eq!((frames.len(), area.free_chunks()), (10, 6));
    for (number, frame) in (0_u8..).zip(&mut frames) {
        area.bytes_mut(frame)[0] = number;
        assert!(area.set_len(frame, 1));
    }
    assert_eq!(area.inner().draw(5, &mut Vec::new()), 0, "only what was returned is drawn");
    for frame in frames.drain(5..) {
        area.give_back(frame).unwrap();
    }
    assert_eq!(area.inner().draw(3, &mut frames), 3);
    assert_eq!(area.inner().draw(3, &mut frames), 2);
    assert_eq!((frames.len(), area.free_chunks()), (10, 6));
    let mut seen: Vec<_> = frames.iter().map(|frame| area.bytes(frame)[0]).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..10).collect::<Vec<u8>>());
    area.inner().put_free(frames.into_iter());
    area.inner().take(16, &mut Vec::new()).unwrap();
}

#[test]
fn a_frame_of_another_area_is_not_taken_back() {
    let (one, other) = (Area::new(&settings()).unwrap(), Area::new(&settings()).unwrap());
    let mut frames = Vec::new();
    other.inner().take(1, &mut frames).unwrap();
    let frame = one.give_back(frames.pop().unwrap()).unwrap_err();
    assert_eq!((one.free_chunks(), other.free_chunks()), (16, 15));
    other.give_back(frame).unwrap();
    assert_eq!(other.free_chunks(), 16);
}

#[test]
fn frames_may_outlive_their_area() {
    let mut frames = Vec::new();
    let area = Area::new(&settings()).unwrap();
    area.inner().take(2, &mut frames).unwrap();
    let clone = area.clone();
    drop(area);
    assert_eq!(clone.bytes_mut(&mut frames[0]).len(), 2048);
    drop(clone);
    assert_eq!(frames[0].len(), 0);
}

#[test]
fn memory_is_tied_to_a_node_or_the_reason_is_told() {
    let first = Area::new(&AreaSettings { node: Some(0), ..settings() }).unwrap();
    let absent = Area::new(&AreaSettings { node: Some(1023), ..settings() }).unwrap();
    let senseless = Area::new(&AreaSettings { node: Some(u32::MAX), ..settings() }).unwrap();
    if let Some(error) = first.node_error() {
        // Container runtimes forbid the call; kernels without NUMA do not have it.
        assert!(matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS)), "{error}");
    }
    assert!(absent.node_error().is_some());
    assert!(senseless.node_error().is_some());
    assert_eq!(absent.free_chunks(), 16);
}

#[test]
fn huge_pages_are_taken_if_there_are_any() {
    let reserved = std::fs::read_to_string("/proc/sys/vm/nr_hugepages").unwrap_or_default();
    let none = reserved.trim() == "0";
    let try_them = AreaSettings { huge_pages: HugePages::Try, ..settings() };
    let area = Area::new(&try_them).unwrap();
    assert!(!(none && area.has_huge_pages()));
    let mut frames = Vec::new();
    area.inner().take(16, &mut frames).unwrap();
    frames.iter_mut().for_each(|frame| area.bytes_mut(frame).fill(1));
    let required = Area::new(&AreaSettings { huge_pages: HugePages::Require, ..settings() });
    match required {
        Ok(area) => assert!(!none && area.has_huge_pages()),
        Err(Error::Memory { huge: true, .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn everything_moves_between_threads() {
    fn check<T: Send>() {}
    fn check_shared<T: Send + Sync>() {}
    check_shared::<Area>();
    check_shared::<Frame>();
    check::<crate::Queue>();
    check_shared::<Error>();
}
