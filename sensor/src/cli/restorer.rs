//! A process of its own that brings the host back when the sensor has ended, however it ended.
//!
//! The sensor gives up its rights, so that it cannot undo a plan at its end itself, and it may be
//! killed. This process keeps them. It begins before any frame or socket is there, is this program
//! anew with none of the sensor's memory, and does nothing but wait until its standard input ends.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// This program, also where its file has been replaced.
pub(super) const PROGRAM: &str = "/proc/self/exe";

/// The process waits for as long as this is there.
#[derive(Debug)]
pub(super) struct Restorer(Child);

impl Restorer {
    /// Starts it, to bring back at the end what the file then says.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn start(file: &Path) -> io::Result<Self> {
        let mut command = Command::new(PROGRAM);
        command.args(["plan", "--wait", "--undo"]).arg(file);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // What a terminal sends to the sensor is not meant for it.
        command.process_group(0);
        Ok(Self(command.spawn()?))
    }
}

impl Restorer {
    /// Has the file read now: once the sensor has given up its rights, what it may still write is
    /// not to be believed.
    ///
    /// # Errors
    /// When the process is gone.
    pub(super) fn remember(&mut self) -> io::Result<()> {
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.stdin.as_mut().ok_or_else(missing)?.write_all(b"!")?;
        self.0.stdout.as_mut().ok_or_else(missing)?.read_exact(&mut [0])
    }
}

impl Drop for Restorer {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It has ended when its output has. Its status may be asked for by nobody: the sensor has
        // given up that system call.
        if let Some(mut said) = self.0.stdout.take() {
            let _ = said.read_to_end(&mut Vec::new());
        }
    }
}

/// The waiting: returns when nobody holds the other end of standard input any more. What is said
/// there before that asks to `remember`, and is answered. Who wants all processes of a service to
/// end means the sensor first.
///
/// # Errors
/// When signals cannot be handled.
pub(super) fn wait(mut remember: impl FnMut()) -> io::Result<()> {
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    let mut input = io::stdin().lock();
    let mut byte = [0];
    loop {
        match input.read(&mut byte) {
            Ok(0) => return Ok(()),
            Ok(_) => {
                remember();
                let mut output = io::stdout().lock();
                output.write_all(&byte).and_then(|()| output.flush())?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
