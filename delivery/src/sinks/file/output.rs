//! One file at work: it is opened after whatever end it had, appended to, and finished.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::sink::Trouble;
use crate::sinks::folder::{self, explain};
use crate::sinks::tickets::Tickets;
use crate::spool::Sync;

use super::Figures;
use super::encoder::{self, Encoder};
use super::name::Name;
use super::settings::{Compression, Plan};

/// Room for lines that an idle file keeps.
const KEPT: usize = 256 << 10;
/// Seconds after which a file that could not be renamed is tried again.
const RETRY: u64 = 60;

/// A file that is open, and what waits to be written to it.
#[derive(Debug)]
pub(super) struct Output {
    name: Name,
    path: PathBuf,
    file: File,
    /// Bytes in the file.
    length: u64,
    lines: Vec<u8>,
    /// Of the records in `lines`.
    tickets: Tickets,
    /// When the first of them came.
    since: Option<Instant>,
    /// What is written but not forced to the disk: the last so many bytes of the file.
    unsynced: Tickets,
    unsynced_bytes: u64,
    unsynced_since: Option<Instant>,
    /// Something went wrong: it is rolled back and closed before anything else.
    has_failed: bool,
    /// It is not renamed before this time.
    retry: u64,
    /// The higher, the later it was used.
    pub(super) used: u64,
}

