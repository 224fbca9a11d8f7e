//! Heartbeats (RFC 6520), which leaked memory of servers and clients (CVE-2014-0160).

use decode::Direction;

use super::events::Event;

/// Least padding of a heartbeat.
const MIN_PADDING: usize = 16;

/// The heartbeat that waits for its answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heartbeat {
    /// Who sent the request.
    asked_by: Option<Direction>,
    /// Length of an encrypted request.
    encrypted_length: usize,
}

impl Heartbeat {
    /// Takes the content of a heartbeat record.
    pub(super) fn record(
        &mut self,
        direction: Direction,
        record: &[u8],
        encrypted: bool,
    ) -> Result<(), Event> {
        let &[kind, high, low] = match record.first_chunk::<3>() {
            Some(head) => head,
            None => return Ok(()),
        };
        if !encrypted && !matches!(kind, 1 | 2) {
            return Err(Event::InvalidHeartbeatMessage);
        }
        match self.asked_by {
            None => {
                self.asked_by = Some(direction);
                if encrypted {
                    self.encrypted_length = record.len();
                    return Ok(());
                }
                check_lengths(usize::from(u16::from_be_bytes([high, low])), record.len())
            }
            Some(who) if who == direction => Err(Event::InvalidHeartbeatMessage),
            Some(_) => {
                let asked = std::mem::take(self).encrypted_length;
                if encrypted && asked > 0 && asked < record.len() {
                    return Err(Event::DataleakHeartbeatMismatch);
                }
                Ok(())
            }
        }
    }
}

/// The payload has to lie within the record, with enough padding behind it.
fn check_lengths(payload: usize, record: usize) -> Result<(), Event> {
    match record.checked_sub(payload + 3) {
        None => Err(Event::OverflowHeartbeatMessage),
        Some(padding) if padding < MIN_PADDING => Err(Event::InvalidHeartbeatMessage),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Direction, Event, Heartbeat};

    #[test]
    fn requests_and_answers() {
        use Direction::{ToClient, ToServer};
        let short = [1, 0, 4, 0, 0, 0, 0];
        let good: Vec<u8> = [1, 0, 4].into_iter().chain([0; 20]).collect();
        let large = [0; 200];
        type Step<'a> = (Direction, &'a [u8], bool, Result<(), Event>);
        let cases: &[&[Step<'_>]] = &[
            &[(ToServer, &good, false, Ok(())), (ToClient, &good, false, Ok(()))],
            &[(ToServer, &[1, 0x40, 0], false, Err(Event::OverflowHeartbeatMessage))],
            &[(ToServer, &short, false, Err(Event::InvalidHeartbeatMessage))],
            &[(ToServer, &[3, 0, 0, 0], false, Err(Event::InvalidHeartbeatMessage))],
            &[
                (ToServer, &good, false, Ok(())),
                (ToServer, &good, false, Err(Event::InvalidHeartbeatMessage)),
            ],
            &[
                (ToServer, &good, true, Ok(())),
                (ToClient, &large, true, Err(Event::DataleakHeartbeatMismatch)),
            ],
            &[(ToServer, &large, true, Ok(())), (ToClient, &good, true, Ok(()))],
            &[(ToServer, &[1], false, Ok(())), (ToServer, &good, false, Ok(()))],
        ];
        for (at, steps) in cases.iter().enumerate() {
            let mut heartbeat = Heartbeat::default();
            for (direction, record, encrypted, want) in *steps {
                assert_eq!(heartbeat.record(*direction, record, *encrypted), *want, "case {at}");
            }
        }
    }
}
