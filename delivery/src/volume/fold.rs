//! Records that agree in some fields within some time, held to go out as one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::members::Members;
use super::settings::Fold;
use crate::record::Record;

/// Bytes that an entry takes beside its key and its record, about.
const ENTRY: usize = 256;

/// How two records become one: the earlier ones, the last one, their type.
pub(super) type Merge = fn(&[u8], &[u8], &str) -> Option<Vec<u8>>;

/// What is remembered of records of a time.
pub(super) struct Table {
    within: u64,
    patience: Duration,
    by: Vec<String>,
    most: usize,
    memory: usize,
    /// For flows, which are added up; of alerts the first goes out at once, and the last one stays.
    merge: Option<Merge>,
    entries: BTreeMap<u64, Entry>,
    /// Numbers of the entries by their keys.
    numbers: HashMap<Arc<[u8]>, u64>,
    next: u64,
    bytes: usize,
    held: u64,
}

struct Entry {
    key: Arc<[u8]>,
    /// The first record's time.
    start: u64,
    /// When it ends, by the clock of the records and by that on the wall: no records may come.
    until: u64,
    deadline: Instant,
    held: Option<Held>,
}

/// Records that became one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Worker and number of the last one.
    pub(super) worker: u16,
    pub(super) sequence: u64,
    /// The one that they became.
    pub(super) bytes: Vec<u8>,
    /// How many they were.
    pub(super) count: u64,
    /// True when it has to say so.
    pub(super) is_marked: bool,
    /// Time and timestamp of the earliest and the latest.
    first: (u64, String),
    last: (u64, String),
}

impl Held {
    /// What the record says of how it was made.
    pub(super) fn mark(&self) -> String {
        match self.is_marked {
            true => format!(
                ",\"folded\":{{\"count\":{},\"first\":\"{}\",\"last\":\"{}\"}}",
                self.count, self.first.1, self.last.1
            ),
            false => String::new(),
        }
    }
}

impl Table {
    /// An empty one.
    pub(super) fn new(fold: &Fold, by: Vec<String>, merge: Option<Merge>) -> Self {
        Self {
            within: u64::try_from(fold.within.as_micros()).unwrap_or(u64::MAX),
            patience: fold.within,
            by,
            most: fold.keys,
            memory: usize::try_from(fold.memory).unwrap_or(usize::MAX),
            merge,
            entries: BTreeMap::new(),
            numbers: HashMap::new(),
            next: 0,
            bytes: 0,
            held: 0,
        }
    }

    /// Records that are held.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Takes a record of a time; true when it is held now. What has to go for it comes to `out`.
    pub(super) fn take(
        &mut self,
        record: &Record<'_>,
        time: u64,
        clock: u64,
        now: Instant,
        out: &mut Vec<Held>,
    ) -> bool {
        let Some(key) = self.key(record) else { return false };
        if let Some(number) = self.numbers.get(key.as_slice()).copied() {
            if self.absorb(number, record, time) {
                self.keep_to_memory(out);
                return true;
            }
            self.let_out(number, out);
        }
        self.open(key, record, time, clock, now);
        while self.entries.len() > self.most {
            self.let_out_oldest(out);
        }
        self.keep_to_memory(out);
        self.merge.is_some()
    }

    /// Lets out what has ended.
    pub(super) fn expire(&mut self, clock: Option<u64>, now: Instant, out: &mut Vec<Held>) {
        while let Some((number, entry)) = self.entries.first_key_value()
            && (clock.is_some_and(|clock| entry.until <= clock) || entry.deadline <= now)
        {
            let number = *number;
            self.let_out(number, out);
        }
    }

    /// Lets out everything.
    pub(super) fn end(&mut self, out: &mut Vec<Held>) {
        while !self.entries.is_empty() {
            self.let_out_oldest(out);
        }
    }

    /// Adds a record to an entry. False when it does not belong to it any more.
    fn absorb(&mut self, number: u64, record: &Record<'_>, time: u64) -> bool {
        let Some(entry) = self.entries.get_mut(&number) else { return false };
        let Some(timestamp) = record.timestamp() else { return false };
        if entry.start.abs_diff(time) >= self.within {
            return false;
        }
        let held = match &mut entry.held {
            Some(held) => {
                let bytes = match self.merge {
                    Some(merge) => {
                        let Some(merged) = merge(&held.bytes, record.bytes, record.kind()) else {
                            return false;
                        };
                        merged
                    }
                    None => record.bytes.to_vec(),
                };
                self.bytes -= held.bytes.len();
                held.bytes = bytes;
                held.is_marked = true;
                (held.worker, held.sequence) = (record.worker, record.sequence);
                held.count += 1;
                if time < held.first.0 {
                    held.first = (time, timestamp.to_owned());
                }
                if time > held.last.0 {
                    held.last = (time, timestamp.to_owned());
                }
                held
            }
            none => none.insert(only(record, time, timestamp, true)),
        };
        self.bytes += held.bytes.len();
        self.held += 1;
        true
    }

