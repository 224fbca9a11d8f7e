//! Bits, integers and variables: what a rule may check and set on flows, hosts and packets.

/// Whether a bit option is a condition or something to do after a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitRole {
    /// A condition.
    Check,
    /// To do after the whole rule matched.
    Set,
}

/// Command of a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitCommand {
    /// Set it.
    Set,
    /// Clear it.
    Unset,
    /// Turn it over.
    Toggle,
    /// It must be set.
    IsSet,
    /// It must not be set.
    IsNotSet,
}

impl BitCommand {
    /// Condition or action.
    pub const fn role(self) -> BitRole {
        match self {
            Self::Set | Self::Unset | Self::Toggle => BitRole::Set,
            Self::IsSet | Self::IsNotSet => BitRole::Check,
        }
    }

    /// From its word in a rule.
    pub fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "set" => Self::Set,
            "unset" => Self::Unset,
            "toggle" => Self::Toggle,
            "isset" => Self::IsSet,
            "isnotset" => Self::IsNotSet,
            _ => return None,
        })
    }
}

/// `flowbits`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowBit {
    /// What to do.
    pub command: BitCommand,
    /// Bits (numbers of `Names::flowbits`): `isset` wants any of them, `isnotset` none.
    pub ids: smallvec::SmallVec<[u32; 2]>,
}

/// Operation of `flowint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntOp {
    /// `=`
    Assign,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>=`
    GreaterEqual,
    /// `>`
    Greater,
    /// `isset`
    IsSet,
    /// `notset`, `isnotset`
    IsNotSet,
}

/// Second operand of `flowint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntOperand {
    /// A number.
    Value(u32),
    /// Another integer of the flow (number of `Names::flowints`).
    Variable(u32),
}

/// `flowint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowInt {
    /// The integer (number of `Names::flowints`).
    pub id: u32,
    /// What to do.
    pub op: IntOp,
    /// With what; 0 where there is nothing.
    pub operand: IntOperand,
}

/// What an extended bit belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BitTrack {
    /// The packet's source.
    Source,
    /// The packet's destination.
    Destination,
    /// The unordered pair of addresses.
    Pair,
    /// The transaction.
    Transaction,
}

/// `xbits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedBit {
    /// What to do.
    pub command: BitCommand,
    /// The bit (number of `Names::xbits`).
    pub id: u32,
    /// What it belongs to.
    pub track: BitTrack,
    /// For how many seconds it stays set.
    pub expire: u32,
}

impl ExtendedBit {
    /// True for bits of address pairs.
    pub const fn is_pair(&self) -> bool {
        matches!(self.track, BitTrack::Pair)
    }
}

/// `hostbits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostBit {
    /// What to do.
    pub command: BitCommand,
    /// The bit (number of `Names::hostbits`).
    pub id: u32,
    /// Of the destination instead of the source.
    pub destination: bool,
    /// For how many seconds it stays set.
    pub expire: u32,
}

/// `flowvar` and `pktvar`: a variable that a `pcre` capture has set holds these bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableCheck {
    /// The variable (number of `Names::flowvars` or `Names::pktvars`).
    pub id: u32,
    /// The bytes that must be in its value.
    pub bytes: Vec<u8>,
    /// They must not be in it.
    pub negated: bool,
}

/// One bit, integer or variable option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bit {
    /// `flowbits`
    Flow(FlowBit),
    /// `flowint`
    Int(FlowInt),
    /// `xbits`
    Extended(ExtendedBit),
    /// `hostbits`
    Host(HostBit),
    /// `flowvar`
    FlowVar(VariableCheck),
    /// `pktvar`
    PacketVar(VariableCheck),
}

impl Bit {
    /// Condition or action after the match.
    pub const fn role(&self) -> BitRole {
        match self {
            Self::Flow(bit) => bit.command.role(),
            Self::Extended(bit) => bit.command.role(),
            Self::Host(bit) => bit.command.role(),
            Self::Int(int) => match int.op {
                IntOp::Assign | IntOp::Add | IntOp::Subtract => BitRole::Set,
                _ => BitRole::Check,
            },
            Self::FlowVar(_) | Self::PacketVar(_) => BitRole::Check,
        }
    }
}
