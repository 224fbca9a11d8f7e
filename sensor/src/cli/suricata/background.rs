//! `-D`: a process in the background, and one in the foreground that waits until it is ready.
//!
//! The program is started once more instead of copied: what is open for capture, memory of AF_XDP
//! above all, does not survive a copy of the process.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};

/// Tells the process in the background that it is there.
const MARK: &str = "BATELEUR_IN_BACKGROUND";

/// The process in the background.
pub(super) struct Background {
    /// Whoever waits in the foreground.
    foreground: File,
    nowhere: File,
}

/// Whether this is the process in the background.
pub(super) fn is_here() -> bool {
    env::var_os(MARK).is_some()
}

/// Starts the program in the background and waits until it captures, or has ended: until then its
/// messages come to the terminal.
///
/// # Errors
/// When it cannot be started.
pub(super) fn start() -> io::Result<ExitCode> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let mut arguments = env::args_os();
    let mut command = Command::new("/proc/self/exe");
    command.arg0(arguments.next().unwrap_or_default()).args(arguments).env(MARK, "1");
    let mut child = command.stdin(OwnedFd::from(theirs)).spawn()?;
    // With it goes our copy of their end: the end of the child is to be noticed.
    drop(command);
    match ours.read(&mut [0]) {
        Ok(1) => Ok(ExitCode::SUCCESS),
        _ => child.wait().map(|_| ExitCode::FAILURE),
    }
}

impl Background {
    /// Leaves the session of the terminal; none in the foreground.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub(super) fn enter() -> io::Result<Option<Self>> {
        if !is_here() {
            return Ok(None);
        }
        setsid()?;
        // It was started under another name than its own.
        let name = env::args_os().next().unwrap_or_default();
        if let Some(name) = Path::new(&name).file_name().and_then(|name| name.to_str())
            && let Ok(name) = std::ffi::CString::new(name)
        {
            nix::sys::prctl::set_name(&name)?;
        }
        let foreground = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let nowhere = File::options().read(true).write(true).open("/dev/null")?;
        Ok(Some(Self { foreground, nowhere }))
    }

    /// Leaves the terminal, and lets whoever waits in the foreground go.
    ///
    /// # Errors
    /// When the terminal cannot be left.
    pub(super) fn ready(&mut self) -> io::Result<()> {
        dup2_stdin(&self.nowhere)?;
        dup2_stdout(&self.nowhere)?;
        dup2_stderr(&self.nowhere)?;
        // It may have been ended meanwhile, which does not matter to us.
        let _ = self.foreground.write_all(b"+");
        Ok(())
    }
}
