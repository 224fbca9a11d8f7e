//! An XDP program that directs every packet to the AF_XDP socket of its queue, and its map.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const MAP_CREATE: i32 = 0;
const MAP_UPDATE: i32 = 2;
const PROGRAM_LOAD: i32 = 5;
const LINK_CREATE: i32 = 28;
const MAP_TYPE_XSKMAP: u32 = 17;
const PROGRAM_TYPE_XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;
const HAS_FRAGMENTS: u32 = 1 << 5;
const XDP_PASS: i32 = 2;
const REDIRECT_MAP: i32 = 51;
const ADJUST_META: i32 = 54;
/// Queues that the map has room for.
const QUEUES: u32 = 64;

/// What the program leaves in front of every packet if it was asked to.
#[derive(Clone, Copy)]
pub(crate) struct Metadata(pub(crate) i32);

/// The loaded program, which is detached at the end.
pub(crate) struct Redirect {
    map: OwnedFd,
    _program: OwnedFd,
    _link: OwnedFd,
}

impl Redirect {
    /// Loads a program that can do with packets in several fragments and attaches it.
    pub(crate) fn attach(interface: u32, metadata: Option<Metadata>) -> io::Result<Redirect> {
        let map = call(MAP_CREATE, &[pair(MAP_TYPE_XSKMAP, 4), pair(4, QUEUES)])?;
        let code = program(map.as_raw_fd(), metadata);
        let count = code.len() as u32;
        let license = c"Apache-2.0".as_ptr().addr() as u64;
        let flags = pair(0, HAS_FRAGMENTS);
        let address = code.as_ptr().addr() as u64;
        let load = [pair(PROGRAM_TYPE_XDP, count), address, license, 0, 0, flags];
        let program = call(PROGRAM_LOAD, &load)?;
        let which = pair(program.as_raw_fd() as u32, interface);
        let link = call(LINK_CREATE, &[which, pair(ATTACH_XDP, 0)])?;
        Ok(Redirect { map, _program: program, _link: link })
    }

    /// Directs the packets of a queue to a socket.
    pub(crate) fn direct(&self, queue: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        let (key, value) = (queue, socket.as_raw_fd());
        let (key, value) = ((&raw const key).addr() as u64, (&raw const value).addr() as u64);
        let map = pair(self.map.as_raw_fd() as u32, 0);
        bpf(MAP_UPDATE, &[map, key, value, 0]).map(|_| ())
    }
}

/// One instruction: operation, destination and source register, offset, constant.
fn instruction(operation: u8, registers: (u8, u8), offset: i16, constant: i32) -> u64 {
    let [low, high] = offset.to_ne_bytes();
    let [a, b, c, d] = constant.to_ne_bytes();
    let both = if cfg!(target_endian = "little") {
        registers.1 << 4 | registers.0
    } else {
        registers.0 << 4 | registers.1
    };
    u64::from_ne_bytes([operation, both, low, high, a, b, c, d])
}

/// Returns `bpf_redirect_map(&map, context->rx_queue_index, XDP_PASS)`, after 8 bytes of metadata
/// if they are wanted: their length and the value.
fn program(map: i32, metadata: Option<Metadata>) -> Vec<u64> {
    let move_register = 0xbf;
    let move_constant = 0xb7;
    let load_word = 0x61;
    let store_word = 0x62;
    let mut code = vec![instruction(move_register, (6, 1), 0, 0)];
    if let Some(Metadata(value)) = metadata {
        code.extend([
            instruction(move_constant, (2, 0), 0, -8),
            instruction(0x85, (0, 0), 0, ADJUST_META),
            instruction(0x55, (0, 0), 7, 0), // past the metadata if r0 != 0
            instruction(load_word, (2, 6), 8, 0),
            instruction(load_word, (3, 6), 0, 0),
            instruction(move_register, (4, 2), 0, 0),
            instruction(0x07, (4, 0), 0, 8),
            instruction(0x2d, (4, 3), 2, 0), // past the stores if r4 > r3
            instruction(store_word, (2, 0), 0, 8),
            instruction(store_word, (2, 0), 4, value),
        ]);
    }
    code.extend([
        instruction(load_word, (2, 6), 16, 0),
        instruction(0x18, (1, 1), 0, map),
        instruction(0, (0, 0), 0, 0),
        instruction(move_constant, (3, 0), 0, XDP_PASS),
        instruction(0x85, (0, 0), 0, REDIRECT_MAP),
        instruction(0x95, (0, 0), 0, 0),
    ]);
    code
}

/// Two 32-bit fields next to each other.
fn pair(first: u32, second: u32) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) = (first.to_ne_bytes(), second.to_ne_bytes());
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

/// A call that returns a descriptor.
fn call(command: i32, attributes: &[u64]) -> io::Result<OwnedFd> {
    let fd = bpf(command, attributes)?;
    // SAFETY: the kernel made the descriptor just now and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn bpf(command: i32, attributes: &[u64]) -> io::Result<i32> {
    let length = size_of_val(attributes);
    // SAFETY: the attributes have the length that is passed; the addresses among them are of
    // values that live through the call.
    let outcome =
        unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), length as u32) };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(outcome as i32) }
}
