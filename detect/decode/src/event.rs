//! The registry of decoder and stream events: one number and one name each.

/// Whose event it is; also which rule keyword names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Set by a decoder or by defragmentation; keyword `decode-event`.
    Decode,
    /// Set by the TCP stream engine; keyword `stream-event`.
    Stream,
}

/// Declares an enum whose variants are numbered from `$base` on, and the table of their names.
macro_rules! events {
    ($(#[$about:meta])* $name:ident, $table:ident, $base:expr, $prefix:literal,
     [$first:ident $first_text:literal $(, $variant:ident $text:literal)* $(,)?]) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum $name {
            #[doc = concat!("`", $prefix, $first_text, "`")]
            $first = $base,
            $(#[doc = concat!("`", $prefix, $text, "`")] $variant,)*
        }

        impl $name {
            /// The event's number, unique over both kinds.
            pub const fn code(self) -> u16 {
                self as u16
            }
        }

        const $table: &[&str] =
            &[concat!($prefix, $first_text) $(, concat!($prefix, $text))*];
    };
}

events! {
    /// What a decoder or defragmentation found.
    DecodeEvent, DECODE_NAMES, 0, "decoder.",
    [
        AfpacketTruncPkt "afpacket.trunc_pkt",
        Ipv4PktTooSmall "ipv4.pkt_too_small",
        Ipv4HlenTooSmall "ipv4.hlen_too_small",
        Ipv4IplenSmallerThanHlen "ipv4.iplen_smaller_than_hlen",
        Ipv4TruncPkt "ipv4.trunc_pkt",
        Ipv4OptInvalid "ipv4.opt_invalid",
        Ipv4OptInvalidLen "ipv4.opt_invalid_len",
        Ipv4OptMalformed "ipv4.opt_malformed",
        Ipv4OptPadRequired "ipv4.opt_pad_required",
        Ipv4OptEolRequired "ipv4.opt_eol_required",
        Ipv4OptDuplicate "ipv4.opt_duplicate",
        Ipv4OptUnknown "ipv4.opt_unknown",
        Ipv4WrongIpVersion "ipv4.wrong_ip_version",
        Ipv4Icmpv6 "ipv4.icmpv6",
        Ipv4FragPktTooLarge "ipv4.frag_pkt_too_large",
        Ipv4FragOverlap "ipv4.frag_overlap",
        Ipv4FragIgnored "ipv4.frag_ignored",
        Icmpv4PktTooSmall "icmpv4.pkt_too_small",
        Icmpv4UnknownType "icmpv4.unknown_type",
        Icmpv4UnknownCode "icmpv4.unknown_code",
        Icmpv4Ipv4TruncPkt "icmpv4.ipv4_trunc_pkt",
        Icmpv4Ipv4UnknownVer "icmpv4.ipv4_unknown_ver",
        Icmpv6UnknownType "icmpv6.unknown_type",
        Icmpv6UnknownCode "icmpv6.unknown_code",
        Icmpv6PktTooSmall "icmpv6.pkt_too_small",
        Icmpv6Ipv6UnknownVersion "icmpv6.ipv6_unknown_version",
        Icmpv6Ipv6TruncPkt "icmpv6.ipv6_trunc_pkt",
        Icmpv6MldMessageWithInvalidHl "icmpv6.mld_message_with_invalid_hl",
        Icmpv6UnassignedType "icmpv6.unassigned_type",
        Icmpv6ExperimentationType "icmpv6.experimentation_type",
        Ipv6PktTooSmall "ipv6.pkt_too_small",
        Ipv6TruncPkt "ipv6.trunc_pkt",
        Ipv6TruncExthdr "ipv6.trunc_exthdr",
        Ipv6ExthdrDuplFh "ipv6.exthdr_dupl_fh",
        Ipv6ExthdrUselessFh "ipv6.exthdr_useless_fh",
        Ipv6ExthdrDuplRh "ipv6.exthdr_dupl_rh",
        Ipv6ExthdrDuplHh "ipv6.exthdr_dupl_hh",
        Ipv6ExthdrDuplDh "ipv6.exthdr_dupl_dh",
        Ipv6ExthdrDuplAh "ipv6.exthdr_dupl_ah",
        Ipv6ExthdrDuplEh "ipv6.exthdr_dupl_eh",
        Ipv6ExthdrInvalidOptlen "ipv6.exthdr_invalid_optlen",
        Ipv6WrongIpVersion "ipv6.wrong_ip_version",
        Ipv6ExthdrAhResNotNull "ipv6.exthdr_ah_res_not_null",
        Ipv6HopoptsUnknownOpt "ipv6.hopopts_unknown_opt",
        Ipv6HopoptsOnlyPadding "ipv6.hopopts_only_padding",
        Ipv6DstoptsUnknownOpt "ipv6.dstopts_unknown_opt",
        Ipv6DstoptsOnlyPadding "ipv6.dstopts_only_padding",
        Ipv6RhType0 "ipv6.rh_type_0",
        Ipv6ZeroLenPadn "ipv6.zero_len_padn",
        Ipv6FhNonZeroReservedField "ipv6.fh_non_zero_reserved_field",
        Ipv6DataAfterNoneHeader "ipv6.data_after_none_header",
        Ipv6UnknownNextHeader "ipv6.unknown_next_header",
        Ipv6Icmpv4 "ipv6.icmpv4",
        Ipv6FragPktTooLarge "ipv6.frag_pkt_too_large",
        Ipv6FragOverlap "ipv6.frag_overlap",
        Ipv6FragInvalidLength "ipv6.frag_invalid_length",
        Ipv6FragIgnored "ipv6.frag_ignored",
        Ipv6Ipv4InIpv6TooSmall "ipv6.ipv4_in_ipv6_too_small",
        Ipv6Ipv4InIpv6WrongVersion "ipv6.ipv4_in_ipv6_wrong_version",
        Ipv6Ipv6InIpv6TooSmall "ipv6.ipv6_in_ipv6_too_small",
        Ipv6Ipv6InIpv6WrongVersion "ipv6.ipv6_in_ipv6_wrong_version",
        TcpPktTooSmall "tcp.pkt_too_small",
        TcpHlenTooSmall "tcp.hlen_too_small",
        TcpInvalidOptlen "tcp.invalid_optlen",
        TcpOptInvalidLen "tcp.opt_invalid_len",
        TcpOptDuplicate "tcp.opt_duplicate",
        UdpPktTooSmall "udp.pkt_too_small",
        UdpHlenTooSmall "udp.hlen_too_small",
        UdpHlenInvalid "udp.hlen_invalid",
        UdpLenInvalid "udp.len_invalid",
        SllPktTooSmall "sll.pkt_too_small",
        Sll2PktTooSmall "sll2.pkt_too_small",
        EthernetPktTooSmall "ethernet.pkt_too_small",
        EthernetUnknownEthertype "ethernet.unknown_ethertype",
        PppPktTooSmall "ppp.pkt_too_small",
        PppVjuPktTooSmall "ppp.vju_pkt_too_small",
        PppIp4PktTooSmall "ppp.ip4_pkt_too_small",
        PppIp6PktTooSmall "ppp.ip6_pkt_too_small",
        PppWrongType "ppp.wrong_type",
        PppUnsupProto "ppp.unsup_proto",
        PppoePktTooSmall "pppoe.pkt_too_small",
        PppoeWrongCode "pppoe.wrong_code",
        PppoeMalformedTags "pppoe.malformed_tags",
        GrePktTooSmall "gre.pkt_too_small",
        GreWrongVersion "gre.wrong_version",
        GreVersion0Recur "gre.version0_recur",
        GreVersion0Flags "gre.version0_flags",
        GreVersion0HdrTooBig "gre.version0_hdr_too_big",
        GreVersion0MalformedSreHdr "gre.version0_malformed_sre_hdr",
        GreVersion1Chksum "gre.version1_chksum",
        GreVersion1Route "gre.version1_route",
        GreVersion1Ssr "gre.version1_ssr",
        GreVersion1Recur "gre.version1_recur",
        GreVersion1Flags "gre.version1_flags",
        GreVersion1NoKey "gre.version1_no_key",
        GreVersion1WrongProtocol "gre.version1_wrong_protocol",
        GreVersion1MalformedSreHdr "gre.version1_malformed_sre_hdr",
        GreVersion1HdrTooBig "gre.version1_hdr_too_big",
        VlanHeaderTooSmall "vlan.header_too_small",
        VlanUnknownType "vlan.unknown_type",
        VlanTooManyLayers "vlan.too_many_layers",
        Ieee8021ahHeaderTooSmall "ieee8021ah.header_too_small",
        VntagHeaderTooSmall "vntag.header_too_small",
        VntagUnknownType "vntag.unknown_type",
        IprawInvalidIpVersion "ipraw.invalid_ip_version",
        LtnullPktTooSmall "ltnull.pkt_too_small",
        LtnullUnsupportedType "ltnull.unsupported_type",
        SctpPktTooSmall "sctp.pkt_too_small",
        EspPktTooSmall "esp.pkt_too_small",
        MplsHeaderTooSmall "mpls.header_too_small",
        MplsPktTooSmall "mpls.pkt_too_small",
        MplsBadLabelRouterAlert "mpls.bad_label_router_alert",
        MplsBadLabelImplicitNull "mpls.bad_label_implicit_null",
        MplsBadLabelReserved "mpls.bad_label_reserved",
        MplsUnknownPayloadType "mpls.unknown_payload_type",
        VxlanUnknownPayloadType "vxlan.unknown_payload_type",
        GeneveUnknownPayloadType "geneve.unknown_payload_type",
        ErspanHeaderTooSmall "erspan.header_too_small",
        ErspanUnsupportedVersion "erspan.unsupported_version",
        ErspanTooManyVlanLayers "erspan.too_many_vlan_layers",
        DcePktTooSmall "dce.pkt_too_small",
        ChdlcPktTooSmall "chdlc.pkt_too_small",
        NshHeaderTooSmall "nsh.header_too_small",
        NshUnsupportedVersion "nsh.unsupported_version",
        NshBadHeaderLength "nsh.bad_header_length",
        NshReservedType "nsh.reserved_type",
        NshUnsupportedType "nsh.unsupported_type",
        NshUnknownPayload "nsh.unknown_payload",
        ArpPktTooSmall "arp.pkt_too_small",
        ArpUnsupportedHardware "arp.unsupported_hardware",
        ArpUnsupportedProtocol "arp.unsupported_protocol",
        ArpInvalidPkt "arp.invalid_pkt",
        ArpInvalidHardwareSize "arp.invalid_hardware_size",
        ArpInvalidProtocolSize "arp.invalid_protocol_size",
        ArpUnsupportedOpcode "arp.unsupported_opcode",
        TooManyLayers "too_many_layers",
    ]
}

events! {
    /// What the TCP stream engine found.
    StreamEvent, STREAM_NAMES, DECODE_COUNT as u16, "stream.",
    [
        ThreeWhsAckInWrongDir "3whs_ack_in_wrong_dir",
        ThreeWhsAsyncWrongSeq "3whs_async_wrong_seq",
        ThreeWhsRightSeqWrongAckEvasion "3whs_right_seq_wrong_ack_evasion",
        ThreeWhsSynackInWrongDirection "3whs_synack_in_wrong_direction",
        ThreeWhsSynackResendWithDiffAck "3whs_synack_resend_with_diff_ack",
        ThreeWhsSynackResendWithDiffSeq "3whs_synack_resend_with_diff_seq",
        ThreeWhsSynackToserverOnSynRecv "3whs_synack_toserver_on_syn_recv",
        ThreeWhsSynackWithWrongAck "3whs_synack_with_wrong_ack",
        ThreeWhsSynackFlood "3whs_synack_flood",
        ThreeWhsSynResendDiffSeqOnSynRecv "3whs_syn_resend_diff_seq_on_syn_recv",
        ThreeWhsSynToclientOnSynRecv "3whs_syn_toclient_on_syn_recv",
        ThreeWhsSynFlood "3whs_syn_flood",
        ThreeWhsWrongSeqWrongAck "3whs_wrong_seq_wrong_ack",
        ThreeWhsAckDataInject "3whs_ack_data_inject",
        ThreeWhsSynackTfoDataIgnored "3whs_synack_tfo_data_ignored",
        FourWhsSynackWithWrongAck "4whs_synack_with_wrong_ack",
        FourWhsSynackWithWrongSyn "4whs_synack_with_wrong_syn",
        FourWhsWrongSeq "4whs_wrong_seq",
        FourWhsInvalidAck "4whs_invalid_ack",
        ClosewaitAckOutOfWindow "closewait_ack_out_of_window",
        ClosewaitFinOutOfWindow "closewait_fin_out_of_window",
        ClosewaitPktBeforeLastAck "closewait_pkt_before_last_ack",
        ClosewaitInvalidAck "closewait_invalid_ack",
        ClosingAckWrongSeq "closing_ack_wrong_seq",
        ClosingInvalidAck "closing_invalid_ack",
        EstPacketOutOfWindow "est_packet_out_of_window",
        EstPktBeforeLastAck "est_pkt_before_last_ack",
        EstSynackResend "est_synack_resend",
        EstSynackResendWithDiffAck "est_synack_resend_with_diff_ack",
        EstSynackResendWithDiffSeq "est_synack_resend_with_diff_seq",
        EstSynackToserver "est_synack_toserver",
        EstSynResend "est_syn_resend",
        EstSynResendDiffSeq "est_syn_resend_diff_seq",
        EstSynToclient "est_syn_toclient",
        EstInvalidAck "est_invalid_ack",
        EstAckZwpData "est_ack_zwp_data",
        FinInvalidAck "fin_invalid_ack",
        Fin1AckWrongSeq "fin1_ack_wrong_seq",
        Fin1FinWrongSeq "fin1_fin_wrong_seq",
        Fin1InvalidAck "fin1_invalid_ack",
        Fin2AckWrongSeq "fin2_ack_wrong_seq",
        Fin2FinWrongSeq "fin2_fin_wrong_seq",
        Fin2InvalidAck "fin2_invalid_ack",
        FinButNoSession "fin_but_no_session",
        FinOutOfWindow "fin_out_of_window",
        FinSyn "fin_syn",
        LastackAckWrongSeq "lastack_ack_wrong_seq",
        LastackInvalidAck "lastack_invalid_ack",
        RstButNoSession "rst_but_no_session",
        TimewaitAckWrongSeq "timewait_ack_wrong_seq",
        TimewaitInvalidAck "timewait_invalid_ack",
        ShutdownSynResend "shutdown_syn_resend",
        PktInvalidTimestamp "pkt_invalid_timestamp",
        PktInvalidAck "pkt_invalid_ack",
        PktBrokenAck "pkt_broken_ack",
        RstInvalidAck "rst_invalid_ack",
        RstWithData "rst_with_data",
        PktRetransmission "pkt_retransmission",
        PktSpuriousRetransmission "pkt_spurious_retransmission",
        PktBadWindowUpdate "pkt_bad_window_update",
        SuspectedRstInject "suspected_rst_inject",
        WrongThread "wrong_thread",
        ReassemblySegmentBeforeBaseSeq "reassembly_segment_before_base_seq",
        ReassemblyNoSegment "reassembly_no_segment",
        ReassemblySeqGap "reassembly_seq_gap",
        ReassemblyOverlapDifferentData "reassembly_overlap_different_data",
        ReassemblyDepthReached "reassembly_depth_reached",
        ReassemblyInsertMemcap "reassembly_insert_memcap",
        ReassemblyInsertLimit "reassembly_insert_limit",
        ReassemblyInsertInvalid "reassembly_insert_invalid",
        ReassemblyUrgentOobLimitReached "reassembly_urgent_oob_limit_reached",
    ]
}

/// Number of decoder events; their codes are 0 up to this.
pub const DECODE_COUNT: usize = DECODE_NAMES.len();

/// Number of stream events; their codes follow those of the decoder events.
pub const STREAM_COUNT: usize = STREAM_NAMES.len();

/// Number of events of both kinds.
pub const COUNT: usize = DECODE_COUNT + STREAM_COUNT;

/// Second names that rules may use, by kind.
const ALIASES: [(EventKind, &str, StreamEvent); 2] = [
    (
        EventKind::Stream,
        "3whs_synack_resend_with_different_ack",
        StreamEvent::ThreeWhsSynackResendWithDiffAck,
    ),
    (
        EventKind::Stream,
        "est_synack_resend_with_different_ack",
        StreamEvent::EstSynackResendWithDiffAck,
    ),
];

/// The event's full name as EVE writes it, such as `decoder.ipv4.pkt_too_small` or
/// `stream.3whs_syn_flood`; empty for a number that is no event.
pub const fn name(code: u16) -> &'static str {
    let at = code as usize;
    if at < DECODE_COUNT {
        DECODE_NAMES[at]
    } else if at < COUNT {
        STREAM_NAMES[at - DECODE_COUNT]
    } else {
        ""
    }
}

