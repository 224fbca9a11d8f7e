//! The program for packet sockets, run here as the kernel runs it.

use steer::{HashSettings, Instruction, Link, fanout_program};

use crate::craft::*;

/// What the kernel knows about a packet.
#[derive(Clone, Debug)]
struct Packet {
    /// From where the program's addresses count.
    bytes: Vec<u8>,
    protocol: u16,
    outgoing: bool,
    hardware: u32,
    vlan: Option<u16>,
}

impl Packet {
    /// A received frame: no Ethernet header, the outermost tag taken away.
    fn received(frame: &[u8]) -> Self {
        let (protocol, tag, at) = stripped(frame);
        let bytes = frame.get(at..).unwrap_or(&[]).to_vec();
        Self { bytes, protocol, outgoing: false, hardware: 1, vlan: tag }
    }

    /// A frame that this machine sends, as it is.
    fn outgoing(frame: &[u8]) -> Self {
        Self { bytes: frame.to_vec(), protocol: 0, outgoing: true, hardware: 772, vlan: None }
    }

    fn raw(bytes: &[u8], outgoing: bool) -> Self {
        Self { bytes: bytes.to_vec(), protocol: 0, outgoing, hardware: 0xfffe, vlan: None }
    }

    fn ancillary(&self, what: u32) -> u32 {
        match what {
            0 => self.protocol.into(),
            4 => u32::from(self.outgoing) * 4,
            28 => self.hardware,
            44 => self.vlan.unwrap_or(0).into(),
            48 => self.vlan.is_some().into(),
            _ => panic!("ancillary {what}"),
        }
    }

    fn load(&self, size: usize, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at + size)?;
        Some(bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }
}

fn stripped(frame: &[u8]) -> (u16, Option<u16>, usize) {
    let half =
        |at: usize| frame.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    let kind = half(12).unwrap_or(0);
    match (half(14), half(16)) {
        (Some(tag), Some(next)) if matches!(kind, 0x8100 | 0x88a8) => (next, Some(tag), 18),
        _ => (kind, None, 14),
    }
}

/// Runs a program as `bpf_prog_run` does.
fn run(program: &[Instruction], packet: &Packet) -> u32 {
    let (mut a, mut x, mut memory, mut pc) = (0u32, 0u32, [None; 16], 0usize);
    loop {
        let Instruction { code, jt, jf, k } = program[pc];
        pc += 1;
        let loaded = match code {
            0x20 if k >= 0xffff_f000 => Some(packet.ancillary(k - 0xffff_f000)),
            0x40 => packet.load(4, x as usize + k as usize),
            0x48 => packet.load(2, x as usize + k as usize),
            0x50 => packet.load(1, x as usize + k as usize),
            _ => Some(a),
        };
        let Some(loaded) = loaded else { return 0 };
        a = loaded;
        let condition = match code {
            0x15 => a == k,
            0x35 => a >= k,
            0x3d => a >= x,
            0x45 => a & k != 0,
            _ => false,
        };
        match code {
            0x20 | 0x40 | 0x48 | 0x50 => {}
            0x15 | 0x35 | 0x3d | 0x45 => pc += usize::from(if condition { jt } else { jf }),
            0x80 => a = packet.bytes.len() as u32,
            0x00 => a = k,
            0x60 => a = memory[k as usize].expect("written before it is read"),
            0x61 => x = memory[k as usize].expect("written before it is read"),
            0x02 => memory[k as usize] = Some(a),
            0x03 => memory[k as usize] = Some(x),
            0x04 => a = a.wrapping_add(k),
            0x0c => a = a.wrapping_add(x),
            0x24 => a = a.wrapping_mul(k),
            0x54 => a &= k,
            0x64 => a <<= k,
            0x74 => a >>= k,
            0xac => a ^= x,
            0x07 => x = a,
            0x87 => a = x,
            0x05 => pc += k as usize,
            0x16 => return a,
            0x06 => return k,
            _ => panic!("instruction {code:#x}"),
        }
    }
}

