//! The ring arithmetic on plain memory: tables, a model, and every interleaving under loom.

use super::*;
#[cfg(loom)]
use loom::sync::Arc;
#[cfg(not(loom))]
use std::sync::Arc;

/// A ring in ordinary memory, shared by its two ends.
struct Plain {
    producer: AtomicU32,
    consumer: AtomicU32,
    flags: AtomicU32,
    words: Vec<AtomicU64>,
}

impl Memory for Arc<Plain> {
    fn producer(&self) -> &AtomicU32 {
        &self.producer
    }
    fn consumer(&self) -> &AtomicU32 {
        &self.consumer
    }
    fn flags(&self) -> &AtomicU32 {
        &self.flags
    }
    fn words(&self) -> &[AtomicU64] {
        &self.words
    }
}

/// A ring of `words` words of which both indices stand at `start`.
fn plain(words: usize, start: u32) -> Arc<Plain> {
    Arc::new(Plain {
        producer: AtomicU32::new(start),
        consumer: AtomicU32::new(start),
        flags: AtomicU32::new(0),
        words: (0..words).map(|_| AtomicU64::new(0)).collect(),
    })
}

type Ends<S> = (Producer<Arc<Plain>, S>, Consumer<Arc<Plain>, S>);

fn ends<S: Slot>(memory: &Arc<Plain>) -> Ends<S> {
    (Producer::new(memory.clone()).unwrap(), Consumer::new(memory.clone()).unwrap())
}

#[cfg(not(loom))]
mod plainly {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    #[test]
    fn sizes_that_are_no_power_of_two_are_refused() {
        for (words, addresses, descriptors) in [
            (0, false, false),
            (1, true, false),
            (2, true, true),
            (3, false, false),
            (4, true, true),
            (6, false, false),
            (8, true, true),
        ] {
            let memory = plain(words, 0);
            assert_eq!(Producer::<_, u64>::new(memory.clone()).is_some(), addresses, "{words}");
            assert_eq!(Consumer::<_, u64>::new(memory.clone()).is_some(), addresses, "{words}");
            let producer = Producer::<_, Descriptor>::new(memory.clone());
            assert_eq!(producer.is_some(), descriptors, "{words}");
            assert_eq!(Consumer::<_, Descriptor>::new(memory).is_some(), descriptors, "{words}");
        }
    }

    /// Fills and empties a ring of four whose indices start at `start`.
    fn check_around(start: u32) {
        let memory = plain(4, start);
        let (mut producer, mut consumer) = ends::<u64>(&memory);
        assert_eq!(consumer.pop(), None);
        for round in 0..3 {
            for value in 0..4 {
                assert!(producer.push(round * 10 + value), "from {start}");
            }
            assert!(!producer.push(99), "a fifth fits from {start}");
            assert_eq!(consumer.ready(9), 0, "shown before it is published, from {start}");
            producer.publish();
            assert_eq!(consumer.ready(9), 4, "from {start}");
            assert_eq!(consumer.ready(3), 3, "from {start}");
            for value in 0..4 {
                assert_eq!(consumer.pop(), Some(round * 10 + value), "from {start}");
            }
            assert_eq!(consumer.pop(), None);
            assert_eq!(producer.room(9), 0, "free before it is released, from {start}");
            consumer.release();
            assert_eq!(producer.room(9), 4, "from {start}");
            assert_eq!(producer.room(1), 1, "from {start}");
        }
    }

    #[test]
    fn indices_wrap() {
        for start in [0, 1, 3, u32::MAX / 2, u32::MAX - 5, u32::MAX - 3, u32::MAX - 1, u32::MAX] {
            check_around(start);
        }
    }

