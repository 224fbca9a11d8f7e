//! What a ring is opened with, and which settings make sense.

use std::fmt;

use crate::error::Error;

/// Longest program that the kernel takes (BPF_MAXINSNS).
const PROGRAM_LIMIT: usize = 4096;

/// What a ring is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingSettings {
    /// Where to capture.
    pub interface: Interface,
    /// Bytes of a block: a power of two and a multiple of the page size. No frame can be longer
    /// than a block; merged frames (receive offload) reach 64 KiB and more.
    pub block_size: u32,
    /// Blocks of the ring; together less than 4 GiB.
    pub blocks: u32,
    /// After how long the kernel hands over a block that is not full, in milliseconds; 0 lets the
    /// kernel choose by the speed of the link.
    pub block_timeout_ms: u32,
    /// The group of sockets that share the frames of the interface.
    pub fanout: Option<Fanout>,
    /// Receive frames for other hosts too.
    pub promiscuous: bool,
    /// How long [`wait`](crate::Ring::wait) watches the ring, in microseconds, before it sleeps.
    /// (The kernel's own SO_BUSY_POLL does nothing for packet sockets.)
    pub busy_poll_us: Option<u32>,
    /// Keep only that many bytes of each frame, as the kernel has it: a VLAN tag that is put back
    /// comes on top.
    pub snap_length: Option<u32>,
    /// Leave out what this host itself sends.
    pub ignore_outgoing: bool,
    /// Classic BPF program that chooses the frames (as `tcpdump -dd` prints it); none takes all.
    /// It sees frames without their outermost VLAN tag.
    pub filter: Vec<Instruction>,
}

impl RingSettings {
    /// The settings for a sensor on this interface: 64 blocks of 1 MiB, promiscuous.
    pub fn new(interface: impl Into<Interface>) -> RingSettings {
        RingSettings {
            interface: interface.into(),
            block_size: 1 << 20,
            blocks: 64,
            block_timeout_ms: 10,
            fanout: None,
            promiscuous: true,
            busy_poll_us: None,
            snap_length: None,
            ignore_outgoing: false,
            filter: Vec::new(),
        }
    }

    pub(crate) fn validate(&self, page_size: u32) -> Result<(), Error> {
        let (size, blocks) = (self.block_size, self.blocks);
        if !size.is_power_of_two() || size < page_size || size > 1 << 30 {
            return Err(Error::setting(
                "block_size",
                format!("{size} is not a power of two from {page_size} (a page) to 1 GiB"),
            ));
        }
        if blocks < 2 {
            return Err(Error::setting("blocks", "a ring has at least 2".to_owned()));
        }
        if size.checked_mul(blocks).is_none() {
            return Err(Error::setting(
                "blocks",
                format!("{blocks} of {size} bytes are 4 GiB or more"),
            ));
        }
        if self.snap_length == Some(0) {
            return Err(Error::setting("snap_length", "0 would keep nothing".to_owned()));
        }
        check_program("filter", &self.filter)?;
        self.fanout.as_ref().map_or(Ok(()), Fanout::validate)
    }
}

/// An interface of this network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interface {
    /// By its name.
    Name(String),
    /// By its number.
    Index(u32),
}

impl From<&str> for Interface {
    fn from(name: &str) -> Interface {
        Interface::Name(name.to_owned())
    }
}

impl From<String> for Interface {
    fn from(name: String) -> Interface {
        Interface::Name(name)
    }
}

impl From<u32> for Interface {
    fn from(index: u32) -> Interface {
        Interface::Index(index)
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Interface::Name(name) => formatter.write_str(name),
            Interface::Index(index) => write!(formatter, "interface {index}"),
        }
    }
}

/// A group of sockets that share the frames of one interface. Every socket of the group has to be
/// opened with the same values; a group of another process in this network namespace with the
/// same number and values would take part as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fanout {
    /// Number of the group.
    pub group: u16,
    /// Sockets of the group.
    pub members: u16,
    /// How the socket of a frame is chosen.
    pub kind: FanoutKind,
    /// Put IPv4 fragments together before the choice. The ring then receives whole datagrams
    /// instead of their fragments.
    pub defragment: bool,
    /// Give a frame to another socket when the ring of the chosen one is full.
    pub rollover: bool,
}

impl Fanout {
    fn validate(&self) -> Result<(), Error> {
        if self.members == 0 {
            return Err(Error::setting("fanout", "a group has at least one member".to_owned()));
        }
        match &self.kind {
            FanoutKind::Program(program) if program.is_empty() => {
                Err(Error::setting("fanout", "the program is empty".to_owned()))
            }
            FanoutKind::Program(program) => check_program("fanout", program),
            _ => Ok(()),
        }
    }
}

/// How a group chooses the socket of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FanoutKind {
    /// A classic BPF program: what it returns, modulo the members, is the socket. In it, offset 0
    /// is the network header in a received frame and the Ethernet header in a sent one; only
    /// offsets from SKF_NET_OFF (0xfff00000) mean the same in both.
    Program(Vec<Instruction>),
    /// The kernel's hash over addresses, protocol and ports, equal in both directions.
    Hash,
    /// The CPU that received the frame.
    Cpu,
    /// The queue of the NIC that received the frame.
    QueueMapping,
    /// One after the other: the frames of a flow are spread.
    RoundRobin,
}

/// An instruction of a classic BPF program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip if a condition holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

fn check_program(setting: &'static str, program: &[Instruction]) -> Result<(), Error> {
    if program.len() > PROGRAM_LIMIT {
        let length = program.len();
        return Err(Error::setting(
            setting,
            format!("a program of {length} instructions; the kernel takes {PROGRAM_LIMIT}"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_before_the_kernel_is_asked() {
        let check = |change: &dyn Fn(&mut RingSettings), problem: Option<&str>| {
            let mut settings = RingSettings::new("eth1");
            change(&mut settings);
            match (settings.validate(4096), problem) {
                (Ok(()), None) => {}
                (Err(error), Some(words)) => {
                    let text = error.to_string();
                    assert!(text.contains(words), "{text}");
                }
                (result, _) => panic!("{settings:?}: {result:?}"),
            }
        };
        let fanout =
            |members, kind| Fanout { group: 1, members, kind, defragment: false, rollover: false };
        let nothing = Instruction { code: 6, jt: 0, jf: 0, k: 0 };
        check(&|_| {}, None);
        check(&|s| s.block_size = 4096, None);
        check(&|s| s.block_size = 2048, Some("block_size"));
        check(&|s| s.block_size = 12288, Some("block_size"));
        check(&|s| s.block_size = 0, Some("block_size"));
        check(&|s| s.blocks = 1, Some("blocks"));
        check(&|s| s.blocks = 4095, None);
        check(&|s| s.blocks = 4096, Some("4 GiB"));
        check(&|s| s.snap_length = Some(0), Some("snap_length"));
        check(&|s| s.filter = vec![nothing; 4096], None);
        check(&|s| s.filter = vec![nothing; 4097], Some("filter"));
        check(&|s| s.fanout = Some(fanout(0, FanoutKind::Hash)), Some("member"));
        check(&|s| s.fanout = Some(fanout(2, FanoutKind::Hash)), None);
        check(&|s| s.fanout = Some(fanout(2, FanoutKind::Program(vec![]))), Some("empty"));
    }
}
