//! Records whose `filetype` is no file: they leave by a spool below the folder of outputs.

use std::time::Duration;

use delivery::{Delivery, Figures};

use crate::cli::delivered;
use crate::cli::writing::{Delivering, Writing};
use crate::config::suricata::{Everything, Fatal};
use crate::log::Log;

use super::told;

const MODULE: &str = "output-json";
/// What receivers get at the end of a replay.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a live run delivers; the folder of its spool is made, which changes hands when rights are
/// given up.
pub(super) fn live(all: &Everything, log: &Log) -> Result<Delivering, Fatal> {
    if let Some(delivery) = &all.process.delivery {
        told(log, MODULE, "records cannot be delivered", delivery.spool.make_directory())?;
    }
    told(log, MODULE, "records cannot be delivered", Delivering::live(all, None))
}

/// Starts delivery, if there is something to deliver.
pub(super) fn start(
    writing: &mut Writing,
    delivering: Delivering,
    workers: usize,
    cpus: &[usize],
    log: &Log,
) -> Result<Option<Delivery>, Fatal> {
    told(log, MODULE, "records cannot be delivered", writing.deliver(delivering, workers, cpus))
}

/// Starts delivery of what a replay makes.
pub(super) fn start_replay(
    all: &Everything,
    writing: &mut Writing,
    log: &Log,
) -> Result<Option<Delivery>, Fatal> {
    let delivering = told(log, MODULE, "records cannot be delivered", Delivering::replay(all))?;
    start(writing, delivering, 1, &[], log)
}

/// Waits for receivers at the end of a replay, and says what became of records.
pub(super) fn end_replay(delivery: Delivery, log: &Log) {
    let figures = delivery.figures();
    let whole = delivery.stop(PATIENCE);
    tell(&figures, whole, log);
}

/// Says what became of records.
pub(super) fn tell(figures: &Figures, whole: bool, log: &Log) {
    for line in delivered::lines(figures) {
        match whole {
            true => log.info(MODULE, line),
            false => log.warning(MODULE, line),
        }
    }
    if !whole {
        log.warning(MODULE, "what was not delivered stays in the spool for the next start");
    }
}