    #[test]
    fn descriptors_have_the_kernel_s_layout() {
        let memory = plain(4, 0);
        let (mut producer, mut consumer) = ends::<Descriptor>(&memory);
        let descriptor = Descriptor { address: 0x1122_3344_5566_7788, length: 1500, options: 1 };
        assert!(producer.push(descriptor));
        producer.publish();
        assert_eq!(memory.words[0].load(Ordering::Relaxed), 0x1122_3344_5566_7788);
        let word = memory.words[1].load(Ordering::Relaxed).to_ne_bytes();
        assert_eq!(word[..4], 1500_u32.to_ne_bytes());
        assert_eq!(word[4..], 1_u32.to_ne_bytes());
        assert_eq!(consumer.pop(), Some(descriptor));
    }

    #[test]
    fn senseless_indices_of_the_other_side_are_not_followed() {
        for beyond in [5_u32, 100, u32::MAX / 2] {
            let memory = plain(4, 7);
            let (mut producer, mut consumer) = ends::<u64>(&memory);
            memory.producer.store(7 + beyond, Ordering::Relaxed);
            assert_eq!(consumer.ready(9), 0, "{beyond} produced");
            assert_eq!(consumer.pop(), None);
            memory.consumer.store(7 + beyond, Ordering::Relaxed);
            assert_eq!(producer.room(9), 0, "{beyond} consumed");
            assert!(!producer.push(1));
        }
    }

