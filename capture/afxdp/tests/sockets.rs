//! Real sockets on pairs of connected interfaces: what is sent arrives, whole and once.

#![allow(clippy::unwrap_used, reason = "the helpers of tests may unwrap like the tests")]

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use afxdp::{
    Area, AreaSettings, BusyPoll, Error, Frame, HugePages, Mode, Queue, QueueSettings, Statistics,
    Step,
};
use network::{connect, give_up, in_network, ip, lockable};
use redirect::{Metadata, Redirect};

#[path = "support/network.rs"]
mod network;
#[path = "support/redirect.rs"]
mod redirect;

const PATIENCE: Duration = Duration::from_secs(10);

fn area_settings() -> AreaSettings {
    AreaSettings { chunks: 2048, huge_pages: HugePages::Never, ..AreaSettings::default() }
}

fn area() -> Area {
    Area::new(&area_settings()).unwrap()
}

fn receiving(interface: u32, queue: u32) -> QueueSettings {
    let sizes = QueueSettings { rx: 128, fill: 128, chunks: 256, ..QueueSettings::default() };
    QueueSettings { interface, queue, ..sizes }
}

fn sending(interface: u32, queue: u32) -> QueueSettings {
    let sizes = QueueSettings { tx: 64, completion: 64, chunks: 64, ..QueueSettings::default() };
    QueueSettings { interface, queue, rx: 0, fill: 0, ..sizes }
}

/// A frame of an experimental protocol, different for every number.
fn packet(number: u32, length: usize) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5];
    bytes.extend(number.to_be_bytes());
    let rest = length - bytes.len();
    bytes.extend((0..rest).map(|place| (number as usize * 7 + place) as u8));
    bytes
}

/// Sends packets, each in as many frames as it needs, and waits until the last has gone.
fn send(queue: &mut Queue, packets: &[Vec<u8>]) {
    let area = queue.area().clone();
    let end = Instant::now() + PATIENCE;
    let mut frames: Vec<Frame> = Vec::new();
    let mut pieces = packets.iter().flat_map(|packet| {
        let count = packet.len().div_ceil(area.chunk_size());
        (1..).zip(packet.chunks(area.chunk_size())).map(move |(n, piece)| (piece, n < count))
    });
    loop {
        while frames.len() < 32
            && let Some(mut frame) = queue.take()
        {
            let Some((piece, continues)) = pieces.next() else {
                queue.give_back([frame]);
                break;
            };
            area.bytes_mut(&mut frame)[..piece.len()].copy_from_slice(piece);
            assert!(queue.set_len(&mut frame, piece.len()));
            frame.set_continues(continues);
            frames.push(frame);
        }
        queue.transmit(&mut frames);
        queue.wake_if_needed().unwrap();
        queue.complete();
        if frames.is_empty() && queue.under_way() == 0 {
            return;
        }
        assert!(Instant::now() < end, "{} frames were not sent", queue.under_way());
    }
}

/// Receives packets until there are `count` or it takes too long; gives all frames back.
fn receive(queue: &mut Queue, count: usize) -> Vec<Vec<u8>> {
    let area = queue.area().clone();
    let end = Instant::now() + PATIENCE;
    let (mut packets, mut frames) = (Vec::new(), Vec::with_capacity(64));
    let mut packet = Vec::new();
    while packets.len() < count && Instant::now() < end {
        if queue.receive(&mut frames, 64) == 0 {
            queue.wake_if_needed().unwrap();
            queue.wait(Duration::from_millis(50)).unwrap();
        }
        for frame in &frames {
            packet.extend_from_slice(area.bytes(frame));
            if !frame.continues() {
                packets.push(std::mem::take(&mut packet));
            }
        }
        let taken = frames.len();
        assert_eq!(queue.give_back(frames.drain(..)), taken);
    }
    packets
}

