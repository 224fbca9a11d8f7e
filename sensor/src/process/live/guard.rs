//! The guard: hears signals, and ends the process when stopping takes longer than it may.
//!
//! It has a thread of its own, because the supervisor may wait for a disk when somebody wants the
//! process to end.

use std::io;
use std::process;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::control::signals::{Asked, Signals};

use super::board::{Board, Request};

/// It looks around this often when there are no signals.
const PATIENCE: Duration = Duration::from_millis(100);
/// Wishes to stop within this time are one.
const ONE: Duration = Duration::from_secs(1);
/// So long it tries to say why it ends the process.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// The status of a process that had to leave records unwritten.
const FAILURE: i32 = 1;

/// Watches until the board says that all has ended. From the wish to stop on there is as much
/// time as `drain`.
pub(super) fn watch(
    signals: Signals,
    board: Arc<Board>,
    drain: Duration,
) -> io::Result<JoinHandle<()>> {
    let mut signals = signals;
    let work = move || {
        while !board.has_ended() {
            match signals.wait(PATIENCE) {
                Some(Asked::Stop) => board.stop(),
                // Who sends a signal to a process and to its group means one.
                Some(Asked::StopNow) if board.stopping_for().is_none_or(|time| time < ONE) => {
                    board.stop();
                }
                Some(Asked::StopNow) => give_up(&board, "asked to stop again"),
                Some(Asked::Reopen) => board.request(Request::Reopen),
                Some(Asked::Reload) => board.request(Request::Reload { answer: None, waits: true }),
                None => {}
            }
            if board.stopping_for().is_some_and(|time| time > drain) && !board.has_ended() {
                give_up(&board, &format!("stopping took longer than {} s", drain.as_secs_f32()));
            }
        }
    };
    thread::Builder::new().name("guard".to_owned()).spawn(work)
}

/// Ends the process at once.
fn give_up(board: &Board, why: &str) {
    let said = format!(
        "{why}: {} records were not written; flows were not ended, and the last statistics are \
         missing",
        board.unwritten()
    );
    // Whoever holds the log may hang with the disk.
    let speaker = thread::Builder::new().name("guard".to_owned());
    if let Ok(speaker) = speaker.spawn(move || tracing::error!("{said}")) {
        let until = Instant::now() + LAST_WORDS;
        while !speaker.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }
    process::exit(FAILURE);
}