/// The event's name as rules write it: without `decoder.` or `stream.`.
pub fn rule_name(code: u16) -> &'static str {
    name(code).split_once('.').map_or("", |(_, rest)| rest)
}

/// The event that the rule keyword of `kind` means by `name`, compared without case.
pub fn by_rule_name(kind: EventKind, name: &str) -> Option<u16> {
    let alias = ALIASES
        .iter()
        .find(|(of, text, _)| *of == kind && text.eq_ignore_ascii_case(name))
        .map(|(_, _, event)| event.code());
    alias.or_else(|| {
        all().find(|&code| self::kind(code) == kind && rule_name(code).eq_ignore_ascii_case(name))
    })
}

/// Every event's number, decoder events first.
pub fn all() -> impl Iterator<Item = u16> {
    (0..COUNT).map(|code| code as u16)
}

/// True if `code` is a stream event's.
pub const fn is_stream(code: u16) -> bool {
    let at = code as usize;
    at >= DECODE_COUNT && at < COUNT
}

/// Whose event `code` is.
pub const fn kind(code: u16) -> EventKind {
    if is_stream(code) { EventKind::Stream } else { EventKind::Decode }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_without_case() {
        let mut seen = std::collections::HashSet::new();
        for code in all() {
            assert!(seen.insert(name(code)), "{} twice", name(code));
            let upper = rule_name(code).to_ascii_uppercase();
            assert_eq!(by_rule_name(kind(code), &upper), Some(code));
        }
    }

    #[test]
    fn numbers_and_names_agree() {
        let check = |code: u16, text: &str| assert_eq!(name(code), text);
        check(DecodeEvent::AfpacketTruncPkt.code(), "decoder.afpacket.trunc_pkt");
        check(DecodeEvent::TcpOptDuplicate.code(), "decoder.tcp.opt_duplicate");
        check(DecodeEvent::TooManyLayers.code(), "decoder.too_many_layers");
        check(StreamEvent::ThreeWhsAckInWrongDir.code(), "stream.3whs_ack_in_wrong_dir");
        check(
            StreamEvent::ReassemblyUrgentOobLimitReached.code(),
            "stream.reassembly_urgent_oob_limit_reached",
        );
        check(COUNT as u16, "");
    }

    #[test]
    fn kinds_do_not_mix_and_aliases_hold() {
        assert_eq!(by_rule_name(EventKind::Stream, "ipv4.trunc_pkt"), None);
        assert_eq!(by_rule_name(EventKind::Decode, "fin_syn"), None);
        assert_eq!(
            by_rule_name(EventKind::Stream, "EST_synack_resend_with_different_ack"),
            Some(StreamEvent::EstSynackResendWithDiffAck.code())
        );
    }
}