    fn open(&mut self, key: Vec<u8>, record: &Record<'_>, time: u64, clock: u64, now: Instant) {
        let held = match (self.merge, record.timestamp()) {
            (Some(_), Some(timestamp)) => Some(only(record, time, timestamp, false)),
            _ => None,
        };
        self.held += u64::from(held.is_some());
        let key: Arc<[u8]> = key.into();
        self.bytes += ENTRY + key.len() + held.as_ref().map_or(0, |held| held.bytes.len());
        let (until, deadline) = (clock.saturating_add(self.within), now + self.patience);
        self.numbers.insert(Arc::clone(&key), self.next);
        self.entries.insert(self.next, Entry { key, start: time, until, deadline, held });
        self.next += 1;
    }

    fn keep_to_memory(&mut self, out: &mut Vec<Held>) {
        while self.bytes > self.memory && !self.entries.is_empty() {
            self.let_out_oldest(out);
        }
    }

    fn let_out_oldest(&mut self, out: &mut Vec<Held>) {
        if let Some((number, _)) = self.entries.first_key_value() {
            let number = *number;
            self.let_out(number, out);
        }
    }

    fn let_out(&mut self, number: u64, out: &mut Vec<Held>) {
        let Some(entry) = self.entries.remove(&number) else { return };
        self.numbers.remove(&entry.key);
        self.bytes -= ENTRY + entry.key.len();
        if let Some(held) = entry.held {
            self.bytes -= held.bytes.len();
            self.held -= held.count;
            out.push(held);
        }
    }

    /// What a record is told apart by: its type, and the fields as they are written. A field that
    /// is not in the record itself is looked for in the object of its type.
    fn key(&self, record: &Record<'_>) -> Option<Vec<u8>> {
        let kind = record.kind().as_bytes();
        let mut places = vec![None; self.by.len()];
        let mut own = None;
        for (name, place) in Members::of(record.bytes, 0) {
            if let Some(at) = self.by.iter().position(|by| by.as_bytes() == name) {
                places[at] = Some(place);
            } else if name == kind {
                own = Some(place.start);
            }
        }
        for (name, place) in own.iter().flat_map(|at| Members::of(record.bytes, *at)) {
            if let Some(at) = self.by.iter().position(|by| by.as_bytes() == name) {
                places[at].get_or_insert(place);
            }
        }
        let mut key = kind.to_vec();
        for place in places {
            // Line ends are in no record.
            key.push(b'\n');
            if let Some(place) = place {
                key.extend_from_slice(record.bytes.get(place)?);
            }
        }
        Some(key)
    }
}

