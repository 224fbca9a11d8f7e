//! Sockets that are opened while the process may, for rings that it needs when it no longer may.

use std::os::fd::{AsFd, OwnedFd};

use crate::error::{Error, Step};
use crate::ring::is_missing;
use crate::system;

/// A packet socket that receives nothing. To open it takes the capability NET_RAW; to make a ring
/// of it, with [`Ring::prepare_with`](crate::Ring::prepare_with), takes none.
#[derive(Debug)]
pub struct Spare(pub(crate) OwnedFd);

/// An interface as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub index: u32,
    /// Whether it is up.
    pub is_up: bool,
}

impl Spare {
    /// Opens one, in the network namespace of the calling thread.
    pub fn open() -> Result<Spare, Error> {
        let failed = |cause| Error::at("spare socket", Step::OpenSocket)(cause);
        system::packet_socket().map(Spare).map_err(failed)
    }

    /// The interface that has this name now, in the namespace of the socket; none if none has.
    pub fn find(&self, interface: &str) -> Result<Option<Found>, Error> {
        let failed = |cause| Error::at(interface, Step::ReadInterface)(cause);
        let found = system::interface_index(self.0.as_fd(), interface).and_then(|index| {
            Ok(Found { index, is_up: system::is_up(self.0.as_fd(), interface)? })
        });
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Whether there is an interface of this number, in the namespace of the socket.
    pub fn has(&self, index: u32) -> bool {
        system::interface_name(self.0.as_fd(), index).is_ok()
    }
}
