//! One receiver: its connection, the windows on their way to it, and how large they may be.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use crate::dial::Dialer;
use crate::sink::Trouble;
use crate::stream::Stream;

use super::super::outgoing::Outgoing;
use super::Figures;
use super::frame::{Acknowledgements, Encoder, Window};

/// Events of the first window: a receiver shows with small ones that it keeps up, as for Beats.
const FIRST_WINDOW: usize = 10;

const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A receiver.
#[derive(Debug)]
pub(super) struct Host {
    target: String,
    link: Link,
    /// Events of its next window.
    window: usize,
    /// What went wrong last.
    trouble: Option<Trouble>,
    /// How long it is left alone after trouble, and until when.
    pause: Duration,
    rests_until: Option<Instant>,
}

#[derive(Debug)]
enum Link {
    Down,
    /// A thread connects: it may take as long as a time-out, and other receivers must not wait.
    Connecting(Receiver<Result<Stream, Trouble>>),
    Up(Box<Connection>),
}

#[derive(Debug)]
struct Connection {
    outgoing: Outgoing,
    flights: VecDeque<Flight>,
    acknowledgements: Acknowledgements,
    /// When the receiver last showed a sign of life, or a window started on its way.
    last: Instant,
    since: Instant,
}

#[derive(Debug)]
struct Flight {
    window: Window,
    acknowledged: usize,
    /// The connection's position at which it is sent wholly.
    end: u64,
}

impl Host {
    pub(super) fn new(target: String, largest: usize) -> Self {
        Self {
            target,
            link: Link::Down,
            window: FIRST_WINDOW.min(largest),
            trouble: None,
            pause: SHORTEST_PAUSE,
            rests_until: None,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.link, Link::Connecting(_))
    }

    /// True when it is down and has rested.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        matches!(self.link, Link::Down) && self.rests_until.is_none_or(|until| until <= now)
    }

    /// True when windows are on their way to it.
    pub(super) fn is_busy(&self) -> bool {
        self.connection().is_some_and(|connection| !connection.flights.is_empty())
    }

    /// Events of its next window.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// What went wrong last.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Its socket, and whether there is something to write.
    pub(super) fn socket(&self) -> Option<(&Stream, bool)> {
        self.connection().map(|c| (c.outgoing.stream(), c.outgoing.is_waiting()))
    }

    /// How many windows more it may get.
    pub(super) fn room(&self, pipeline: usize) -> usize {
        self.connection().map_or(0, |c| pipeline.saturating_sub(c.flights.len()))
    }

    /// When its patience ends, if it is waited for.
    pub(super) fn deadline(&self, timeout: Duration) -> Option<Instant> {
        self.connection().filter(|c| !c.flights.is_empty()).map(|c| c.last() + timeout)
    }

    /// Begins to connect.
    pub(super) fn connect(&mut self, dialer: &Dialer) {
        let (sender, receiver) = mpsc::sync_channel(1);
        let (dialer, target) = (dialer.clone(), self.target.clone());
        let work = move || {
            // Nobody waits for it any more when this fails.
            let _ = sender.send(dialer.connect_unwaiting(&target));
        };
        match thread::Builder::new().name("lumberjack".to_owned()).spawn(work) {
            Ok(_) => self.link = Link::Connecting(receiver),
            Err(error) => {
                let trouble = Trouble::passing(format!("{}: no thread: {error}", self.target));
                self.rest(trouble);
            }
        }
    }

    /// Looks whether it has connected. False when that failed just now.
    pub(super) fn collect(&mut self, figures: &mut Figures) -> bool {
        let Link::Connecting(receiver) = &self.link else { return true };
        let outcome = match receiver.try_recv() {
            Ok(outcome) => outcome,
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Disconnected) => {
                Err(Trouble::passing(format!("{}: connecting ended early", self.target)))
            }
        };
        match outcome {
            Ok(stream) => {
                figures.connections += 1;
                self.link = Link::Up(Box::new(Connection::new(stream)));
                true
            }
            Err(trouble) => {
                self.rest(trouble);
                false
            }
        }
    }

    /// Puts a window on its way. `advance` sends it.
    pub(super) fn launch(&mut self, window: Window, encoder: &mut Encoder) {
        let Link::Up(connection) = &mut self.link else { return };
        if connection.flights.is_empty() {
            connection.last = Instant::now();
        }
        encoder.write(&window, connection.outgoing.tail());
        let end = connection.outgoing.queued();
        connection.flights.push_back(Flight { window, acknowledged: 0, end });
    }

    /// Writes and reads what is possible without waiting. On trouble, what was not acknowledged
    /// goes to `returned`, and the answer is false.
    pub(super) fn advance(
        &mut self,
        dialer: &Dialer,
        limits: &Limits,
        delivered: &mut Vec<(u64, u64)>,
        returned: &mut VecDeque<Window>,
        figures: &mut Figures,
    ) -> bool {
        let Link::Up(connection) = &mut self.link else { return true };
        let mut progress = Progress { limits, delivered, figures, window: &mut self.window };
        let problem = match connection.advance(&mut progress) {
            Ok(is_answered) => {
                if is_answered {
                    self.pause = SHORTEST_PAUSE;
                }
                if !connection.is_overdue(limits.timeout) {
                    return true;
                }
                figures.timeouts += 1;
                self.window = (self.window / 2).max(1);
                let seconds = limits.timeout.as_secs_f64();
                Trouble::passing(format!("{}: no acknowledgement for {seconds} s", self.target))
            }
            Err(Problem::Closed) => Trouble::passing(format!("{}: it closed", self.target)),
            Err(Problem::Io(error)) => dialer.explain(&self.target, &error),
            Err(Problem::Protocol(what)) => {
                figures.protocol_errors += 1;
                Trouble::passing(format!("{}: {what}", self.target))
            }
        };
        let was_idle = connection.flights.is_empty() && connection.since.elapsed() > SHORTEST_PAUSE;
        connection.give_back(returned, figures);
        self.rest(problem);
        if was_idle {
            // Receivers close connections that are idle: nothing is wrong with them.
            self.rests_until = None;
        }
        false
    }

    /// Drops the connection and all windows.
    pub(super) fn forget(&mut self) {
        if let Link::Up(connection) = &mut self.link {
            connection.outgoing.shut_down();
            self.link = Link::Down;
        }
        self.rests_until = None;
    }

    fn rest(&mut self, trouble: Trouble) {
        if let Link::Up(connection) = &mut self.link {
            connection.outgoing.shut_down();
        }
        if self.trouble.as_ref() != Some(&trouble) {
            tracing::warn!("lumberjack: {trouble}");
        }
        self.link = Link::Down;
        self.trouble = Some(trouble);
        self.rests_until = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn connection(&self) -> Option<&Connection> {
        match &self.link {
            Link::Up(connection) => Some(connection),
            _ => None,
        }
    }
}

