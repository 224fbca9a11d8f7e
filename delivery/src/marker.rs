//! Marked sockets for a process that may no longer mark any: another process makes them.
//!
//! `SO_MARK` takes a capability for every socket, and a sink opens sockets for as long as it runs.
//! A process that has given up its rights therefore asks one that has kept this single one, and
//! that can do nothing else.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use socket2::{Domain, Protocol, Socket, Type};

/// Asks for marked sockets. Clones ask the same process.
#[derive(Clone, Debug)]
pub struct Marker(Arc<Mutex<OwnedFd>>);

impl PartialEq for Marker {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Marker {}

/// What is asked for: a byte for the family, and one for the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    is_ipv4: bool,
    is_stream: bool,
}

impl Marker {
    /// One, and the other end for the process that makes the sockets.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self(Arc::new(Mutex::new(ours))), theirs))
    }

    /// A socket with the mark.
    ///
    /// # Errors
    /// What the other process was answered by the system; or that it is no more.
    pub(crate) fn socket(&self, is_ipv4: bool, kind: Type) -> io::Result<Socket> {
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let request = [u8::from(is_ipv4), u8::from(kind == Type::STREAM)];
        rustix::net::send(&*socket, &request, SendFlags::NOSIGNAL)?;
        let mut answer = [0; 4];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut answer)];
        let got = recvmsg(&*socket, &mut parts, &mut beside, RecvFlags::CMSG_CLOEXEC)?;
        if got.bytes != answer.len() {
            return Err(io::Error::other("the process that marks sockets has ended"));
        }
        let mut descriptors = beside.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut all) => all.next(),
            _ => None,
        });
        match (i32::from_ne_bytes(answer), descriptors.next()) {
            (0, Some(made)) => Ok(made.into()),
            (0, None) => Err(io::Error::other("the process that marks sockets sent none")),
            (errno, _) => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// Makes sockets with a mark for whoever has the other end, until that is closed.
///
/// # Errors
/// When the end can't be read.
pub fn serve(end: BorrowedFd<'_>, mark: u32) -> io::Result<()> {
    loop {
        let mut request = [0; 2];
        let (_, length) = match rustix::net::recv(end, &mut request, RecvFlags::empty()) {
            Err(rustix::io::Errno::INTR) => continue,
            got => got?,
        };
        if length == 0 {
            return Ok(());
        }
        let [family, kind] = request;
        let wanted = Wanted { is_ipv4: family == 1, is_stream: kind == 1 };
        let made = make(wanted, mark);
        let errno = made.as_ref().err().map_or(0, |error| error.raw_os_error().unwrap_or(5));
        answer(end, errno, made.ok().as_ref().map(AsFd::as_fd))?;
    }
}

fn make(wanted: Wanted, mark: u32) -> io::Result<Socket> {
    let domain = if wanted.is_ipv4 { Domain::IPV4 } else { Domain::IPV6 };
    let (kind, protocol) = match wanted.is_stream {
        true => (Type::STREAM, Protocol::TCP),
        false => (Type::DGRAM, Protocol::UDP),
    };
    let socket = Socket::new(domain, kind, Some(protocol))?;
    socket.set_mark(mark)?;
    Ok(socket)
}

fn answer(end: BorrowedFd<'_>, errno: i32, socket: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let descriptors: Vec<_> = socket.into_iter().collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        beside.push(SendAncillaryMessage::ScmRights(&descriptors));
    }
    let bytes = errno.to_ne_bytes();
    sendmsg(end, &[IoSlice::new(&bytes)], &mut beside, SendFlags::NOSIGNAL)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_come_with_their_mark() {
        let (marker, end) = Marker::pair().unwrap();
        let server = std::thread::spawn(move || serve(end.as_fd(), 16));
        let check = |is_ipv4: bool, kind: Type| match marker.socket(is_ipv4, kind) {
            Ok(socket) => {
                assert_eq!((socket.mark().unwrap(), socket.r#type().unwrap()), (16, kind));
                let domain = socket.domain().unwrap();
                assert_eq!(domain, if is_ipv4 { Domain::IPV4 } else { Domain::IPV6 });
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                eprintln!("skipped: marks need CAP_NET_ADMIN");
            }
            Err(error) => panic!("{error}"),
        };
        check(true, Type::STREAM);
        check(false, Type::STREAM);
        check(true, Type::DGRAM);
        drop(marker);
        server.join().unwrap().unwrap();
    }

    #[test]
    fn its_end_is_told() {
        let (marker, end) = Marker::pair().unwrap();
        drop(end);
        assert!(marker.socket(true, Type::STREAM).is_err());
    }
}