impl Output {
    /// Opens a file and makes it if it isn't there. What a crash left half done is cut off, and a
    /// file of an earlier period is finished first.
    pub(super) fn open(
        name: Name,
        plan: &Plan,
        now: u64,
        figures: &mut Figures,
    ) -> Result<Self, Trouble> {
        let path = name.current();
        let told = |error: io::Error| explain(&path, &error);
        folder::make(name.folder(), plan.directory_mode)
            .map_err(|error| explain(name.folder(), &error))?;
        let (file, is_new) = open(&name, plan).map_err(told)?;
        let metadata = file.metadata().map_err(told)?;
        if !metadata.is_file() {
            let what = "it is no regular file; there are sinks `unix` and `stdout`";
            return Err(Trouble::lasting(format!("{}: {what}", path.display())));
        }
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            let what = "another sink or program writes to it";
            return Err(Trouble::passing(format!("{}: {what}", path.display())));
        }
        let whole = encoder::whole(&file, plan.compression).map_err(told)?;
        let torn = metadata.len() - whole.min(metadata.len());
        if torn > 0 {
            if whole == 0 && encoder::is_foreign(&file, plan.compression).map_err(told)? {
                let aside = name.damaged(now);
                fs::rename(&path, &aside).map_err(told)?;
                tracing::warn!("{}: not a file of this sink; it is {aside:?} now", path.display());
                return Self::open(name, plan, now, figures);
            }
            file.set_len(whole).map_err(told)?;
            figures.cut += torn;
            tracing::warn!("{}: {torn} bytes of an unfinished write are cut off", path.display());
        }
        if is_new {
            figures.files += 1;
            if plan.sync != Sync::Never {
                folder::sync(name.folder()).map_err(told)?;
            }
        }
        let written = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let mut output = Self {
            name,
            file,
            length: whole,
            lines: Vec::new(),
            tickets: Tickets::default(),
            since: None,
            unsynced: Tickets::default(),
            unsynced_bytes: 0,
            unsynced_since: None,
            has_failed: false,
            retry: 0,
            used: 0,
            path,
        };
        let period = |seconds: u64| seconds.checked_div(plan.period);
        let is_old = written.is_some_and(|at| period(at.as_secs()) < period(now));
        if !is_new && is_old && whole > 0 && output.rename(plan, now, figures)? {
            let name = output.name.clone();
            return Self::open(name, plan, now, figures);
        }
        Ok(output)
    }

    /// Bytes of the file, with those of lines that wait.
    pub(super) fn length(&self) -> u64 {
        self.length + self.lines.len() as u64
    }

    /// Bytes of lines that wait.
    pub(super) fn waiting(&self) -> usize {
        self.lines.len()
    }

    /// Takes a record.
    pub(super) fn gather(&mut self, record: &[u8], ticket: u64) {
        self.lines.extend_from_slice(record);
        self.lines.push(b'\n');
        self.tickets.push(ticket);
        if self.since.is_none() {
            self.since = Some(Instant::now());
        }
    }

    /// How long lines, or what is written and not forced to the disk, may go on waiting; none if
    /// nothing waits.
    pub(super) fn due(&self, plan: &Plan) -> Option<Duration> {
        let left = |since: Option<Instant>, most: Duration| {
            since.map(|since| most.saturating_sub(since.elapsed()))
        };
        let lines = left(self.since, plan.linger);
        let Sync::Every(interval) = plan.sync else { return lines };
        [lines, left(self.unsynced_since, interval)].into_iter().flatten().min()
    }

    /// Writes and syncs what may not wait any longer.
    pub(super) fn tend(
        &mut self,
        encoder: &mut Encoder,
        plan: &Plan,
        done: &mut Tickets,
    ) -> Result<u64, Trouble> {
        let mut bytes = 0;
        if self.since.is_some_and(|since| since.elapsed() >= plan.linger) {
            bytes = self.write(encoder, plan, done)?;
        }
        if let Sync::Every(interval) = plan.sync
            && self.unsynced_since.is_some_and(|since| since.elapsed() >= interval)
        {
            self.sync(done)?;
        }
        Ok(bytes)
    }

    /// Writes all lines; returns how many bytes the file has more. Of a write that breaks off,
    /// whole lines stay, and the rest goes.
    pub(super) fn write(
        &mut self,
        encoder: &mut Encoder,
        plan: &Plan,
        done: &mut Tickets,
    ) -> Result<u64, Trouble> {
        if self.lines.is_empty() || self.has_failed {
            return Ok(0);
        }
        let (bytes, mut written) = (encoder.encode(&self.lines), 0);
        let result = bytes.and_then(|bytes| {
            let outcome = write_all(&mut self.file, bytes, &mut written);
            if outcome.is_ok() || written == 0 {
                return outcome;
            }
            let part = bytes.get(..written).unwrap_or_default();
            let whole = match plan.compression {
                Compression::None => memchr::memrchr(b'\n', part).map_or(0, |at| at + 1),
                _ => 0,
            };
            let cut = (written - whole) as u64;
            written = whole;
            // If this fails as well, the file is cut when it is opened again.
            let length = self.file.metadata()?.len();
            self.file.set_len(length.saturating_sub(cut))?;
            outcome
        });
        self.length += written as u64;
        let mut tickets = match &result {
            Ok(()) => self.tickets.take(u64::MAX),
            Err(_) => {
                let lines = self.lines.get(..written).unwrap_or_default();
                self.tickets.take(memchr::memchr_iter(b'\n', lines).count() as u64)
            }
        };
        if let Err(error) = result {
            self.has_failed = true;
            self.keep(written, &mut tickets, plan, done);
            return Err(explain(&self.path, &error));
        }
        self.lines.clear();
        self.lines.shrink_to(KEPT);
        self.since = None;
        self.keep(written, &mut tickets, plan, done);
        if plan.sync == Sync::Always {
            self.sync(done)?;
        }
        Ok(written as u64)
    }

    /// Accounts for what the kernel has.
    fn keep(&mut self, bytes: usize, tickets: &mut Tickets, plan: &Plan, done: &mut Tickets) {
        if plan.sync == Sync::Never {
            done.append(tickets);
        } else if bytes > 0 {
            self.unsynced.append(tickets);
            self.unsynced_bytes += bytes as u64;
            self.unsynced_since.get_or_insert_with(Instant::now);
        }
    }

    /// Forces what is written to the disk.
    pub(super) fn sync(&mut self, done: &mut Tickets) -> Result<(), Trouble> {
        if self.unsynced_bytes == 0 || self.has_failed {
            return Ok(());
        }
        if let Err(error) = self.file.sync_data() {
            // Nobody knows what is on the disk now, and the kernel will not say it twice.
            self.has_failed = true;
            return Err(explain(&self.path, &error));
        }
        done.append(&mut self.unsynced);
        self.unsynced_bytes = 0;
        self.unsynced_since = None;
        Ok(())
    }

    /// True when it may be tried to rename it.
    pub(super) fn may_rename(&self, now: u64) -> bool {
        now >= self.retry && self.length > 0 && !self.has_failed
    }

    /// Gives the file, of which everything is written, its name for good. False when that can't
    /// be done, or when somebody else has done something of the kind.
    pub(super) fn rename(
        &mut self,
        plan: &Plan,
        now: u64,
        figures: &mut Figures,
    ) -> Result<bool, Trouble> {
        if !self.is_in_place() {
            return Ok(true);
        }
        let path = self.name.free(now);
        let mut renamed = fs::rename(&self.path, &path);
        if renamed.is_ok() && plan.sync != Sync::Never {
            renamed = folder::sync(self.name.folder());
        }
        if let Err(error) = renamed {
            self.retry = now.saturating_add(RETRY);
            tracing::warn!("{}: not renamed to {path:?}: {error}", self.path.display());
            return Ok(false);
        }
        figures.rotations += 1;
        match self.name.prune(&plan.rotate) {
            Ok(removed) => figures.removed += removed,
            Err(error) => {
                tracing::warn!("{}: old files stay: {error}", self.name.folder().display());
            }
        }
        Ok(true)
    }

    /// True when the name is still that of this file.
    fn is_in_place(&self) -> bool {
        match (self.file.metadata(), fs::metadata(&self.path)) {
            (Ok(ours), Ok(named)) => (ours.dev(), ours.ino()) == (named.dev(), named.ino()),
            _ => false,
        }
    }

    /// Forgets what is not settled, so that the file has nothing of it. False when the file can't
    /// be used any more.
    pub(super) fn roll_back(&mut self) -> bool {
        self.lines.clear();
        self.tickets.clear();
        self.since = None;
        self.unsynced.clear();
        self.unsynced_since = None;
        let more = std::mem::take(&mut self.unsynced_bytes);
        if more > 0 {
            let cut = self.file.metadata().and_then(|metadata| {
                self.length = metadata.len().saturating_sub(more);
                self.file.set_len(self.length)
            });
            if let Err(error) = cut {
                tracing::warn!("{}: records may come twice: {error}", self.path.display());
                self.has_failed = true;
            }
        }
        !self.has_failed
    }
}

fn open(name: &Name, plan: &Plan) -> io::Result<(File, bool)> {
    let path = name.current();
    let mut options = OpenOptions::new();
    // A pipe without a reader would be waited for otherwise.
    options.read(true).append(true).custom_flags(libc::O_NONBLOCK);
    match options.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        outcome => return Ok((outcome?, false)),
    }
    match options.create_new(true).mode(plan.mode.0).open(&path) {
        Ok(file) => {
            // What the process masks out of modes does not count: this one was asked for.
            file.set_permissions(Permissions::from_mode(plan.mode.0))?;
            Ok((file, true))
        }
        Err(error) => Err(error),
    }
}

/// Writes everything; `written` says how far it came.
fn write_all(file: &mut File, bytes: &[u8], written: &mut usize) -> io::Result<()> {
    while let Some(rest) = bytes.get(*written..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(more) => *written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