/// What a receiver is allowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Events of a window at most.
    pub(super) window: usize,
    /// Windows in flight.
    pub(super) pipeline: usize,
    /// Patience for an acknowledgement.
    pub(super) timeout: Duration,
}

/// Where progress is noted.
struct Progress<'a> {
    limits: &'a Limits,
    delivered: &'a mut Vec<(u64, u64)>,
    figures: &'a mut Figures,
    window: &'a mut usize,
}

enum Problem {
    Closed,
    Io(io::Error),
    Protocol(String),
}

impl Connection {
    fn new(stream: Stream) -> Self {
        Self {
            outgoing: Outgoing::new(stream),
            flights: VecDeque::new(),
            acknowledgements: Acknowledgements::default(),
            last: Instant::now(),
            since: Instant::now(),
        }
    }

    fn last(&self) -> Instant {
        self.last.max(self.outgoing.last())
    }

    fn is_overdue(&self, timeout: Duration) -> bool {
        !self.flights.is_empty() && self.last().elapsed() >= timeout
    }

    /// True when the receiver acknowledged something.
    fn advance(&mut self, progress: &mut Progress<'_>) -> Result<bool, Problem> {
        let written = self.outgoing.write();
        // Also after a failed write: acknowledgements may have come before the end.
        match (written, self.read(progress)) {
            (Ok(()), outcome) => outcome,
            (Err(error), Ok(_)) => Err(Problem::Io(error)),
            // What the receiver said of our certificate tells more than how it ended.
            (Err(error), _) if error.kind() == io::ErrorKind::InvalidData => {
                Err(Problem::Io(error))
            }
            (Err(_), problem) => problem,
        }
    }

    fn read(&mut self, progress: &mut Progress<'_>) -> Result<bool, Problem> {
        let mut buffer = [0; 1024];
        let mut is_answered = false;
        // A receiver that never stops talking must not keep us from the others.
        for _ in 0..16 {
            match self.outgoing.read(&mut buffer).map_err(Problem::Io)? {
                Some(0) => return Err(Problem::Closed),
                Some(length) => {
                    self.last = Instant::now();
                    is_answered |=
                        self.understand(buffer.get(..length).unwrap_or(&[]), progress)?;
                }
                None => break,
            }
        }
        Ok(is_answered)
    }

    /// Notes what `bytes` acknowledge. A sequence number counts the events of the oldest window
    /// in flight; 0 only says that the receiver lives, as does a number that came before.
    fn understand(&mut self, bytes: &[u8], progress: &mut Progress<'_>) -> Result<bool, Problem> {
        let mut is_answered = false;
        let Self { acknowledgements, flights, outgoing, .. } = self;
        let written = outgoing.written();
        let outcome = acknowledgements.read(bytes, |sequence| {
            let sequence = sequence as usize;
            if sequence == 0 {
                progress.figures.keep_alives += 1;
                return Ok(());
            }
            let Some(flight) = flights.front_mut() else {
                return Err(format!("it acknowledges event {sequence}, but none is on its way"));
            };
            let count = flight.window.count();
            if sequence > count {
                return Err(format!("it acknowledges event {sequence} of a window of {count}"));
            }
            if flight.end > written {
                return Err("it acknowledges events before they were sent".to_owned());
            }
            if sequence > flight.acknowledged {
                flight.window.tickets(flight.acknowledged, sequence, progress.delivered);
                progress.figures.acknowledged += (sequence - flight.acknowledged) as u64;
                flight.acknowledged = sequence;
                is_answered = true;
            }
            if sequence == count {
                flights.pop_front();
                progress.figures.windows += 1;
                if count >= *progress.window {
                    *progress.window = (*progress.window * 2).min(progress.limits.window);
                }
            }
            Ok(())
        });
        outcome.map_err(Problem::Protocol)?;
        Ok(is_answered)
    }

    fn give_back(&mut self, returned: &mut VecDeque<Window>, figures: &mut Figures) {
        for mut flight in self.flights.drain(..) {
            flight.window.drop_front(flight.acknowledged);
            figures.returned += flight.window.count() as u64;
            if flight.window.count() > 0 {
                returned.push_back(flight.window);
            }
        }
    }
}
