//! DNS and mDNS: a valid header and a message that can be read.

use decode::Direction;

use crate::detection::{Question, Verdict};
use crate::dns::message::{self, Guess};

/// Over TCP: length first.
pub(super) fn tcp(question: &Question<'_>) -> Verdict {
    verdict(message::guess_tcp(question.bytes))
}

/// Over UDP.
pub(super) fn udp(question: &Question<'_>) -> Verdict {
    verdict(message::guess_udp(question.bytes))
}

/// Multicast: any message counts as one to the server.
pub(super) fn multicast(question: &Question<'_>) -> Verdict {
    match message::guess_udp(question.bytes) {
        Guess::Request | Guess::Response => Verdict::Yes,
        Guess::Incomplete => Verdict::Unsure,
        Guess::Other => Verdict::No,
    }
}

fn verdict(guess: Guess) -> Verdict {
    match guess {
        Guess::Request => Verdict::From(Direction::ToServer),
        Guess::Response => Verdict::From(Direction::ToClient),
        Guess::Incomplete => Verdict::Unsure,
        Guess::Other => Verdict::No,
    }
}
