//! Why packets are dropped: the names of `ips.drop_reason` and of drop records.

/// Why a packet was dropped; the first reason wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// It did not decode.
    DecodeError,
    /// It did not defragment.
    DefragError,
    /// No memory to defragment it.
    DefragMemcap,
    /// No memory for its flow.
    FlowMemcap,
    /// Its flow is dropped.
    FlowDrop,
    /// An application layer parser gave up.
    AppLayerError,
    /// No memory for the application layer.
    AppLayerMemcap,
    /// A rule.
    Rules,
    /// A rate filter or detection filter.
    ThresholdDetectionFilter,
    /// Refused by the TCP state machine.
    StreamError,
    /// No memory for its TCP session.
    StreamMemcap,
    /// Its TCP flow did not start with its handshake.
    StreamMidstream,
    /// Its TCP data could not be kept.
    StreamReassembly,
    /// It carries urgent data.
    StreamUrgent,
    /// The netfilter queue failed.
    NfqError,
    /// An inner packet was dropped.
    TunnelPacketDrop,
    /// Its flow is dropped by an exception policy.
    ExceptionPolicyFlowDrop,
}

impl DropReason {
    /// Every reason in the order of `ips.drop_reason`.
    pub const ALL: [Self; 17] = [
        Self::DecodeError,
        Self::DefragError,
        Self::DefragMemcap,
        Self::FlowMemcap,
        Self::FlowDrop,
        Self::AppLayerError,
        Self::AppLayerMemcap,
        Self::Rules,
        Self::ThresholdDetectionFilter,
        Self::StreamError,
        Self::StreamMemcap,
        Self::StreamMidstream,
        Self::StreamReassembly,
        Self::StreamUrgent,
        Self::NfqError,
        Self::TunnelPacketDrop,
        Self::ExceptionPolicyFlowDrop,
    ];

    /// The counter under `ips.drop_reason`.
    pub const fn counter_name(self) -> &'static str {
        match self {
            Self::DecodeError => "decode_error",
            Self::DefragError => "defrag_error",
            Self::DefragMemcap => "defrag_memcap",
            Self::FlowMemcap => "flow_memcap",
            Self::FlowDrop => "flow_drop",
            Self::AppLayerError => "applayer_error",
            Self::AppLayerMemcap => "applayer_memcap",
            Self::Rules => "rules",
            Self::ThresholdDetectionFilter => "threshold_detection_filter",
            Self::StreamError => "stream_error",
            Self::StreamMemcap => "stream_memcap",
            Self::StreamMidstream => "stream_midstream",
            Self::StreamReassembly => "stream_reassembly",
            Self::StreamUrgent => "stream_urgent",
            Self::NfqError => "nfq_error",
            Self::TunnelPacketDrop => "tunnel_packet_drop",
            Self::ExceptionPolicyFlowDrop => "exception_policy_flow_drop",
        }
    }

    /// The words in EVE, such as `stream midstream`.
    pub const fn eve_name(self) -> &'static str {
        match self {
            Self::DecodeError => "decode error",
            Self::DefragError => "defrag error",
            Self::DefragMemcap => "defrag memcap",
            Self::FlowMemcap => "flow memcap",
            Self::FlowDrop => "flow drop",
            Self::AppLayerError => "applayer error",
            Self::AppLayerMemcap => "applayer memcap",
            Self::Rules => "rules",
            Self::ThresholdDetectionFilter => "threshold detection_filter",
            Self::StreamError => "stream error",
            Self::StreamMemcap => "stream memcap",
            Self::StreamMidstream => "stream midstream",
            Self::StreamReassembly => "stream reassembly",
            Self::StreamUrgent => "stream urgent",
            Self::NfqError => "nfq error",
            Self::TunnelPacketDrop => "tunnel packet drop",
            Self::ExceptionPolicyFlowDrop => "exception policy flow drop",
        }
    }
}