/// The program agrees with the hash, whichever way the frame goes.
fn check(settings: &HashSettings, program: &[Instruction], name: &str, frame: &[u8]) {
    let expected = settings.in_fanout().steering(Link::Ethernet, frame).hash;
    for packet in [Packet::received(frame), Packet::outgoing(frame)] {
        assert_eq!(run(program, &packet), expected, "{name} {settings:?} {packet:x?}");
    }
    let bytes = frame.get(14..).unwrap_or(&[]);
    let expected = settings.in_fanout().steering(Link::Raw, bytes).hash;
    for outgoing in [false, true] {
        assert_eq!(run(program, &Packet::raw(bytes, outgoing)), expected, "raw {name}");
    }
}

#[test]
fn the_program_agrees_on_the_table() {
    for seed in [0, 0x5eed_5eed] {
        for settings in all_settings(seed) {
            let program = fanout_program(&settings);
            for (name, frame) in frames(5, 77) {
                check(&settings, &program, name, &frame);
            }
        }
    }
}

#[test]
fn the_program_agrees_on_spoilt_frames() {
    let mut random = Random(0x0123_4567_89ab_cdef);
    let table = frames(5, 77);
    for settings in all_settings(0xfeed) {
        let program = fanout_program(&settings);
        for (name, frame) in &table {
            for _ in 0..40 {
                check(&settings, &program, name, &spoilt(frame, &mut random));
            }
        }
    }
}

#[test]
fn programs_are_small_and_only_jump_forwards() {
    for settings in all_settings(1) {
        let program = fanout_program(&settings);
        // The kernel takes 4096 instructions.
        let limit = if settings.ports { 2048 } else { 512 };
        assert!(program.len() < limit, "{}", program.len());
        for (at, instruction) in program.iter().enumerate() {
            let targets = match instruction.code {
                0x05 => vec![instruction.k as usize],
                0x15 | 0x35 | 0x3d | 0x45 => vec![instruction.jt.into(), instruction.jf.into()],
                _ => vec![],
            };
            assert!(targets.iter().all(|skip| at + 1 + skip < program.len()), "{at}");
        }
        assert_eq!(program.last().map(|last| last.code), Some(0x06));
    }
}

#[test]
fn the_kernel_takes_the_programs() {
    for settings in all_settings(0x5eed) {
        let program = fanout_program(&settings);
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let attached = crate::system::attach_filter(&socket, &program);
        assert!(attached.is_ok(), "{settings:?}: {attached:?}");
    }
}

#[test]
fn the_kernel_deals_out_frames_by_the_hash() {
    crate::system::between_interfaces(|one, two| {
        for settings in all_settings(0x00c0_ffee) {
            // Frames that come in, and the same frames that go out.
            for (listening, group) in [(one, 1), (two, 2)] {
                deal(&settings, listening, group, two);
            }
        }
    });
}

fn deal(settings: &HashSettings, listening: u32, group: u16, sender: u32) {
    const SOCKETS: u32 = 5;
    let program = fanout_program(settings);
    let sockets =
        crate::system::fanout(listening, group, SOCKETS as usize, &program).expect("fanout");
    for (name, frame) in frames(5, 77) {
        if frame.len() > 1500 {
            continue;
        }
        let expected = settings.in_fanout().steering(Link::Ethernet, &frame).worker(SOCKETS);
        crate::system::send(sender, &frame).expect("sent");
        // What is delivered lacks the outermost tag; other traffic may come in between.
        let end = &frame[frame.len() - 16..];
        let found = crate::system::wait_for(|| {
            sockets.iter().position(|socket| {
                let received = std::iter::from_fn(|| crate::system::receive(socket));
                received.filter(|bytes| bytes.ends_with(end)).count() > 0
            })
        });
        assert_eq!(found, Some(expected as usize), "{name} {settings:?} group {group}");
    }
}