    #[test]
    fn the_kernel_s_wish_to_be_woken_is_seen() {
        let memory = plain(4, 0);
        let (producer, _) = ends::<u64>(&memory);
        for (flags, wanted) in [(0, false), (1, true), (2, false), (3, true)] {
            memory.flags.store(flags, Ordering::Relaxed);
            assert_eq!(producer.needs_wakeup(), wanted, "{flags}");
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Push(u8),
        /// The same for a batch.
        Write(u8),
        Publish,
        Pop(u8),
        /// The same for a batch.
        Take(u8),
        Release,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..12_u8).prop_map(Step::Push),
            (0..12_u8).prop_map(Step::Write),
            Just(Step::Publish),
            (0..12_u8).prop_map(Step::Pop),
            (0..12_u8).prop_map(Step::Take),
            Just(Step::Release),
        ]
    }

    /// Two lists stand for the ring: written but not shown, and shown but not read.
    fn check_against_model(start: u32, bits: u32, steps: &[Step]) {
        let size = 1_usize << bits;
        let memory = plain(size * 2, start);
        let (mut producer, mut consumer) = ends::<Descriptor>(&memory);
        let (mut hidden, mut shown) = (VecDeque::new(), VecDeque::new());
        let (mut read, mut next) = (0, 0_u64);
        for step in steps {
            match *step {
                Step::Push(count) => {
                    for _ in 0..count {
                        let fits = hidden.len() + shown.len() + read < size;
                        let value = Descriptor { address: next, length: !next as u32, options: 1 };
                        assert_eq!(producer.push(value), fits);
                        if fits {
                            hidden.push_back(value);
                            next += 1;
                        }
                    }
                }
                Step::Write(count) => {
                    let room = size - (hidden.len() + shown.len() + read);
                    let count = room.min(usize::from(count));
                    assert_eq!(producer.room(count as u32) as usize, count);
                    let free = producer.known_free();
                    let words = free.iter().flat_map(|part| part.chunks_exact(2));
                    assert!((count..=room).contains(&words.clone().count()));
                    for words in words.take(count) {
                        let value = Descriptor { address: next, length: !next as u32, options: 1 };
                        value.write(words);
                        hidden.push_back(value);
                        next += 1;
                    }
                    producer.advance(count as u32);
                }
                Step::Publish => {
                    producer.publish();
                    shown.append(&mut hidden);
                }
                Step::Pop(count) => {
                    let ready = consumer.ready(u32::from(count)) as usize;
                    assert_eq!(ready, shown.len().min(usize::from(count)));
                    for _ in 0..count {
                        let value = consumer.pop();
                        assert_eq!(value, shown.pop_front());
                        read += usize::from(value.is_some());
                    }
                }
                Step::Take(count) => {
                    let taken = consumer.pop_up_to(u32::from(count)).into_iter().flatten();
                    let taken: Vec<_> = taken.collect();
                    assert_eq!(taken.len(), shown.len().min(usize::from(count)));
                    assert!(taken.iter().copied().eq(shown.drain(..taken.len())));
                    read += taken.len();
                }
                Step::Release => {
                    consumer.release();
                    read = 0;
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 8 } else { 256 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]
        #[test]
        fn a_ring_is_a_bounded_list(
            start in prop_oneof![any::<u32>(), (0..40_u32).prop_map(|back| u32::MAX - back)],
            bits in 0..5_u32,
            steps in prop::collection::vec(step(), 0..120),
        ) {
            check_against_model(start, bits, &steps);
        }
    }

    #[test]
    fn nothing_is_lost_or_reordered_between_threads() {
        let count: u64 = if cfg!(miri) { 200 } else { 200_000 };
        let memory = plain(16, u32::MAX - 50);
        let (mut producer, mut consumer) = ends::<Descriptor>(&memory);
        let sender = std::thread::spawn(move || {
            let mut next = 0;
            while next < count {
                let value =
                    Descriptor { address: next, length: next as u32, options: !next as u32 };
                if producer.push(value) {
                    next += 1;
                } else {
                    std::thread::yield_now();
                }
                producer.publish();
            }
        });
        let mut next = 0;
        while next < count {
            match consumer.pop() {
                Some(value) => {
                    let (length, options) = (next as u32, !next as u32);
                    assert_eq!(value, Descriptor { address: next, length, options });
                    next += 1;
                }
                None => std::thread::yield_now(),
            }
            consumer.release();
        }
        sender.join().unwrap();
    }
}

/// Run with `RUSTFLAGS="--cfg loom" cargo test -p afxdp --lib ring`.
#[cfg(loom)]
mod interleaved {
    use super::*;
    use loom::cell::UnsafeCell;

    /// One cell for each slot, with which loom checks what the orderings are for: that nobody
    /// reads a slot while it may be written.
    struct Slots(Vec<UnsafeCell<()>>);

    // SAFETY: the cells hold nothing; loom watches the accesses.
    #[allow(unsafe_code)]
    unsafe impl Sync for Slots {}

    impl Slots {
        fn of(&self, index: u64) -> &UnsafeCell<()> {
            &self.0[index as usize % self.0.len()]
        }
    }

    /// All orders in which the two ends of a ring of two slots can meet while the indices wrap,
    /// when `count` values are sent and the reader takes `batch` at a time.
    fn check(count: u64, batch: u64) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(move || {
            let memory = plain(4, u32::MAX);
            let slots = Arc::new(Slots((0..2).map(|_| UnsafeCell::new(())).collect()));
            let (mut producer, mut consumer) = ends::<Descriptor>(&memory);
            let value = |n: u64| Descriptor { address: n, length: n as u32 + 1, options: 1 };
            let written = slots.clone();
            let sender = loom::thread::spawn(move || {
                for next in 0..count {
                    while producer.room(1) == 0 {
                        loom::thread::yield_now();
                    }
                    written.of(next).with_mut(|_| ());
                    assert!(producer.push(value(next)));
                    producer.publish();
                }
            });
            let mut next = 0;
            while next < count {
                let wanted = batch.min(count - next);
                while u64::from(consumer.ready(wanted as u32)) < wanted {
                    loom::thread::yield_now();
                }
                for _ in 0..wanted {
                    slots.of(next).with(|_| ());
                    assert_eq!(consumer.pop(), Some(value(next)));
                    next += 1;
                }
                consumer.release();
            }
            sender.join().unwrap();
        });
    }

    #[test]
    fn every_order_delivers_what_was_sent() {
        check(3, 1);
    }

    #[test]
    fn a_batch_is_released_as_a_whole() {
        check(4, 2);
    }
}
