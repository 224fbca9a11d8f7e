//! The engine log: what the program says about itself, in the texts and formats of Suricata 8; and
//! beside it the log of the native face ([`program`]), of which it hears what matters ([`relay`]).

mod format;
mod level;
pub(crate) mod program;
pub(crate) mod relay;
mod settings;
mod sink;

pub(crate) use level::Level;
pub(crate) use settings::{LogOutput, LogSettings, Place};

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sink::Sink;

/// One message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) level: Level,
    /// Component that speaks, e.g. `detect`.
    pub(crate) module: &'a str,
    pub(crate) text: &'a str,
}

/// The log. The main thread has it, who loads rules for it, and delivery, through [`relay`]:
/// workers count, they do not talk.
#[derive(Debug)]
pub(crate) struct Log {
    sinks: Mutex<Vec<Sink>>,
}

impl Log {
    /// To the console, at level info or what the environment says; until a configuration is read.
    pub(crate) fn console() -> Self {
        let level = level::from_environment().unwrap_or(Level::Info);
        Self { sinks: Mutex::new(vec![Sink::console(level, None, false)]) }
    }

    /// To the console, errors only.
    pub(crate) fn errors() -> Self {
        Self { sinks: Mutex::new(vec![Sink::console(Level::Error, None, false)]) }
    }

    /// Nowhere: what is as important as this is kept for whoever asks for it.
    pub(crate) fn keeping(level: Level) -> Self {
        Self { sinks: Mutex::new(vec![Sink::keeping(level)]) }
    }

    /// Module and text of what was kept; there is nothing from now on.
    pub(crate) fn take_kept(&self) -> Vec<(String, String)> {
        self.sinks().iter_mut().flat_map(Sink::take_kept).collect()
    }

    /// Goes on as the configuration says. An output that cannot be opened is left out, which
    /// the others tell (Suricata 8).
    pub(crate) fn configure(&self, settings: &LogSettings, log_dir: &Path) {
        let mut opened = Vec::new();
        let mut failed = Vec::new();
        for output in &settings.outputs {
            match Sink::open(output, log_dir) {
                Ok(sink) => opened.push(sink),
                Err(error) => failed.push(format!("{}: {}", output.place, reason(&error))),
            }
        }
        *self.sinks() = opened;
        for said in failed {
            self.warning("log", format!("no log output to {said}"));
        }
    }

    /// Closes all files and opens them by name again. One that cannot be opened goes on as it is,
    /// which all outputs tell.
    pub(crate) fn reopen(&self) {
        let failed: Vec<String> =
            self.sinks().iter_mut().filter_map(|sink| sink.reopen().err()).collect();
        for said in failed {
            self.warning("log", said);
        }
    }

    /// Names of the open files.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.sinks().iter().filter_map(Sink::path).map(Path::to_path_buf).collect()
    }

    /// Says something.
    pub(crate) fn say(&self, level: Level, module: &str, text: &str) {
        let record = Record { level, module, text };
        for sink in self.sinks().iter_mut() {
            sink.write(&record);
        }
    }

    /// An error.
    pub(crate) fn error(&self, module: &str, text: impl AsRef<str>) {
        self.say(Level::Error, module, text.as_ref());
    }

    /// A warning.
    pub(crate) fn warning(&self, module: &str, text: impl AsRef<str>) {
        self.say(Level::Warning, module, text.as_ref());
    }

    /// A notice.
    pub(crate) fn notice(&self, module: &str, text: impl AsRef<str>) {
        self.say(Level::Notice, module, text.as_ref());
    }

    /// Information.
    pub(crate) fn info(&self, module: &str, text: impl AsRef<str>) {
        self.say(Level::Info, module, text.as_ref());
    }

    /// Whoever panicked with the lock left whole sinks.
    fn sinks(&self) -> MutexGuard<'_, Vec<Sink>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the system says about an error, in the C library's words.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text.get(..at).unwrap_or_default().to_owned(),
        None => text,
    }
}
