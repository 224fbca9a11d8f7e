//! Sending raw frames, and waiting for what a ring has of them.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use afpacket::{Ring, RingSettings};

use crate::namespace::FAR;

/// How long a test waits for what has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// EtherType for local experiments (IEEE 802).
pub(crate) const EXPERIMENT: [u8; 2] = [0x88, 0xb5];

/// A raw socket that sends on one interface.
pub(crate) struct Sender {
    socket: OwnedFd,
}

impl Sender {
    pub(crate) fn on(interface: &str) -> Sender {
        let name = std::ffi::CString::new(interface).expect("a name");
        // SAFETY: plain system calls; the name ends in 0 and the address is a live value.
        unsafe {
            let socket = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
            assert!(socket >= 0, "{}", io::Error::last_os_error());
            let socket = OwnedFd::from_raw_fd(socket);
            let mut address: libc::sockaddr_ll = std::mem::zeroed();
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_ifindex = libc::if_nametoindex(name.as_ptr()) as i32;
            let length = size_of::<libc::sockaddr_ll>() as u32;
            let result = libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length);
            assert_eq!(result, 0, "{}", io::Error::last_os_error());
            Sender { socket }
        }
    }

    /// Sends frames, slowly enough for the kernel's own queues.
    pub(crate) fn send<'a>(&self, frames: impl IntoIterator<Item = &'a Vec<u8>>) {
        for (number, frame) in frames.into_iter().enumerate() {
            // SAFETY: the pointer and length are those of a live slice.
            let sent = unsafe {
                libc::send(self.socket.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0)
            };
            assert_eq!(sent, frame.len() as isize, "{}", io::Error::last_os_error());
            if number % 100 == 99 {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// An Ethernet frame of some length whose bytes depend on its number.
pub(crate) fn frame(number: usize, length: usize) -> Vec<u8> {
    framed(&EXPERIMENT, number, length)
}

/// The same with these bytes (VLAN tags, EtherType) behind the addresses.
pub(crate) fn framed(kind: &[u8], number: usize, length: usize) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    bytes.extend(kind);
    bytes.extend((number as u32).to_be_bytes());
    let filler = bytes.len()..length.max(bytes.len());
    bytes.extend(filler.map(|at| (at.wrapping_mul(31) ^ number) as u8));
    bytes
}

/// An Ethernet frame with the beginning of an IPv4 packet from this address.
pub(crate) fn from_address(source: [u8; 4], number: usize) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    bytes.extend([0x45, 0, 0, 46, 0, 0, 0, 0, 64, 253, 0, 0]);
    bytes.extend(source);
    bytes.extend([192, 0, 2, 1]);
    bytes.extend((number as u32).to_be_bytes());
    bytes.resize(60, 0);
    bytes
}

/// Settings for the receiving end of the pair: room for all that a test sends.
pub(crate) fn settings() -> RingSettings {
    RingSettings { block_size: 1 << 17, blocks: 80, block_timeout_ms: 5, ..RingSettings::new(FAR) }
}

/// What is kept of a received frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) bytes: Vec<u8>,
    pub(crate) wire_len: u32,
    pub(crate) vlan_restored: bool,
    pub(crate) checksum_not_ready: bool,
    pub(crate) losing: bool,
    pub(crate) outgoing: bool,
}

/// Frames from the ring until there are `count`, and a moment longer to see that no more come.
pub(crate) fn collect(ring: &mut Ring, count: usize) -> Vec<Kept> {
    let mut kept = Vec::new();
    let begin = Instant::now();
    let mut quiet = 0;
    while begin.elapsed() < PATIENCE && quiet < 3 {
        while ring.next_frames(33) > 0 {
            kept.extend(ring.frames().map(|frame| Kept {
                bytes: frame.bytes.to_vec(),
                wire_len: frame.wire_len,
                vlan_restored: frame.vlan_restored,
                checksum_not_ready: frame.checksum_not_ready,
                losing: frame.losing,
                outgoing: frame.outgoing,
            }));
        }
        let more = ring.wait(Duration::from_millis(20)).expect("the interface is up");
        quiet = if kept.len() < count || more { 0 } else { quiet + 1 };
    }
    kept
}
