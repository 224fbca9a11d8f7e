//! An interface that goes down or away is reported.

use std::thread;
use std::time::{Duration, Instant};

use afpacket::{Error, Fanout, FanoutKind, Ring, RingSettings};

use crate::namespace::{FAR, NEAR, in_namespace, ip};
use crate::sender::{PATIENCE, Sender, collect, frame, settings};

const SOON: Duration = Duration::from_millis(20);

fn is_down(result: Result<bool, Error>) -> bool {
    matches!(result, Err(Error::InterfaceDown { interface }) if interface == FAR)
}

fn is_gone(result: Result<bool, Error>) -> bool {
    matches!(result, Err(Error::InterfaceGone { interface }) if interface == FAR)
}

#[test]
fn a_ring_goes_on_when_its_interface_is_up_again() {
    // The last frame is handed over only after the interface went down.
    let fanout =
        Fanout { group: 1, members: 1, kind: FanoutKind::Hash, defragment: false, rollover: false };
    for fanout in [None, Some(fanout)] {
        in_namespace(move || {
            let mut ring =
                Ring::open(&RingSettings { fanout, block_timeout_ms: 200, ..settings() }).unwrap();
            ring.check().unwrap();
            Sender::on(NEAR).send(&[frame(0, 60)]);
            ip(&format!("link set {FAR} down"));
            assert!(ring.wait(PATIENCE).unwrap(), "what came before is had first");
            assert_eq!((ring.next_frames(8), ring.next_frames(8)), (1, 0));
            assert!(is_down(ring.wait(SOON)));
            assert!(is_down(ring.wait(SOON)), "as long as it is down");
            ip(&format!("link set {FAR} up"));
            assert!(!ring.wait(SOON).unwrap());
            Sender::on(NEAR).send(&[frame(1, 60)]);
            assert_eq!(collect(&mut ring, 1)[0].bytes, frame(1, 60));
        });
    }
}

#[test]
fn a_removed_interface_wakes_and_stays_away() {
    in_namespace(|| {
        let mut ring = Ring::open(&settings()).unwrap();
        let remover = thread::spawn(|| {
            thread::sleep(Duration::from_millis(100));
            ip(&format!("link del {FAR}"));
        });
        let begin = Instant::now();
        let result = ring.wait(PATIENCE);
        assert!(begin.elapsed() < PATIENCE / 2);
        // It is taken down before it is removed.
        assert!(matches!(result, Err(Error::InterfaceDown { .. } | Error::InterfaceGone { .. })));
        remover.join().unwrap();
        assert_eq!(ring.next_frames(8), 0);
        assert!(is_gone(ring.wait(SOON)) && is_gone(ring.check().map(|()| true)));
        // Another one of the same name is another one.
        ip(&format!("link add {FAR} type veth peer name {NEAR}"));
        ip(&format!("link set {FAR} up"));
        assert!(is_gone(ring.wait(SOON)));
        Ring::open(&settings()).unwrap().check().unwrap();
    });
}

#[test]
fn a_renamed_interface_is_the_same() {
    in_namespace(|| {
        let mut ring = Ring::open(&settings()).unwrap();
        ip(&format!("link set {FAR} name afp9"));
        assert!(!ring.wait(SOON).unwrap());
        Sender::on(NEAR).send(&[frame(0, 60)]);
        assert_eq!(collect(&mut ring, 1).len(), 1);
    });
}

#[test]
fn an_interface_moved_away_is_gone() {
    in_namespace(|| {
        let ring = Ring::open(&settings()).unwrap();
        // A thread in a namespace of its own, to which the interface goes.
        let (ready, wait) = std::sync::mpsc::channel();
        let (done, end) = std::sync::mpsc::channel::<()>();
        let other = thread::spawn(move || {
            // SAFETY: as for every test, unshare changes only the namespace of this thread; gettid
            // has no arguments.
            let thread = unsafe {
                assert_eq!(libc::unshare(libc::CLONE_NEWNET), 0);
                libc::gettid()
            };
            ready.send(thread).unwrap();
            let _ = end.recv();
        });
        ip(&format!("link set {FAR} netns {}", wait.recv().unwrap()));
        assert!(is_gone(ring.wait(SOON)));
        drop(done);
        other.join().unwrap();
    });
}
