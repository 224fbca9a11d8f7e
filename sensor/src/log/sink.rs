//! Where lines of the engine log go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::{Level, LogOutput, Place, Record, format, reason};

/// An open log output.
#[derive(Debug)]
pub(super) struct Sink {
    target: Target,
    level: Level,
    format: String,
    json: bool,
}

#[derive(Debug)]
enum Target {
    Console,
    File(File, PathBuf),
    Syslog(UnixDatagram),
    /// The system has no log to write to.
    Nowhere,
    /// Modules and texts wait for somebody to ask for them.
    Kept(Vec<(String, String)>),
}

impl Sink {
    pub(super) fn console(level: Level, format: Option<&str>, json: bool) -> Self {
        let format = std::env::var("SC_LOG_FORMAT")
            .ok()
            .or_else(|| format.map(str::to_owned))
            .unwrap_or_else(|| format::console(level).to_owned());
        Self { target: Target::Console, level, format, json }
    }

    /// Keeps what it is told.
    pub(super) fn keeping(level: Level) -> Self {
        let target = Target::Kept(Vec::new());
        Self { target, level, format: String::new(), json: false }
    }

    /// What was kept so far.
    pub(super) fn take_kept(&mut self) -> Vec<(String, String)> {
        match &mut self.target {
            Target::Kept(kept) => std::mem::take(kept),
            _ => Vec::new(),
        }
    }

    pub(super) fn open(output: &LogOutput, log_dir: &Path) -> io::Result<Self> {
        let target = match &output.place {
            Place::Console => {
                return Ok(Self::console(output.level, output.format.as_deref(), output.json));
            }
            Place::File(name) => {
                let path = log_dir.join(name);
                Target::File(append(&path)?, path)
            }
            Place::Syslog => {
                let socket = UnixDatagram::unbound()?;
                match socket.connect("/dev/log") {
                    Ok(()) => Target::Syslog(socket),
                    Err(_) => Target::Nowhere,
                }
            }
        };
        let usual = || format::FILE.to_owned();
        let format = output.format.clone().unwrap_or_else(usual);
        Ok(Self { target, level: output.level, format, json: output.json })
    }

    /// Closes the file and opens it by name again.
    ///
    /// # Errors
    /// When that is not possible, with what is to be said: the file goes on.
    pub(super) fn reopen(&mut self) -> Result<(), String> {
        if let Target::File(file, path) = &mut self.target {
            *file = append(path).map_err(|error| {
                format!("{} cannot be opened again: {}", path.display(), reason(&error))
            })?;
        }
        Ok(())
    }

    /// The file.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.target {
            Target::File(_, path) => Some(path),
            _ => None,
        }
    }

    /// Writes a record if it is important enough. There is nobody to tell about a failure.
    pub(super) fn write(&mut self, record: &Record<'_>) {
        if record.level > self.level {
            return;
        }
        if let Target::Kept(kept) = &mut self.target {
            kept.push((record.module.to_owned(), record.text.to_owned()));
            return;
        }
        let mut line = match self.json {
            true => format::json(record),
            false => format::text(&self.format, record),
        };
        line.push('\n');
        let _ = match &mut self.target {
            Target::Console if record.level <= Level::Error => {
                io::stderr().lock().write_all(line.as_bytes())
            }
            Target::Console => io::stdout().lock().write_all(line.as_bytes()),
            Target::File(file, _) => file.write_all(line.as_bytes()),
            Target::Syslog(socket) => {
                // Facility local5 and the severity, as RFC 3164 has them.
                let severity = (record.level as u8).min(7);
                let message = format!("<{}>suricata: {}", 21 * 8 + severity, line.trim_end());
                socket.send(message.as_bytes()).map(drop)
            }
            Target::Nowhere | Target::Kept(_) => Ok(()),
        };
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}