/// Sends `count` packets in batches that the rings hold and checks that they arrive as they were.
fn check_delivery(sender: &mut Queue, receiver: &mut Queue, count: u32, length: usize) {
    let what = format!("{sender:?} to {receiver:?}");
    for first in (0..count).step_by(32) {
        let sent: Vec<_> = (first..count.min(first + 32)).map(|n| packet(n, length)).collect();
        send(sender, &sent);
        let received = receive(receiver, sent.len());
        assert_eq!(received.len(), sent.len(), "{what}: {:?}", receiver.statistics());
        assert!(received == sent, "{what}: packets from {first} on are not what was sent");
    }
}

/// One sender and one receiver on a new pair of interfaces, on areas of their own.
fn check_alone(area: &AreaSettings, length: usize, mtu: u32, multi_buffer: bool) {
    let [one, other] = connect(["s0", "g0"], 1, mtu);
    let (receivers, senders) = (Area::new(area).unwrap(), Area::new(area).unwrap());
    let redirect = Redirect::attach(one, None).unwrap();
    let settings = QueueSettings { multi_buffer, ..receiving(one, 0) };
    let mut receiver = Queue::bind(&receivers, &settings).unwrap();
    redirect.direct(0, receiver.as_fd()).unwrap();
    let settings = QueueSettings { multi_buffer, ..sending(other, 0) };
    let mut sender = Queue::bind(&senders, &settings).unwrap();
    assert_eq!(receiver.multi_buffer(), multi_buffer);
    assert!(receiver.multi_buffer_error().is_none());
    check_delivery(&mut sender, &mut receiver, 1000, length);
    assert_eq!(receiver.counters(), Default::default());
    assert_eq!(receiver.statistics().unwrap(), Statistics::default());
}

#[test]
fn queues_of_two_interfaces_share_one_area() {
    in_network(|| {
        let [s0, g0] = connect(["s0", "g0"], 2, 1500);
        let [s1, g1] = connect(["s1", "g1"], 1, 1500);
        let area = area();
        let maps = [s0, s1].map(|interface| Redirect::attach(interface, None).unwrap());
        let mut pairs = Vec::new();
        for (map, one, other, queue) in [(0, s0, g0, 0), (0, s0, g0, 1), (1, s1, g1, 0)] {
            let receiver = Queue::bind(&area, &receiving(one, queue)).unwrap();
            maps[map].direct(queue, receiver.as_fd()).unwrap();
            pairs.push((Queue::bind(&area, &sending(other, queue)).unwrap(), receiver));
        }
        assert_eq!(area.free_chunks(), 2048 - 3 * (256 + 64));
        for round in 0..4 {
            for (sender, receiver) in &mut pairs {
                check_delivery(sender, receiver, 500, 60 + round * 300);
            }
        }
        for (_, receiver) in &pairs {
            assert_eq!(receiver.statistics().unwrap(), Statistics::default());
        }
        drop(pairs);
        assert_eq!(area.free_chunks() + area.parked_chunks(), 2048);
    });
}

#[test]
fn sizes_up_to_a_chunk_s_room_arrive() {
    // 256 bytes of every chunk, and the headroom, are not for the packet.
    in_network(|| check_alone(&area_settings(), 1500, 1500, false));
    in_network(|| {
        let settings = AreaSettings { chunk_size: 4096, headroom: 100, ..area_settings() };
        check_alone(&settings, 3740, 3726, false);
    });
}

#[test]
fn unaligned_chunks_work() {
    in_network(|| {
        // In huge pages, if there are any, a chunk may begin at any address.
        let huge_pages = HugePages::Try;
        let settings =
            AreaSettings { chunk_size: 3000, unaligned: true, huge_pages, ..area_settings() };
        check_alone(&settings, 2700, 2800, false);
    });
}

#[test]
fn packets_larger_than_a_chunk_come_in_several_frames() {
    in_network(|| {
        let settings = AreaSettings { chunk_size: 4096, ..area_settings() };
        check_alone(&settings, 9000, 9000, true);
    });
}

