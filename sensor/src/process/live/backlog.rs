//! Records that the writer can't take yet: how many are kept, and which are given up first.

use delivery::record::Record;
use detect::output::{Events, Records};
use detect::settings::OutputSettings;
use memchr::memchr;

use super::ledger::Ledger;

/// Memory that an empty buffer keeps; what a burst took beyond it is given back.
const ROOM: usize = 256 << 10;
/// What records of `fast.log` are.
const ALERT: &str = "alert";

/// How many bytes of records wait at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Of all kinds. Beyond it only alerts are kept.
    pub(super) all: usize,
    /// Of alerts.
    pub(super) alerts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { all: 8 << 20, alerts: 16 << 20 }
    }
}

/// Keeps the alerts of records that wait for too long.
#[derive(Debug)]
pub(super) struct Sieve {
    limits: Limits,
    /// For each output whether it is EVE, and up to where there are only alerts in its buffer.
    outputs: Vec<(bool, usize)>,
}

impl Sieve {
    /// For records of these outputs.
    pub(super) fn new(outputs: &[OutputSettings], limits: Limits) -> Self {
        let is_eve = |output: &OutputSettings| matches!(output, OutputSettings::Eve(_));
        Self { limits, outputs: outputs.iter().map(|output| (is_eve(output), 0)).collect() }
    }

    /// The buffers are others now.
    pub(super) fn renew(&mut self) {
        self.outputs.iter_mut().for_each(|(_, sifted)| *sifted = 0);
    }

    /// Gives up records if there are too many: all but alerts, and then the latest alerts. Says
    /// how many.
    pub(super) fn sift(&mut self, events: &mut Events, ledger: &Ledger) -> u64 {
        let sifted: usize = self.outputs.iter().map(|(_, sifted)| *sifted).sum();
        if size(events).saturating_sub(sifted) <= self.limits.all {
            return 0;
        }
        let mut room = self.limits.alerts.saturating_sub(sifted);
        let mut lost = 0;
        for (records, (is_eve, sifted)) in events.outputs.iter_mut().zip(&mut self.outputs) {
            lost += keep_alerts(
                records,
                *sifted,
                &mut room,
                |line| match *is_eve {
                    true => kind(line),
                    false => ALERT,
                },
                ledger,
            );
            *sifted = records.bytes.len();
        }
        lost
    }
}

/// Takes all but alerts from the records behind `from`, and those for which there is no room.
fn keep_alerts(
    records: &mut Records,
    from: usize,
    room: &mut usize,
    kind: impl Fn(&[u8]) -> &str,
    ledger: &Ledger,
) -> u64 {
    let (mut at, mut end, mut lost) = (from, from, 0);
    while let Some(rest) = records.bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let length = memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1);
        let line = rest.get(..length).unwrap_or(rest);
        let kind = kind(line);
        if kind == ALERT && length <= *room {
            *room -= length;
            records.bytes.copy_within(at..at + length, end);
            end += length;
        } else {
            ledger.shed(kind, 1);
            lost += 1;
        }
        at += length;
    }
    records.bytes.truncate(end);
    records.count = records.count.saturating_sub(lost);
    lost
}

/// The type of an EVE record. What an attacker can put into a record comes behind it.
fn kind(bytes: &[u8]) -> &str {
    match (Record { worker: 0, sequence: 0, bytes }).kind() {
        "" => "unknown",
        kind => kind,
    }
}

/// Makes a buffer that was written out ready for use.
pub(super) fn empty(events: &mut Events) {
    events.clear();
    for records in &mut events.outputs {
        records.bytes.shrink_to(ROOM);
        records.marks.shrink_to(ROOM / size_of::<(u64, usize)>());
    }
    events.files.shrink_to(ROOM / size_of::<detect::FileEvent>());
}

/// Bytes of records.
pub(super) fn size(events: &Events) -> usize {
    events.outputs.iter().map(|records| records.bytes.len()).sum()
}

/// How many records there are.
pub(super) fn count(events: &Events) -> u64 {
    events.outputs.iter().map(|records| records.count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(events: &mut Events, output: usize, line: &str) {
        let records = &mut events.outputs[output];
        records.bytes.extend_from_slice(line.as_bytes());
        records.bytes.push(b'\n');
        records.count += 1;
    }

    fn eve(kind: &str, number: u32) -> String {
        // What an attacker can put into a record comes behind its type.
        format!(
            "{{\"timestamp\":\"t\",\"flow_id\":{number},\"event_type\":\"{kind}\",\
             \"url\":\"\\\"event_type\\\":\\\"alert\"}}"
        )
    }

    fn sieve(limits: Limits) -> Sieve {
        let mut sieve = Sieve::new(&[OutputSettings::Fast], limits);
        sieve.outputs.insert(0, (true, 0));
        sieve
    }

    fn text(events: &Events, output: usize) -> String {
        String::from_utf8(events.outputs[output].bytes.clone()).unwrap()
    }

    #[test]
    fn alerts_are_given_up_last() {
        let ledger = Ledger::default();
        let mut sieve = sieve(Limits { all: 400, alerts: 1000 });
        let mut events = Events::new(2);
        for (number, kind) in (0..).zip(["flow", "alert", "dns", "alert", "flow"]) {
            add(&mut events, 0, &eve(kind, number));
        }
        add(&mut events, 1, "[**] a line of fast.log [**]");
        assert!(size(&events) > 400);
        assert_eq!(sieve.sift(&mut events, &ledger), 3);
        let expected = format!("{}\n{}\n", eve("alert", 1), eve("alert", 3));
        assert_eq!(text(&events, 0), expected);
        assert_eq!((count(&events), events.outputs[1].count), (3, 1));
        assert_eq!(ledger.dropped(), 3);
        assert_eq!(ledger.dropped_by_kind(), [("dns".to_owned(), 1), ("flow".to_owned(), 2)]);
        // What was looked at is not looked at again, and alerts alone are under another limit.
        assert_eq!(sieve.sift(&mut events, &ledger), 0);
        for number in 10..20 {
            add(&mut events, 0, &eve("alert", number));
        }
        let all = size(&events);
        let lost = sieve.sift(&mut events, &ledger);
        assert!(lost > 0 && size(&events) <= 1000 && all > 1000, "{lost} of {all}");
        assert!(text(&events, 0).starts_with(&expected), "the latest go");
        assert_eq!(ledger.dropped_by_kind()[0], ("alert".to_owned(), lost));
        sieve.renew();
        let mut fresh = Events::new(2);
        add(&mut fresh, 0, &eve("flow", 1));
        assert_eq!(sieve.sift(&mut fresh, &ledger), 0);
    }

    #[test]
    fn kinds_are_those_of_the_records() {
        for (line, expected) in [
            (eve("fileinfo", 1).as_str(), "fileinfo"),
            ("prefix: {\"in_iface\":\"a\",\"event_type\":\"tls\"}", "tls"),
            ("{\"event_type\":\"half", "unknown"),
            ("no record", "unknown"),
            ("", "unknown"),
        ] {
            assert_eq!(kind(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn memory_of_a_burst_is_given_back() {
        let mut events = Events::new(1);
        events.outputs[0].bytes = vec![b'x'; 4 << 20];
        empty(&mut events);
        let capacity = events.outputs[0].bytes.capacity();
        assert!((ROOM..2 * ROOM).contains(&capacity), "{capacity}");
        events.outputs[0].bytes.extend([0; 1000]);
        empty(&mut events);
        assert_eq!(events.outputs[0].bytes.capacity(), capacity, "what is usual stays");
    }
}
