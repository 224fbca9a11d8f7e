//! Promiscuous mode of an interface that is captured from by other means than packet sockets.

use std::os::fd::{AsFd, OwnedFd};

use crate::error::{Error, Step};
use crate::system;

/// As long as this lives, the interface receives frames for other hosts too.
#[derive(Debug)]
pub struct Promiscuous {
    /// The kernel counts its users, and a socket that closes as one less.
    _socket: OwnedFd,
}

impl Promiscuous {
    /// Turns it on for an interface.
    ///
    /// # Errors
    /// With the step that failed.
    pub fn hold(interface: &str) -> Result<Promiscuous, Error> {
        let failed = |step| Error::at(interface, step);
        let socket = system::packet_socket().map_err(failed(Step::OpenSocket))?;
        let index = system::interface_index(socket.as_fd(), interface)
            .map_err(failed(Step::ReadInterface))?;
        system::set_promiscuous(socket.as_fd(), index).map_err(failed(Step::SetPromiscuous))?;
        Ok(Promiscuous { _socket: socket })
    }
}