#[test]
fn zero_copy_is_tried_and_copy_is_taken() {
    in_network(|| {
        let [one, _] = connect(["s0", "g0"], 1, 1500);
        let area = area();
        let queue = Queue::bind(&area, &receiving(one, 0)).unwrap();
        assert_eq!((queue.interface(), queue.queue(), queue.mode()), (one, 0, Mode::Copy));
        let [(Mode::ZeroCopy, error)] = queue.tried() else { panic!("{:?}", queue.tried()) };
        assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP));
        let modes = vec![Mode::ZeroCopy];
        let settings = QueueSettings { modes, ..receiving(one, 0) };
        let error = Queue::bind(&Area::new(&area_settings()).unwrap(), &settings).unwrap_err();
        assert!(matches!(error, Error::Bind { mode: Mode::ZeroCopy, .. }), "{error:?}");
    });
}

#[test]
fn what_is_refused_is_explained() {
    in_network(|| {
        let [one, _] = connect(["s0", "g0"], 1, 1500);
        let (first, second) = (area(), area());
        let queue = Queue::bind(&first, &receiving(one, 0)).unwrap();
        for (area, settings, errno, part) in [
            (&second, receiving(one, 0), libc::EBUSY, "s0: zero-copy: "),
            (&first, receiving(one, 0), libc::EBUSY, "another AF_XDP socket has this queue"),
            (&first, receiving(one, 9), libc::EINVAL, "no such queue"),
            (&first, receiving(4_000_000, 0), libc::ENODEV, "no interface of this index"),
        ] {
            let error = Queue::bind(area, &settings).unwrap_err();
            assert_eq!(error.errno(), Some(errno), "{error}");
            assert!(error.to_string().contains(part), "no {part:?} in: {error}");
        }
        let greedy = QueueSettings { chunks: 5000, ..receiving(one, 0) };
        drop(queue);
        let error = Queue::bind(&first, &greedy).unwrap_err();
        assert!(matches!(error, Error::Chunks { wanted: 5000, free: 2048 }), "{error}");
        let _queue = Queue::bind(&first, &receiving(one, 0)).unwrap();
        assert_eq!((first.free_chunks(), second.free_chunks()), (2048 - 256, 2048));
    });
}

#[test]
fn missing_rights_are_named() {
    const NET_RAW: u32 = 13;
    const IPC_LOCK: u32 = 14;
    in_network(|| {
        let [one, _] = connect(["s0", "g0"], 1, 1500);
        let area = Area::new(&AreaSettings { chunks: 8192, ..area_settings() }).unwrap();
        give_up(IPC_LOCK);
        if lockable() < 8192 * 2048 {
            let error = Queue::bind(&area, &receiving(one, 0)).unwrap_err();
            assert_eq!(error.errno(), Some(libc::ENOBUFS), "{error}");
            assert!(error.to_string().contains("IPC_LOCK"), "{error}");
            assert!(matches!(error, Error::System { step: Step::Registration, .. }), "{error:?}");
        } else {
            eprintln!("skipped: the limit of locked memory is above 16 MiB");
        }
        give_up(NET_RAW);
        let error = Queue::bind(&area, &receiving(one, 0)).unwrap_err();
        assert!(matches!(error, Error::System { step: Step::Socket, .. }), "{error:?}");
        assert!(error.to_string().contains("NET_RAW"), "{error}");
        assert_eq!(area.free_chunks(), 8192);
    });
}

