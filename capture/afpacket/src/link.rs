//! The link type (as in capture files) of an interface's hardware type.

/// Hardware type of interfaces that hand out IP packets as they are (cellular modems).
const ARPHRD_RAWIP: u16 = 519;
/// GRE over IPv6.
const ARPHRD_IP6GRE: u16 = 823;

/// LINKTYPE_ETHERNET.
pub(crate) const ETHERNET: u16 = 1;
const RAW_IP: u16 = 101;
const CISCO_HDLC: u16 = 104;
const IEEE802_11: u16 = 105;
const IEEE802_11_PRISM: u16 = 119;
const IEEE802_11_RADIOTAP: u16 = 127;

/// The LINKTYPE number for a hardware type (ARPHRD). Point-to-point interfaces of Linux (PPP,
/// PPPoE) have already taken the PPP header off: like Suricata 8, take what is left as bare IP.
pub(crate) fn link_type(hardware_type: u16) -> Option<u16> {
    Some(match hardware_type {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => ETHERNET,
        libc::ARPHRD_NONE
        | ARPHRD_RAWIP
        | libc::ARPHRD_PPP
        | libc::ARPHRD_TUNNEL
        | libc::ARPHRD_TUNNEL6
        | libc::ARPHRD_SIT
        | libc::ARPHRD_IPGRE
        | ARPHRD_IP6GRE => RAW_IP,
        libc::ARPHRD_CISCO => CISCO_HDLC,
        libc::ARPHRD_IEEE80211 => IEEE802_11,
        libc::ARPHRD_IEEE80211_PRISM => IEEE802_11_PRISM,
        libc::ARPHRD_IEEE80211_RADIOTAP => IEEE802_11_RADIOTAP,
        _ => return None,
    })
}

/// Whether each frame is seen both as sent and as received.
pub(crate) fn is_loopback(hardware_type: u16) -> bool {
    hardware_type == libc::ARPHRD_LOOPBACK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_types_have_link_types() {
        let check = |hardware, link| assert_eq!(link_type(hardware), link, "{hardware}");
        check(1, Some(1));
        check(772, Some(1));
        check(0xfffe, Some(101));
        check(512, Some(101));
        check(513, Some(104));
        check(768, Some(101));
        check(803, Some(127));
        check(32, None);
        assert!(is_loopback(772) && !is_loopback(1));
    }
}
