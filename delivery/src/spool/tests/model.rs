//! Against a model: any order of appending, reading, committing, opening again and crashing.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<bool>),
    Read(usize, usize),
    Commit(usize),
    Rewind(usize),
    Reopen,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(any::<bool>(), 1..8).prop_map(Step::Append),
        4 => (0..2usize, 1..2000usize).prop_map(|(reader, most)| Step::Read(reader, most)),
        3 => (0..2usize).prop_map(Step::Commit),
        1 => (0..2usize).prop_map(Step::Rewind),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
    ]
}

/// What a reader must have seen.
#[derive(Default)]
struct Seen {
    /// How often each record has come, in the order of sequence numbers.
    times: Vec<u32>,
    /// Frames that are read and not committed.
    open: Vec<Frame>,
    /// True once something may come twice.
    may_double: bool,
}

const NAMES: [&str; 2] = ["one", "two"];

struct World {
    directory: tempfile::TempDir,
    spool: Option<(Writer, Vec<Reader>)>,
    seen: [Seen; 2],
    /// The first number, and how many were used.
    base: u64,
    next: u64,
}

impl World {
    fn new() -> Self {
        let directory = folder();
        let mut world = Self { directory, spool: None, seen: Default::default(), base: 0, next: 0 };
        world.open();
        world.base = world.spool.as_ref().unwrap().0.next_sequence(0);
        world
    }

    fn open(&mut self) {
        let settings = SpoolSettings { segment: 400, ..settings(self.directory.path()) };
        let (writer, recovery) = Spool::open(&settings).unwrap();
        assert_eq!((recovery.torn_bytes, recovery.damaged), (0, 0));
        assert!(writer.next_sequence(0) >= self.base + self.next, "a number would come twice");
        let readers = NAMES.map(|name| writer.register(name).unwrap());
        self.spool = Some((writer, readers.into()));
    }

    fn take(&mut self, step: Step) {
        let (writer, readers) = self.spool.as_mut().unwrap();
        match step {
            Step::Append(kinds) => {
                let kinds: Vec<&str> =
                    kinds.iter().map(|alert| if *alert { "alert" } else { "http" }).collect();
                let done = writer.append(&[batch(0, self.base + self.next, &kinds)]);
                assert_eq!(done.records, kinds.len() as u64);
                self.next += done.records;
            }
            Step::Read(reader, most) => {
                let Some(frame) = readers[reader].next(most, NOW) else { return };
                let seen = &mut self.seen[reader];
                for index in 0..frame.len() {
                    let sequence = frame.record(index).unwrap().sequence;
                    let number = (sequence - self.base) as usize;
                    seen.times.resize(seen.times.len().max(number + 1), 0);
                    seen.times[number] += 1;
                    assert_eq!(seen.times[number] > 1, frame.again, "record {number}");
                }
                seen.open.push(frame);
            }
            Step::Commit(reader) => {
                for frame in self.seen[reader].open.drain(..) {
                    readers[reader].commit(frame.alerts, frame.end);
                }
            }
            Step::Rewind(reader) => {
                readers[reader].rewind();
                self.seen[reader].may_double |= !self.seen[reader].open.is_empty();
                self.seen[reader].open.clear();
            }
            Step::Reopen => {
                self.spool = None;
                self.open_again(false);
            }
            Step::Crash => {
                // The process dies: what lies in the folder now is all that is left.
                let left = crash::copy(self.directory.path());
                self.spool = None;
                self.directory = left;
                self.open_again(true);
            }
        }
    }

    fn open_again(&mut self, crashed: bool) {
        for seen in &mut self.seen {
            seen.may_double |= crashed || !seen.open.is_empty();
            seen.open.clear();
        }
        self.open();
        if crashed {
            // Numbers that nobody can have used are passed over: the model counts on.
            let (writer, _) = self.spool.as_ref().unwrap();
            assert!(writer.next_sequence(0) <= self.base + self.next + 200_000);
        }
    }

    fn end(mut self) {
        for reader in 0..2 {
            let mut before = usize::MAX;
            while before != self.seen[reader].open.len() {
                before = self.seen[reader].open.len();
                self.take(Step::Read(reader, 1 << 20));
            }
            self.take(Step::Commit(reader));
        }
        let (writer, readers) = self.spool.take().unwrap();
        for (reader, seen) in readers.iter().zip(&self.seen) {
            assert_eq!(seen.times.len() as u64, self.next, "records are missing at the end");
            assert!(seen.times.iter().all(|times| *times >= 1), "records are missing");
            assert_eq!((reader.missed(), reader.damaged(), reader.lag().records), (0, 0, 0));
            if !seen.may_double {
                assert!(seen.times.iter().all(|times| *times == 1), "records came twice");
            }
        }
        assert!(writer.usage().segments <= 2, "only what grows is left");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn each_record_comes_to_each_reader(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        world.end();
    }

    #[test]
    fn any_bytes_may_lie_in_the_files(
        alerts in prop::collection::vec(any::<u8>(), 0..200),
        patches in prop::collection::vec((0..700usize, any::<u8>()), 0..6),
        cut in 0..900usize,
    ) {
        let directory = folder();
        let (mut writer, _) = Spool::open(&settings(directory.path())).unwrap();
        for number in 0..5 {
            writer.append(&[batch(0, 2 * number, &["http", "dns"])]);
        }
        drop(writer);
        let path = files(directory.path(), "events").remove(0);
        let mut bytes = std::fs::read(&path).unwrap();
        for (at, value) in patches {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        bytes.truncate(cut);
        std::fs::write(&path, &bytes).unwrap();
        std::fs::write(directory.path().join("alerts-00000003.spool"), &alerts).unwrap();
        std::fs::write(directory.path().join("one.cursor"), &alerts).unwrap();
        std::fs::write(directory.path().join("sequences"), &alerts).unwrap();
        let (mut writer, _) = Spool::open(&settings(directory.path())).unwrap();
        let mut reader = writer.register("one").unwrap();
        writer.append(&[batch(0, 100, &["alert", "http"])]);
        let found = read_all(&mut reader, true);
        prop_assert!(found.contains(&(true, 0, 100)) && found.contains(&(false, 0, 101)));
        // What comes is what was written, in order.
        let numbers: Vec<u64> = found.iter().map(|record| record.2).filter(|n| *n < 100).collect();
        prop_assert!(numbers.is_sorted() && numbers.iter().all(|number| *number < 10));
    }
}