/// Sends more than the rings hold before anything is read: what is missing has been counted.
fn check_overflow(settings: &QueueSettings, expected: usize, counter: fn(&Statistics) -> u64) {
    let [one, other] = connect(["s0", "g0"], 1, 1500);
    let area = area();
    let redirect = Redirect::attach(one, None).unwrap();
    let settings = QueueSettings { interface: one, ..settings.clone() };
    let mut receiver = Queue::bind(&area, &settings).unwrap();
    redirect.direct(0, receiver.as_fd()).unwrap();
    let mut sender = Queue::bind(&area, &sending(other, 0)).unwrap();
    let lost = |queue: &Queue| {
        let statistics = queue.statistics().unwrap();
        (statistics.rx_dropped + statistics.rx_ring_full) as usize
    };
    let end = Instant::now() + PATIENCE;
    for first in (0..500).step_by(20) {
        let packets: Vec<_> = (first..first + 20).map(|number| packet(number, 100)).collect();
        send(&mut sender, &packets);
        let arrived = first as usize + 20;
        while lost(&receiver) < arrived.saturating_sub(expected) && Instant::now() < end {
            std::thread::yield_now();
        }
    }
    let lost = lost(&receiver);
    let received = receive(&mut receiver, 500 - lost);
    assert_eq!((received.len(), lost), (expected, 500 - expected));
    assert_eq!(counter(&receiver.statistics().unwrap()), 500 - expected as u64);
    assert!((0..).zip(&received).all(|(number, bytes)| *bytes == packet(number, 100)));
}

#[test]
fn rings_that_are_too_small_are_counted() {
    in_network(|| {
        let settings = QueueSettings { rx: 128, fill: 64, chunks: 64, ..QueueSettings::default() };
        check_overflow(&settings, 64, |statistics| statistics.rx_fill_ring_empty);
    });
    in_network(|| {
        let settings = QueueSettings { rx: 32, fill: 128, chunks: 128, ..QueueSettings::default() };
        check_overflow(&settings, 32, |statistics| statistics.rx_ring_full);
    });
}

#[test]
fn metadata_of_the_program_is_in_front_of_the_packet() {
    in_network(|| {
        let [one, other] = connect(["s0", "g0"], 1, 1500);
        let area = area();
        let redirect = Redirect::attach(one, Some(Metadata(0x1234_5678))).unwrap();
        let mut receiver = Queue::bind(&area, &receiving(one, 0)).unwrap();
        redirect.direct(0, receiver.as_fd()).unwrap();
        let mut sender = Queue::bind(&area, &sending(other, 0)).unwrap();
        send(&mut sender, &[packet(1, 100)]);
        assert!(receiver.wait(PATIENCE).unwrap());
        let mut frames = Vec::new();
        assert_eq!(receiver.receive(&mut frames, 9), 1);
        let metadata = area.before::<8>(&frames[0]).unwrap();
        assert_eq!(metadata[..4], 8_i32.to_ne_bytes());
        assert_eq!(metadata[4..], 0x1234_5678_i32.to_ne_bytes());
        assert_eq!(area.bytes(&frames[0]), packet(1, 100));
    });
}

#[test]
fn frames_may_be_given_back_to_another_queue() {
    in_network(|| {
        let [one, other] = connect(["s0", "g0"], 2, 1500);
        let area = area();
        let redirect = Redirect::attach(one, None).unwrap();
        let small = |queue| QueueSettings { chunks: 160, ..receiving(one, queue) };
        let mut receivers = [0, 1].map(|queue| Queue::bind(&area, &small(queue)).unwrap());
        for receiver in &receivers {
            redirect.direct(receiver.queue(), receiver.as_fd()).unwrap();
        }
        let mut sender = Queue::bind(&area, &sending(other, 0)).unwrap();
        let (mut frames, mut next) = (Vec::with_capacity(64), 0);
        let end = Instant::now() + PATIENCE;
        for first in (0..3000).step_by(30) {
            let packets: Vec<_> = (first..first + 30).map(|number| packet(number, 80)).collect();
            send(&mut sender, &packets);
            while next < first + 30 && Instant::now() < end {
                receivers[0].refill();
                receivers[0].receive(&mut frames, 64);
                for frame in &frames {
                    assert!(area.bytes(frame) == packet(next, 80));
                    next += 1;
                }
                receivers[1].give_back(frames.drain(..));
                receivers[0].wait(Duration::from_millis(1)).unwrap();
            }
        }
        assert_eq!((next, receivers[0].statistics().unwrap()), (3000, Statistics::default()));
        let [lacks, has] = receivers.each_ref().map(Queue::counters);
        assert!(has.returned_frames > 0 && lacks.drawn_frames > 0, "{has:?} {lacks:?}");
        assert!(receivers[1].spare() <= 64);
    });
}

