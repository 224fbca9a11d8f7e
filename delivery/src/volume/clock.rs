//! The time of the records: budgets and folding go by it, so that a replay that runs faster than
//! life treats records as the live run did.

use crate::calendar::Moment;
use crate::record::Record;

/// Workers are not at the same time; a record this far behind the latest is nothing special.
const DISORDER: u64 = 60_000_000;
/// So many records in a row that are further behind: the clock was set back, or an older capture
/// follows.
const PATIENCE: u32 = 1000;

/// The latest time that records have reached.
#[derive(Debug, Default)]
pub(super) struct Clock {
    latest: Option<u64>,
    /// Records in a row that were far behind.
    behind: u32,
    /// The last timestamp's date, time and zone, and where its second began.
    second: String,
    zone: String,
    begun: u64,
}

/// What a record did to the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// The record's own time, microseconds since 1970.
    pub(super) time: u64,
    /// The clock now goes from an earlier time on.
    pub(super) is_set_back: bool,
}

impl Clock {
    /// The present.
    pub(super) fn now(&self) -> Option<u64> {
        self.latest
    }

    /// Goes on to a record's time; none when it has none.
    pub(super) fn read(&mut self, record: &Record<'_>) -> Option<Reading> {
        let time = self.parse(record.timestamp()?)?;
        let latest = *self.latest.get_or_insert(time);
        self.behind = if latest.saturating_sub(time) > DISORDER { self.behind + 1 } else { 0 };
        let is_set_back = self.behind >= PATIENCE;
        if is_set_back {
            self.behind = 0;
            self.latest = Some(time);
        } else {
            self.latest = Some(latest.max(time));
        }
        Some(Reading { time, is_set_back })
    }

    /// Most records are of the second of the one before.
    fn parse(&mut self, text: &str) -> Option<u64> {
        let parts = || Some((text.get(..19)?, text.get(19..26)?, text.get(26..)?));
        let Some((second, fraction, zone)) = parts() else {
            return Moment::parse(text)?.microseconds();
        };
        let digits = fraction.strip_prefix('.');
        let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        if second == self.second
            && zone == self.zone
            && let Some(digits) = digits
        {
            return Some(self.begun + digits.parse::<u64>().ok()?);
        }
        let moment = Moment::parse(text)?;
        let time = moment.microseconds()?;
        // With other than six digits the zone does not begin where it is looked for.
        if digits.is_some() && !zone.starts_with(|c: char| c.is_ascii_digit()) {
            second.clone_into(&mut self.second);
            zone.clone_into(&mut self.zone);
            self.begun = time - u64::from(moment.microsecond);
        }
        Some(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(clock: &mut Clock, timestamp: &str) -> Option<Reading> {
        let text = format!("{{\"timestamp\":\"{timestamp}\",\"event_type\":\"dns\"}}");
        clock.read(&Record { worker: 0, sequence: 0, bytes: text.as_bytes() })
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        let mut clock = Clock::default();
        for text in [
            "2016-07-13T22:42:07.573103+0000",
            "2016-07-13T22:42:07.573104+0000",
            "2016-07-13T22:42:07.000001+0200",
            "2016-07-13T22:42:07.5731039+0000",
            "2016-07-13T22:42:07.573103+00:00",
            "2016-07-13T22:42:08Z",
            "2016-07-13T22:42:08.5Z",
            "2016-07-13T22:42:07.573103+0000",
            "2016-07-13T22:42:07.57x103+0000",
            "2016-07-13T22:42:07.573103",
            "",
        ] {
            let want = Moment::parse(text).and_then(|moment| moment.microseconds());
            assert_eq!(read(&mut clock, text).map(|reading| reading.time), want, "{text}");
        }
    }

    #[test]
    fn disorder_is_no_other_time_and_a_clock_set_back_is() {
        let mut clock = Clock::default();
        let at = |clock: &mut Clock, minute: u32| {
            read(clock, &format!("2026-01-01T00:{minute:02}:00.000000+0000")).unwrap()
        };
        let late = at(&mut clock, 30).time;
        assert!(!at(&mut clock, 29).is_set_back && clock.now() == Some(late));
        for _ in 0..PATIENCE - 1 {
            assert!(!at(&mut clock, 3).is_set_back);
        }
        // One that is not far behind begins the count anew.
        assert!(!at(&mut clock, 30).is_set_back);
        for _ in 0..PATIENCE - 1 {
            assert!(!at(&mut clock, 3).is_set_back);
        }
        assert_eq!(clock.now(), Some(late));
        assert!(at(&mut clock, 3).is_set_back);
        assert!(clock.now() < Some(late));
    }
}
