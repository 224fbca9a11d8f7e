//! Link types and their names.

/// What a frame begins with: a number of the LINKTYPE_ registry of pcap files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: the address family in the byte order of the writer.
    pub const NULL: LinkType = LinkType(0);
    /// Ethernet.
    pub const ETHERNET: LinkType = LinkType(1);
    /// PPP, with or without HDLC framing.
    pub const PPP: LinkType = LinkType(9);
    /// An IPv4 or IPv6 packet, told apart by its first four bits.
    pub const RAW: LinkType = LinkType(101);
    /// Cisco HDLC.
    pub const CHDLC: LinkType = LinkType(104);
    /// OpenBSD loopback: the address family in network byte order.
    pub const LOOP: LinkType = LinkType(108);
    /// Linux cooked capture, first version.
    pub const LINUX_SLL: LinkType = LinkType(113);
    /// An IPv4 packet.
    pub const IPV4: LinkType = LinkType(228);
    /// An IPv6 packet.
    pub const IPV6: LinkType = LinkType(229);
    /// Linux cooked capture, second version.
    pub const LINUX_SLL2: LinkType = LinkType(276);
    /// An IPv4 or IPv6 packet taken out of GRE.
    pub const GRE_OVER_IP: LinkType = LinkType(778);

    /// The link type that a file's header states.
    ///
    /// Systems disagree about the number of raw IP: files written with the DLT_ value of Linux
    /// and FreeBSD (12) or of OpenBSD (14) mean the same as LINKTYPE_RAW.
    pub fn from_file(number: u16) -> LinkType {
        match number {
            12 | 14 => LinkType::RAW,
            other => LinkType(other),
        }
    }

    /// The name that libpcap and `packet_info.linktype_name` give to this type, "n/a" if none.
    pub fn name(self) -> &'static str {
        NAMES
            .binary_search_by_key(&self.0, |(number, _)| *number)
            .ok()
            .and_then(|index| NAMES.get(index))
            .map_or("n/a", |(_, name)| name)
    }
}

/// Sorted by number.
const NAMES: &[(u16, &str)] = &[
    (0, "NULL"),
    (1, "EN10MB"),
    (3, "AX25"),
    (6, "IEEE802"),
    (7, "ARCNET"),
    (8, "SLIP"),
    (9, "PPP"),
    (10, "FDDI"),
    (50, "PPP_SERIAL"),
    (51, "PPP_ETHER"),
    (99, "SYMANTEC_FIREWALL"),
    (100, "ATM_RFC1483"),
    (101, "RAW"),
    (104, "C_HDLC"),
    (105, "IEEE802_11"),
    (107, "FRELAY"),
    (108, "LOOP"),
    (113, "LINUX_SLL"),
    (114, "LTALK"),
    (117, "PFLOG"),
    (119, "PRISM_HEADER"),
    (122, "IP_OVER_FC"),
    (123, "SUNATM"),
    (127, "IEEE802_11_RADIO"),
    (129, "ARCNET_LINUX"),
    (138, "APPLE_IP_OVER_IEEE1394"),
    (139, "MTP2_WITH_PHDR"),
    (140, "MTP2"),
    (141, "MTP3"),
    (142, "SCCP"),
    (143, "DOCSIS"),
    (144, "LINUX_IRDA"),
    (163, "IEEE802_11_RADIO_AVS"),
    (166, "PPP_PPPD"),
    (187, "BLUETOOTH_HCI_H4"),
    (189, "USB_LINUX"),
    (192, "PPI"),
    (195, "IEEE802_15_4_WITHFCS"),
    (201, "BLUETOOTH_HCI_H4_WITH_PHDR"),
    (204, "PPP_WITH_DIR"),
    (205, "C_HDLC_WITH_DIR"),
    (206, "FRELAY_WITH_DIR"),
    (215, "IEEE802_15_4_NONASK_PHY"),
    (220, "USB_LINUX_MMAPPED"),
    (224, "FC_2"),
    (225, "FC_2_WITH_FRAME_DELIMS"),
    (226, "IPNET"),
    (227, "CAN_SOCKETCAN"),
    (228, "IPV4"),
    (229, "IPV6"),
    (230, "IEEE802_15_4_NOFCS"),
    (231, "DBUS"),
    (235, "DVB_CI"),
    (236, "MUX27010"),
    (237, "STANAG_5066_D_PDU"),
    (239, "NFLOG"),
    (240, "NETANALYZER"),
    (241, "NETANALYZER_TRANSPARENT"),
    (242, "IPOIB"),
    (243, "MPEG_2_TS"),
    (244, "NG40"),
    (245, "NFC_LLCP"),
    (247, "INFINIBAND"),
    (248, "SCTP"),
    (249, "USBPCAP"),
    (251, "BLUETOOTH_LE_LL"),
    (253, "NETLINK"),
    (254, "BLUETOOTH_LINUX_MONITOR"),
    (258, "PKTAP"),
    (259, "EPON"),
    (271, "VSOCK"),
    (272, "NORDIC_BLE"),
    (274, "ETHERNET_MPACKET"),
    (276, "LINUX_SLL2"),
    (278, "OPENVIZSLA"),
    (281, "IEEE802_15_4_TAP"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (link, name) in [
            (LinkType::ETHERNET, "EN10MB"),
            (LinkType::NULL, "NULL"),
            (LinkType::RAW, "RAW"),
            (LinkType::PPP, "PPP"),
            (LinkType::CHDLC, "C_HDLC"),
            (LinkType::LOOP, "LOOP"),
            (LinkType::LINUX_SLL, "LINUX_SLL"),
            (LinkType::LINUX_SLL2, "LINUX_SLL2"),
            (LinkType::IPV4, "IPV4"),
            (LinkType::IPV6, "IPV6"),
            (LinkType::GRE_OVER_IP, "n/a"),
            (LinkType(65535), "n/a"),
        ] {
            assert_eq!(link.name(), name, "{link:?}");
        }
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn raw_has_three_numbers() {
        for number in [12, 14, 101] {
            assert_eq!(LinkType::from_file(number), LinkType::RAW);
        }
        assert_eq!(LinkType::from_file(113), LinkType::LINUX_SLL);
    }
}
