//! A file that is locked as long as it is held.

use std::fs::File;
use std::io;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// A lock. The system gives it back after a crash.
#[derive(Debug)]
pub(crate) struct Held(pub(crate) File);

impl Held {
    /// Locks a file, or gives it back when somebody else has it.
    pub(crate) fn take(file: File) -> Result<Result<Self, File>, io::Error> {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Ok(Self(file))),
            Err(Errno::WOULDBLOCK) => Ok(Err(file)),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Held {
    /// A program that is being started has a copy of the file for a moment, which would hold the
    /// lock if the file were only closed here.
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}
