//! The states of a TCP session.

use crate::entry::FlowState;

/// State of a session. The order is the one in which "state beyond" is meant: `TimeWait` comes
/// before `LastAck`, as in Suricata 8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TcpState {
    /// None yet.
    #[default]
    None,
    /// The client sent SYN.
    SynSent,
    /// The server answered it.
    SynRecv,
    /// The handshake is complete.
    Established,
    /// The server sent FIN first.
    FinWait1,
    /// The client acknowledged it.
    FinWait2,
    /// Both sent FIN.
    TimeWait,
    /// The server sent FIN after the client had.
    LastAck,
    /// The client sent FIN first.
    CloseWait,
    /// Both sent FIN at the same time.
    Closing,
    /// Over.
    Closed,
}

impl TcpState {
    /// The text of `tcp.state` in EVE.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SynSent => "syn_sent",
            Self::SynRecv => "syn_recv",
            Self::Established => "established",
            Self::FinWait1 => "fin_wait1",
            Self::FinWait2 => "fin_wait2",
            Self::TimeWait => "time_wait",
            Self::LastAck => "last_ack",
            Self::CloseWait => "close_wait",
            Self::Closing => "closing",
            Self::Closed => "closed",
        }
    }

    /// The flow state that goes with it; none if it does not change the flow's.
    pub(crate) const fn flow_state(self) -> Option<FlowState> {
        match self {
            Self::None | Self::SynSent | Self::SynRecv => None,
            Self::Established
            | Self::FinWait1
            | Self::FinWait2
            | Self::Closing
            | Self::CloseWait => Some(FlowState::Established),
            Self::LastAck | Self::TimeWait | Self::Closed => Some(FlowState::Closed),
        }
    }
}
