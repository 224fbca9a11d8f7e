//! Records as they leave workers: lines of JSON, with the worker and a sequence number beside them.

use memchr::memmem;

/// Number that stands for the process itself in place of a worker: statistics come from it.
pub const PROCESS: u16 = u16::MAX;

/// Outputs that one delivery may carry, each on a channel of its own.
pub const OUTPUTS: u16 = 14;

const CHANNEL_BITS: u32 = 11;
const LAST_WORKER: u16 = (1 << CHANNEL_BITS) - 1;
/// Numbers below it are those of workers on channel 0, which leaves none for channel 1.
const OTHER_CHANNELS: u16 = 2 << CHANNEL_BITS;
/// The channels end before it: [`PROCESS`] is above.
const CHANNELS: u16 = 31;

/// The channels that an output may have: odd ones are for those of which every record is an alert,
/// whatever it says.
pub fn channels(alerts: bool) -> impl Iterator<Item = u16> {
    (if alerts { 3 } else { 0 }..CHANNELS).step_by(2)
}

/// The number that a worker's records go by on a channel; on channel 0 its own.
pub const fn worker_on(channel: u16, worker: u16) -> u16 {
    match channel {
        0 => worker,
        _ => channel << CHANNEL_BITS | if worker < LAST_WORKER { worker } else { LAST_WORKER - 1 },
    }
}

/// All numbers of a channel.
pub(crate) fn numbers_of(channel: u16) -> impl Iterator<Item = u16> {
    let end = if channel == 0 { OTHER_CHANNELS } else { LAST_WORKER };
    (0..end).map(move |worker| worker_on(channel, worker)).chain([process_on(channel)])
}

/// The number that stands for the process itself on a channel.
pub const fn process_on(channel: u16) -> u16 {
    if channel == 0 { PROCESS } else { channel << CHANNEL_BITS | LAST_WORKER }
}

const ALERT: &str = "alert";

/// Version of the records' schema, sent along with each record.
pub const SCHEMA_VERSION: &str = "1";

/// Records of one worker, numbered without holes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The worker, from 0, or [`PROCESS`].
    pub worker: u16,
    /// Number of the first record; numbers of a worker never come twice, restarts included.
    pub first: u64,
    /// The records, each with its line end.
    pub bytes: Vec<u8>,
}

impl Batch {
    /// The records, in order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut start = 0;
        memchr::memchr_iter(b'\n', &self.bytes).enumerate().map(move |(at, end)| {
            let bytes = self.bytes.get(start..end).unwrap_or_default();
            start = end + 1;
            Record { worker: self.worker, sequence: self.first + at as u64, bytes }
        })
    }

    /// How many records there are.
    pub fn count(&self) -> u64 {
        memchr::memchr_iter(b'\n', &self.bytes).count() as u64
    }
}

/// A record: an EVE object in JSON, or a line of an output of alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The worker that made it, or [`PROCESS`].
    pub worker: u16,
    /// Its number among the worker's records.
    pub sequence: u64,
    /// The object, without line end.
    pub bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// The channel that the record came on.
    pub fn channel(&self) -> u16 {
        match self.worker {
            PROCESS | 0..OTHER_CHANNELS => 0,
            number => number >> CHANNEL_BITS,
        }
    }

    /// `event_type`; empty when the record has none. Lines of an output of alerts are alerts: what
    /// they say is not looked at, a rule's message may look like anything.
    pub fn kind(&self) -> &'a str {
        if self.channel() % 2 == 1 {
            return ALERT;
        }
        self.text(b"\"event_type\":\"").unwrap_or_default()
    }

    /// True for alerts, which are shed last and kept longest.
    pub fn is_alert(&self) -> bool {
        self.kind() == ALERT
    }

    /// `flow_id`.
    pub fn flow_id(&self) -> Option<u64> {
        let rest = self.after(b"\"flow_id\":")?;
        let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()
    }

    /// `community_id`.
    pub fn community_id(&self) -> Option<&'a str> {
        self.text(b"\"community_id\":\"")
    }

    /// `timestamp`, as it is written: `2016-07-13T22:42:07.573103+0000`.
    pub fn timestamp(&self) -> Option<&'a str> {
        self.text(b"\"timestamp\":\"")
    }

    /// Text after a key whose value needs no escapes. A key can't be found inside of other text:
    /// quotes have a backslash there.
    fn text(&self, key: &[u8]) -> Option<&'a str> {
        let rest = self.after(key)?;
        let end = memchr::memchr(b'"', rest)?;
        std::str::from_utf8(rest.get(..end)?).ok()
    }

    fn after(&self, key: &[u8]) -> Option<&'a [u8]> {
        let at = memmem::find(self.bytes, key)?;
        self.bytes.get(at + key.len()..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_a_batch_are_numbered() {
        let batch = Batch { worker: 3, first: 7, bytes: b"{\"a\":1}\n{}\n".to_vec() };
        let records: Vec<_> = batch.records().map(|r| (r.worker, r.sequence, r.bytes)).collect();
        assert_eq!(records, [(3, 7, &b"{\"a\":1}"[..]), (3, 8, &b"{}"[..])]);
        assert_eq!(batch.count(), 2);
    }

    #[test]
    fn numbers_tell_their_channel() {
        let channel = |worker| Record { worker, sequence: 0, bytes: b"{}" }.channel();
        assert_eq!((worker_on(0, 7), process_on(0)), (7, PROCESS));
        let mut seen = std::collections::HashSet::new();
        for at in channels(false).chain(channels(true)) {
            for number in [worker_on(at, 0), worker_on(at, 1), worker_on(at, 2046), process_on(at)]
            {
                assert_eq!(channel(number), at, "{number}");
                assert!(seen.insert(number), "{number} stands for two");
                assert!(numbers_of(at).any(|one| one == number), "{number} of {at}");
            }
            assert!(numbers_of(at).all(|number| channel(number) == at), "{at}");
        }
        assert_eq!(channel(4095), 0, "workers of channel 0 are as many as ever");
        assert!(channels(true).count() >= OUTPUTS.into());
        assert!(channels(false).count() >= OUTPUTS.into());
    }

    #[test]
    fn what_comes_from_an_output_of_alerts_is_an_alert() {
        let line = br#"10/05/2016-12:00:00.0  [**] [1:1:1] "event_type":"flow" [**]"#;
        for (alerts, kind) in [(true, "alert"), (false, "flow")] {
            for at in channels(alerts) {
                let record = Record { worker: worker_on(at, 5), sequence: 0, bytes: line };
                assert_eq!((record.kind(), record.is_alert()), (kind, alerts), "{at}");
            }
        }
    }

    #[test]
    fn a_record_tells_what_sinks_need() {
        let bytes = br#"{"timestamp":"2016-07-13T22:42:07.573103+0000","flow_id":12,"event_type":"http","http":{"url":"\"event_type\":\"alert"},"community_id":"1:x="}"#;
        let record = Record { worker: 0, sequence: 0, bytes };
        assert_eq!((record.kind(), record.is_alert()), ("http", false));
        assert_eq!(record.flow_id(), Some(12));
        assert_eq!(record.community_id(), Some("1:x="));
        assert_eq!(record.timestamp(), Some("2016-07-13T22:42:07.573103+0000"));
        let empty = Record { bytes: b"{}", ..record };
        assert_eq!((empty.kind(), empty.flow_id(), empty.timestamp()), ("", None, None));
    }
}