#[test]
fn frames_are_looked_at_by_another_thread() {
    in_network(|| {
        let [one, other] = connect(["s0", "g0"], 1, 1500);
        let area = area();
        let redirect = Redirect::attach(one, None).unwrap();
        let mut receiver = Queue::bind(&area, &receiving(one, 0)).unwrap();
        redirect.direct(0, receiver.as_fd()).unwrap();
        let mut sender = Queue::bind(&area, &sending(other, 0)).unwrap();
        let (to, inbox) = std::sync::mpsc::channel::<Vec<Frame>>();
        let (back, outbox) = std::sync::mpsc::channel();
        let looker = area.clone();
        let inspector = std::thread::spawn(move || {
            let mut next = 0;
            for frames in inbox {
                for frame in &frames {
                    assert!(looker.bytes(frame) == packet(next, 400));
                    next += 1;
                }
                let _ = back.send(frames);
            }
            next
        });
        let (mut received, mut away, end) = (0, 0, Instant::now() + PATIENCE);
        for first in (0..2000).step_by(20) {
            let packets: Vec<_> = (first..first + 20).map(|number| packet(number, 400)).collect();
            send(&mut sender, &packets);
            while received < first as usize + 20 && Instant::now() < end {
                receiver.wait(Duration::from_millis(1)).unwrap();
                let mut frames = Vec::new();
                received += receiver.receive(&mut frames, 64);
                away += frames.len();
                to.send(frames).unwrap();
                // The other thread may be far behind, but not by more than there are frames.
                while away > 100 {
                    away -= receiver.give_back(outbox.recv().unwrap());
                }
                receiver.refill();
            }
        }
        drop(to);
        assert_eq!((received, inspector.join().unwrap()), (2000, 2000));
        for frames in outbox {
            receiver.give_back(frames);
        }
        drop((sender, receiver));
        assert_eq!(area.free_chunks() + area.parked_chunks(), 2048);
    });
}

#[test]
fn frames_of_another_area_are_not_taken() {
    in_network(|| {
        let [one, other] = connect(["s0", "g0"], 1, 1500);
        let (first, second) = (area(), area());
        let mut queue = Queue::bind(&first, &sending(one, 0)).unwrap();
        let mut stranger = Queue::bind(&second, &sending(other, 0)).unwrap();
        assert_eq!(queue.give_back(stranger.take()), 0);
        let mut frames: Vec<_> = stranger.take().into_iter().chain(queue.take()).collect();
        assert!(second.set_len(&mut frames[0], 60) && !second.set_len(&mut frames[1], 60));
        assert_eq!(queue.transmit(&mut frames), 2);
        assert_eq!((queue.under_way(), frames.len()), (0, 0));
        let counters = queue.counters();
        assert_eq!((counters.foreign_frames, counters.empty_frames), (2, 1));
        assert_eq!((queue.spare(), stranger.spare()), (64, 62));
    });
}

