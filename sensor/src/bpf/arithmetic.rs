//! Numbers computed from a frame: `tcp[13] & 2`, `len - 14`.

use super::frame::{Frame, Layers, Short};

/// A number, computed modulo 2³² as by BPF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Number(u32),
    /// Length of the frame on the wire.
    Length,
    /// Bytes of a header.
    Load {
        base: Base,
        layers: Layers,
        offset: Box<Arithmetic>,
        size: usize,
    },
    Binary(Operator, Box<Arithmetic>, Box<Arithmetic>),
}

/// What offsets are counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Link,
    /// The network header, of this EtherType.
    Network(u16),
    /// What follows the IPv4 header of an unfragmented packet of this protocol.
    Transport(u8),
    /// What follows the IPv6 header of an ICMPv6 packet.
    Icmp6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    Xor,
    And,
    ShiftLeft,
    ShiftRight,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// How two numbers are compared, without sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
}

/// Why there is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The frame ends before.
    Short,
    /// The frame is of another protocol: the comparison does not hold.
    OtherProtocol,
}

impl From<Short> for Missing {
    fn from(_: Short) -> Self {
        Self::Short
    }
}

impl Arithmetic {
    /// The number for this frame.
    pub(super) fn value(&self, frame: &Frame<'_>) -> Result<u32, Missing> {
        self.compute(frame, true)
    }

    /// The number, with the protocols of its loads checked or not: libpcap checks them for the
    /// left side of an operator only, and loads for the right side from any packet.
    fn compute(&self, frame: &Frame<'_>, checked: bool) -> Result<u32, Missing> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Length => Ok(frame.wire_len),
            Self::Load { base, layers, offset, size } => {
                if checked && !base.fits(frame, *layers)? {
                    return Err(Missing::OtherProtocol);
                }
                let offset = offset.compute(frame, checked)?;
                // Offsets wrap as those of BPF: a negative one reaches before the header.
                let start = u32::try_from(base.start(frame, *layers)?);
                let at = start.map_err(|_| Missing::Short)?.wrapping_add(offset);
                let at = usize::try_from(at).map_err(|_| Missing::Short)?;
                Ok(frame.load(at, *size)?)
            }
            Self::Binary(operator, left, right) => {
                let (left, right) = (left.compute(frame, checked)?, right.compute(frame, false)?);
                // BPF refuses the frame when it divides by zero.
                operator.apply(left, right).ok_or(Missing::Short)
            }
        }
    }
}

impl Base {
    /// Whether the frame has this header.
    fn fits(self, frame: &Frame<'_>, layers: Layers) -> Result<bool, Short> {
        match self {
            Self::Link => Ok(true),
            Self::Network(kind) => frame.is_type(layers, kind),
            Self::Transport(protocol) => {
                Ok(is_ipv4(frame, layers, protocol)? && transport4(frame, layers)?.is_some())
            }
            Self::Icmp6 => is_ipv6(frame, layers, 58),
        }
    }

    fn start(self, frame: &Frame<'_>, layers: Layers) -> Result<usize, Short> {
        let network = frame.network(layers);
        match self {
            Self::Link => Ok(0),
            Self::Network(_) => Ok(network),
            Self::Transport(_) => after_ipv4(frame, network),
            Self::Icmp6 => Ok(network + 40),
        }
    }
}

/// Whether this is IPv4 with this protocol.
pub(super) fn is_ipv4(frame: &Frame<'_>, layers: Layers, protocol: u8) -> Result<bool, Short> {
    Ok(frame.is_type(layers, 0x0800)?
        && frame.load(frame.network(layers) + 9, 1)? == u32::from(protocol))
}

/// Whether this is IPv6 with this protocol. As in libpcap, a fragment header is looked behind,
/// other extension headers are not.
pub(super) fn is_ipv6(frame: &Frame<'_>, layers: Layers, protocol: u8) -> Result<bool, Short> {
    if !frame.is_type(layers, 0x86dd)? {
        return Ok(false);
    }
    let network = frame.network(layers);
    let next = frame.load(network + 6, 1)?;
    let wanted = u32::from(protocol);
    Ok(next == wanted || (next == 44 && frame.load(network + 40, 1)? == wanted))
}

/// Where the transport header is in an IPv4 packet; later fragments have none.
pub(super) fn transport4(frame: &Frame<'_>, layers: Layers) -> Result<Option<usize>, Short> {
    let network = frame.network(layers);
    if frame.load(network + 6, 2)? & 0x1fff != 0 {
        return Ok(None);
    }
    after_ipv4(frame, network).map(Some)
}

fn after_ipv4(frame: &Frame<'_>, network: usize) -> Result<usize, Short> {
    let words = (frame.load(network, 1)? & 15) as usize;
    Ok(network + 4 * words)
}

impl Operator {
    /// Nothing for a division by zero.
    pub(super) fn apply(self, left: u32, right: u32) -> Option<u32> {
        Some(match self {
            Self::Or => left | right,
            Self::Xor => left ^ right,
            Self::And => left & right,
            Self::ShiftLeft => left.checked_shl(right).unwrap_or(0),
            Self::ShiftRight => left.checked_shr(right).unwrap_or(0),
            Self::Add => left.wrapping_add(right),
            Self::Subtract => left.wrapping_sub(right),
            Self::Multiply => left.wrapping_mul(right),
            Self::Divide => left.checked_div(right)?,
            Self::Remainder => left.checked_rem(right)?,
        })
    }
}

impl Relation {
    pub(super) fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Greater => left > right,
            Self::Less => left < right,
            Self::GreaterOrEqual => left >= right,
            Self::LessOrEqual => left <= right,
        }
    }
}
