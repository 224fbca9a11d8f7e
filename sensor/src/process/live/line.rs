//! The lines between a worker and the supervisor: commands one way, records and reports the other.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::channel::{Receiver, Sender, TryRecvError, unbounded};
use detect::counters::Summary;
use detect::output::Events;
use engine::Ruleset;

use crate::output::FileStore;
use crate::process::writer::Figures;

use super::ledger::Ledger;

/// What a worker is told to do.
#[derive(Clone, Debug)]
pub(super) enum Command {
    /// Inspect by these rules from now on.
    Rules(Arc<Ruleset>),
    /// Report the counters.
    Figures,
    /// Take what has come in so far, report that, and go on with what other workers pass on.
    Drain,
    /// End all flows and report that.
    End,
}

/// What workers tell the supervisor. None waits for it to be heard: there is at most one for each
/// command, and a few at the end.
pub(super) enum Report {
    /// Counters, as asked for.
    Figures { worker: usize, figures: Box<Figures> },
    /// The new rules are in force; so many alerts came of each of the old ones, by index.
    Reloaded { worker: usize, alerts: HashMap<u32, u64> },
    /// Everything that had come in is inspected.
    Drained { worker: usize },
    /// The worker has ended.
    Finished {
        worker: usize,
        figures: Box<Figures>,
        summary: Box<Summary>,
        store: Option<FileStore>,
    },
    /// The worker has panicked.
    Died { worker: usize },
    /// Something to be said.
    Note(String),
}

/// A worker's ends of the lines.
pub(super) struct Line {
    pub(super) commands: Inbox,
    /// Never full.
    pub(super) reports: Sender<Report>,
    /// Full when the writer does not keep up.
    pub(super) records: Sender<Events>,
    /// Buffers that were written out.
    pub(super) spare: Receiver<Events>,
    /// Where records are counted.
    pub(super) ledger: Arc<Ledger>,
}

/// The commands for one worker, as the supervisor gives them.
#[derive(Debug)]
pub(super) struct Outbox {
    commands: Sender<Command>,
    /// Rises with each command, so that nobody need look into an empty channel.
    rung: Arc<AtomicU64>,
}

/// The commands for one worker, as it takes them.
#[derive(Debug)]
pub(super) struct Inbox {
    commands: Receiver<Command>,
    rung: Arc<AtomicU64>,
    /// Up to here everything was taken.
    heard: u64,
}

/// What a look into the inbox shows.
#[derive(Debug)]
pub(super) enum Heard {
    Nothing,
    This(Command),
    /// Nobody gives commands any more.
    Nobody,
}

/// Both ends.
pub(super) fn boxes() -> (Outbox, Inbox) {
    let (sender, receiver) = unbounded();
    let rung = Arc::<AtomicU64>::default();
    let outbox = Outbox { commands: sender, rung: Arc::clone(&rung) };
    (outbox, Inbox { commands: receiver, rung, heard: 0 })
}

impl Outbox {
    /// Gives a command.
    pub(super) fn tell(&self, command: Command) {
        // A worker that has ended needs no commands.
        let _ = self.commands.send(command);
        self.rung.fetch_add(1, Ordering::Release);
    }
}

impl Inbox {
    /// The next command. Each is taken once, also where several come at a time.
    pub(super) fn next(&mut self) -> Heard {
        let rung = self.rung.load(Ordering::Acquire);
        if rung == self.heard {
            return Heard::Nothing;
        }
        match self.commands.try_recv() {
            Ok(command) => Heard::This(command),
            Err(TryRecvError::Empty) => {
                self.heard = rung;
                Heard::Nothing
            }
            Err(TryRecvError::Disconnected) => Heard::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_behind_another_is_missed() {
        let (outbox, mut inbox) = boxes();
        assert!(matches!(inbox.next(), Heard::Nothing));
        for command in [Command::Figures, Command::Drain, Command::End] {
            outbox.tell(command);
        }
        assert!(matches!(inbox.next(), Heard::This(Command::Figures)));
        // The worker drains now, for as long as that takes.
        assert!(matches!(inbox.next(), Heard::This(Command::Drain)));
        assert!(matches!(inbox.next(), Heard::This(Command::End)));
        assert!(matches!(inbox.next(), Heard::Nothing));
        outbox.tell(Command::End);
        assert!(matches!(inbox.next(), Heard::This(Command::End)));
        drop(outbox);
        assert!(matches!(inbox.next(), Heard::Nobody));
    }
}