fn only(record: &Record<'_>, time: u64, timestamp: &str, is_marked: bool) -> Held {
    Held {
        worker: record.worker,
        sequence: record.sequence,
        bytes: record.bytes.to_vec(),
        count: 1,
        is_marked,
        first: (time, timestamp.to_owned()),
        last: (time, timestamp.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn table(text: &str, merge: Option<Merge>) -> Table {
        let fold: Fold = serde_saphyr::from_str(text).unwrap();
        Table::new(&fold, fold.by_of_alerts(), merge)
    }

    fn alert(sid: u64, second: u64, more: &str) -> String {
        format!(
            "{{\"timestamp\":\"1970-01-01T00:{:02}:{:02}.000000+0000\",\"event_type\":\"alert\",\
             \"src_ip\":\"192.0.2.1\",\"alert\":{{\"gid\":1,\"signature_id\":{sid}}},\
             \"flow\":{{\"src_ip\":\"x\"}}{more}}}",
            second / 60,
            second % 60
        )
    }

    struct Run {
        table: Table,
        sequence: u64,
        began: Instant,
    }

    impl Run {
        fn new(text: &str) -> Self {
            Self { table: table(text, None), sequence: 0, began: Instant::now() }
        }

        /// What goes out: the record itself (its number) or what was held (number and count).
        fn take(&mut self, sid: u64, second: u64) -> Vec<(u64, u64)> {
            let text = alert(sid, second, "");
            let sequence = self.sequence;
            self.sequence += 1;
            let record = Record { worker: 0, sequence, bytes: text.as_bytes() };
            let mut out = Vec::new();
            let time = second * SECOND;
            self.table.expire(Some(time), self.began, &mut out);
            let is_held = self.table.take(&record, time, time, self.began, &mut out);
            let mut shown: Vec<_> = out.iter().map(|held| (held.sequence, held.count)).collect();
            if !is_held {
                shown.push((sequence, 0));
            }
            shown
        }
    }

    #[test]
    fn the_first_goes_out_at_once_and_the_rest_when_the_time_ends() {
        let mut run = Run::new("{within: 60 s}");
        assert_eq!(run.take(1, 0), [(0, 0)]);
        assert_eq!(run.take(1, 10), []);
        assert_eq!(run.take(2, 20), [(2, 0)]);
        assert_eq!(run.take(1, 59), []);
        assert_eq!(run.table.held(), 2);
        // The time is counted from the first one, and the next one is a first one again.
        assert_eq!(run.take(1, 60), [(3, 2), (4, 0)]);
        assert_eq!(run.take(1, 61), []);
        assert_eq!(run.take(3, 500), [(5, 1), (6, 0)]);
        assert_eq!((run.table.held(), run.table.entries.len()), (0, 1));
    }

    #[test]
    fn what_was_folded_says_so() {
        let mut table = table("{}", None);
        let (now, mut out) = (Instant::now(), Vec::new());
        for (sequence, second) in [(0, 5), (1, 9), (2, 7)] {
            let text = alert(1, second, &format!(",\"n\":{sequence}"));
            let record = Record { worker: 4, sequence, bytes: text.as_bytes() };
            assert_eq!(table.take(&record, second * SECOND, 0, now, &mut out), sequence > 0);
        }
        assert!(out.is_empty());
        table.expire(Some(0), now + Duration::from_secs(59), &mut out);
        assert!(out.is_empty());
        table.expire(Some(0), now + Duration::from_secs(60), &mut out);
        let [held] = out.as_slice() else { panic!("{out:?}") };
        assert_eq!((held.worker, held.sequence, held.count), (4, 2, 2));
        assert_eq!(held.bytes, alert(1, 7, ",\"n\":2").into_bytes());
        assert_eq!(
            held.mark(),
            ",\"folded\":{\"count\":2,\"first\":\"1970-01-01T00:00:07.000000+0000\",\
             \"last\":\"1970-01-01T00:00:09.000000+0000\"}"
        );
        assert_eq!((table.bytes, table.held(), table.numbers.len()), (0, 0, 0));
    }

    #[test]
    fn fields_are_the_records_own_or_those_of_its_type() {
        let table = table("{by: [signature_id, src_ip, dest_port]}", None);
        let key = |text: &str| {
            let record = Record { worker: 0, sequence: 0, bytes: text.as_bytes() };
            String::from_utf8(table.key(&record).unwrap()).unwrap()
        };
        assert_eq!(key(&alert(7, 0, "")), "alert\n7\n\"192.0.2.1\"\n");
        // Of other objects' fields none counts, nor what only looks like one.
        let text = r#"{"event_type":"alert","http":{"src_ip":1},"url":"\"src_ip\":2","alert":{"signature_id":7},"dest_port":80}"#;
        assert_eq!(key(text), "alert\n7\n\n80");
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let mut run = Run::new("{keys: 2}");
        for sid in [1, 2] {
            assert_eq!(run.take(sid, 0).len(), 1);
            assert_eq!(run.take(sid, 1), []);
        }
        assert_eq!(run.take(3, 2), [(1, 1), (4, 0)]);
        assert_eq!(run.take(2, 3), []);
        // The first one is not known any more.
        assert_eq!(run.take(1, 3), [(5, 2), (6, 0)]);
        let mut out = Vec::new();
        run.table.end(&mut out);
        assert!(out.is_empty());
        assert_eq!((run.table.bytes, run.table.held(), run.table.numbers.len()), (0, 0, 0));
    }

    #[test]
    fn memory_has_a_limit() {
        let mut table = table("{memory: 1 MiB}", None);
        let (now, mut out) = (Instant::now(), Vec::new());
        let more = format!(",\"payload\":\"{}\"", "A".repeat(100_000));
        for sequence in 0..40 {
            let text = alert(sequence / 2, 0, &more);
            let record = Record { worker: 0, sequence, bytes: text.as_bytes() };
            table.take(&record, 0, 0, now, &mut out);
            assert!(table.bytes <= 1 << 20);
        }
        assert_eq!(out.len() as u64 + table.held(), 20);
        assert!(table.held() >= 9, "{}", table.held());
    }
}
