//! Asks the kernel how much of what was written to a TCP socket its peer has not acknowledged.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io;
use std::os::fd::AsFd;

use rustix::ioctl::{Getter, Opcode, ioctl};

/// `SIOCOUTQ` of linux/sockios.h, which is the terminals' `TIOCOUTQ` under another name.
const SIOCOUTQ: Opcode = libc::TIOCOUTQ as Opcode;

/// Bytes that were written to `socket` and that its peer's kernel has not acknowledged, sent or
/// not (tcp(7), `SIOCOUTQ`).
pub(crate) fn unacknowledged(socket: impl AsFd) -> io::Result<u64> {
    // SAFETY: SIOCOUTQ takes a pointer to one int and writes that int, which is what a getter with
    // an output of c_int hands over.
    let request = unsafe { Getter::<SIOCOUTQ, c_int>::new() };
    // SAFETY: the descriptor is borrowed and thus open, and the request changes nothing: on
    // sockets of another kind it fails or counts what they queue.
    let bytes = unsafe { ioctl(socket, request) }?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    #[test]
    fn the_queue_empties_when_the_peer_reads() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut ours = TcpStream::connect(listener.local_addr().expect("address")).expect("up");
        let (mut theirs, _) = listener.accept().expect("accepts");
        ours.set_nonblocking(true).expect("non-blocking");
        assert_eq!(unacknowledged(&ours).expect("a number"), 0);
        let mut written = 0;
        while let Ok(more) = ours.write(&[0; 65536]) {
            written += more;
        }
        let left = unacknowledged(&ours).expect("a number");
        assert!(left > 0 && left <= written as u64, "{left} of {written}");
        theirs.read_exact(&mut vec![0; written]).expect("all of it");
        let start = Instant::now();
        while unacknowledged(&ours).expect("a number") > 0 {
            assert!(start.elapsed() < Duration::from_secs(10));
        }
    }
}