#[test]
fn a_queue_can_be_closed_and_bound_again() {
    in_network(|| {
        let [one, other] = connect(["s0", "g0"], 1, 1500);
        let settings = AreaSettings { chunks: 256 + 64, ..area_settings() };
        let area = Area::new(&settings).unwrap();
        let redirect = Redirect::attach(one, None).unwrap();
        for round in 0..5 {
            let mut receiver = Queue::bind(&area, &receiving(one, 0)).unwrap();
            let mut sender = Queue::bind(&area, &sending(other, 0)).unwrap();
            assert_eq!((area.free_chunks(), area.parked_chunks()), (0, 0), "round {round}");
            redirect.direct(0, receiver.as_fd()).unwrap();
            check_delivery(&mut sender, &mut receiver, 300, 200);
            // Some are received, some wait in the ring, some chunks wait in the fill ring.
            send(&mut sender, &(0..20).map(|number| packet(number, 60)).collect::<Vec<_>>());
            let mut frames = Vec::new();
            receiver.receive(&mut frames, 5);
            frames.into_iter().for_each(|frame| area.give_back(frame).unwrap());
            drop((receiver, sender));
            assert!(area.parked_chunks() > 0);
            assert_eq!(area.free_chunks() + area.parked_chunks(), 256 + 64, "round {round}");
        }
    });
}

#[test]
fn an_interface_that_goes_is_noticed_and_its_chunks_come_back() {
    in_network(|| {
        let [one, _] = connect(["s0", "g0"], 1, 1500);
        let [two, _] = connect(["s1", "g1"], 1, 1500);
        let area = area();
        let queue = Queue::bind(&area, &receiving(one, 0)).unwrap();
        assert!(!queue.wait(Duration::from_millis(1)).unwrap());
        ip("link set s0 down");
        let error = queue.wait(Duration::from_millis(1)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENETDOWN));
        ip("link del s0");
        let error = queue.wait(Duration::from_millis(1)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENXIO));
        drop(queue);
        assert_eq!((area.free_chunks(), area.parked_chunks()), (2048 - 128, 128));
        let _queue = Queue::bind(&area, &receiving(two, 0)).unwrap();
        assert_eq!((area.free_chunks(), area.parked_chunks()), (2048 - 256, 0));
    });
}

#[test]
fn queues_that_differ_in_wake_ups_share_memory_all_the_same() {
    in_network(|| {
        let [one, other] = connect(["s0", "g0"], 3, 1500);
        let area = area();
        let redirect = Redirect::attach(one, None).unwrap();
        let poll = Some(BusyPoll { microseconds: 20, budget: 64 });
        for (queue, need_wakeup, busy_poll) in [(0, true, None), (1, false, None), (2, true, poll)]
        {
            let settings = QueueSettings { need_wakeup, busy_poll, ..receiving(one, queue) };
            let mut receiver = Queue::bind(&area, &settings).unwrap();
            redirect.direct(queue, receiver.as_fd()).unwrap();
            let settings = QueueSettings { need_wakeup, ..sending(other, queue) };
            let mut sender = Queue::bind(&area, &settings).unwrap();
            check_delivery(&mut sender, &mut receiver, 200, 500);
        }
    });
}

#[test]
fn a_queue_can_send_what_it_received() {
    in_network(|| {
        let [one, other] = connect(["s0", "g0"], 1, 1500);
        let area = area();
        let maps = [one, other].map(|interface| Redirect::attach(interface, None).unwrap());
        let both = |interface| QueueSettings { tx: 64, completion: 64, ..receiving(interface, 0) };
        let mut near = Queue::bind(&area, &both(one)).unwrap();
        let mut far = Queue::bind(&area, &both(other)).unwrap();
        maps[0].direct(0, near.as_fd()).unwrap();
        maps[1].direct(0, far.as_fd()).unwrap();
        for number in 0..300 {
            send(&mut near, &[packet(number, 90)]);
            let mut frames = Vec::new();
            assert!(far.wait(PATIENCE).unwrap());
            assert_eq!(far.receive(&mut frames, 9), 1);
            area.bytes_mut(&mut frames[0])[..6].copy_from_slice(b"\x02return"[..6].as_ref());
            assert_eq!(far.transmit(&mut frames), 1);
            far.wake_if_needed().unwrap();
            let back = receive(&mut near, 1);
            assert_eq!(back[0][..6], b"\x02return"[..6]);
            assert_eq!(back[0][6..], packet(number, 90)[6..]);
            far.complete();
            far.refill();
        }
    });
}
