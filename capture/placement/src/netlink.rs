//! Lists the links of this network namespace by rtnetlink: names, kinds, virtual functions.

use std::io;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;

const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_VFINFO_LIST: u16 = 22;
const IFLA_VF_MAC: u16 = 1;
const IFLA_VF_SPOOFCHK: u16 = 4;
const IFLA_VF_TRUST: u16 = 9;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_PROMISCUITY: u16 = 30;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
const RTEXT_FILTER_VF: u32 = 1;

/// `nlmsghdr` and `ifinfomsg`, both of 16 bytes, in front of a link's attributes.
const HEADER: usize = 16;
const LINK: usize = 16;
/// No list of links is longer; a host with more is asked no further.
const MOST_MESSAGES: usize = 65_536;

/// What rtnetlink says of a link beyond sysfs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) altnames: Vec<String>,
    pub(crate) kind: Option<String>,
    /// How many users, packet sockets among them, have made it promiscuous.
    pub(crate) promiscuity: u32,
    pub(crate) functions: Vec<VirtualFunction>,
}

/// What a physical function says of one of its virtual functions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct VirtualFunction {
    pub(crate) index: u32,
    pub(crate) trust: Option<bool>,
    pub(crate) spoof_check: Option<bool>,
}

/// All links of this network namespace.
pub(crate) fn links() -> io::Result<Vec<Link>> {
    let flags = SocketFlags::CLOEXEC;
    // No protocol is NETLINK_ROUTE, which is 0.
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    rustix::net::send(&socket, &request(), SendFlags::empty())?;
    let mut links = Vec::new();
    // A message of the kernel's is at most 32 KiB as long as the buffer is, see netlink(7).
    let mut buffer = vec![0_u8; 65_536];
    for _ in 0..MOST_MESSAGES {
        let (_, length) = rustix::net::recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        let messages = buffer.get(..length).ok_or(io::ErrorKind::InvalidData)?;
        if read_messages(messages, &mut links)? {
            return Ok(links);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

fn request() -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + LINK + 8);
    let length = u32::try_from(HEADER + LINK + 8).unwrap_or(0);
    message.extend(length.to_ne_bytes());
    message.extend(RTM_GETLINK.to_ne_bytes());
    message.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    message.extend([0; 8]); // sequence number and port
    message.extend([0; LINK]); // any family, any link
    message.extend(8_u16.to_ne_bytes());
    message.extend(IFLA_EXT_MASK.to_ne_bytes());
    message.extend(RTEXT_FILTER_VF.to_ne_bytes());
    message
}

/// Reads a datagram's messages; says whether the list ended.
fn read_messages(mut bytes: &[u8], links: &mut Vec<Link>) -> io::Result<bool> {
    while let (Some(length), Some(kind)) = (u32_at(bytes, 0), u16_at(bytes, 4)) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let message = bytes.get(HEADER..length).ok_or(io::ErrorKind::InvalidData)?;
        match kind {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => {
                let code = u32_at(message, 0).unwrap_or(0).cast_signed();
                return Err(io::Error::from_raw_os_error(code.saturating_neg()));
            }
            RTM_NEWLINK => {
                if let Some(attributes) = message.get(LINK..) {
                    links.push(link(attributes));
                }
            }
            _ => {}
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

fn link(attributes: &[u8]) -> Link {
    let mut link = Link::default();
    for (kind, value) in Attributes(attributes) {
        match kind {
            IFLA_IFNAME => link.name = text(value),
            IFLA_PROMISCUITY => link.promiscuity = u32_at(value, 0).unwrap_or(0),
            IFLA_LINKINFO => {
                link.kind = Attributes(value)
                    .find(|(kind, _)| *kind == IFLA_INFO_KIND)
                    .map(|(_, value)| text(value));
            }
            IFLA_PROP_LIST => {
                let names = Attributes(value).filter(|(kind, _)| *kind == IFLA_ALT_IFNAME);
                link.altnames = names.map(|(_, value)| text(value)).collect();
            }
            IFLA_VFINFO_LIST => {
                link.functions =
                    Attributes(value).map(|(_, value)| virtual_function(value)).collect();
            }
            _ => {}
        }
    }
    link
}

/// Each attribute of a virtual function starts with its number; settings follow as a word, of
/// which all ones says that the driver has no such setting.
fn virtual_function(attributes: &[u8]) -> VirtualFunction {
    let mut function = VirtualFunction::default();
    for (kind, value) in Attributes(attributes) {
        let setting = u32_at(value, 4).filter(|word| *word != u32::MAX).map(|word| word != 0);
        match kind {
            IFLA_VF_MAC => function.index = u32_at(value, 0).unwrap_or(0),
            IFLA_VF_SPOOFCHK => function.spoof_check = setting,
            IFLA_VF_TRUST => function.trust = setting,
            _ => {}
        }
    }
    function
}

/// The attributes of a message: length and kind of 16 bits, value, padding to 4 bytes.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16_at(self.0, 0)?);
        // The two high bits are flags (nested, byte order).
        let kind = u16_at(self.0, 2)? & 0x3fff;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + 4).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + body.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes
    }

    fn word_of(function: u32, setting: u32) -> Vec<u8> {
        [function.to_ne_bytes(), setting.to_ne_bytes()].concat()
    }

    #[test]
    fn a_link_with_names_and_functions_is_read() {
        let functions: Vec<u8> = [(0, 1, 0), (1, 0, u32::MAX)]
            .iter()
            .flat_map(|(index, spoof, trust)| {
                let function = [
                    attribute(IFLA_VF_MAC, &[word_of(*index, 0), vec![0; 28]].concat()),
                    attribute(IFLA_VF_SPOOFCHK, &word_of(*index, *spoof)),
                    attribute(IFLA_VF_TRUST, &word_of(*index, *trust)),
                ];
                attribute(1, &function.concat())
            })
            .collect();
        let body = [
            vec![0; LINK],
            attribute(IFLA_IFNAME, b"ens1f0\0"),
            attribute(IFLA_PROMISCUITY, &2_u32.to_ne_bytes()),
            attribute(IFLA_PROP_LIST | 0x8000, &attribute(IFLA_ALT_IFNAME, b"enp129s0f0\0")),
            attribute(IFLA_LINKINFO, &attribute(IFLA_INFO_KIND, b"veth")),
            attribute(IFLA_VFINFO_LIST, &functions),
        ]
        .concat();
        let datagram = [message(RTM_NEWLINK, &body), message(NLMSG_DONE, &[0; 4])].concat();
        let mut links = Vec::new();
        assert!(read_messages(&datagram, &mut links).unwrap());
        let function = |index, spoof_check, trust| VirtualFunction { index, trust, spoof_check };
        let expected = Link {
            name: "ens1f0".into(),
            altnames: vec!["enp129s0f0".into()],
            kind: Some("veth".into()),
            promiscuity: 2,
            functions: vec![function(0, Some(true), Some(false)), function(1, Some(false), None)],
        };
        assert_eq!(links, [expected]);
        // Cut anywhere, it is an error or a shorter list, and no more.
        for length in 0..datagram.len() {
            let _ = read_messages(&datagram[..length], &mut Vec::new());
        }
    }

    #[test]
    fn an_error_is_passed_on() {
        let datagram = message(NLMSG_ERROR, &(-1_i32).to_ne_bytes());
        let error = read_messages(&datagram, &mut Vec::new()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(1));
    }

    #[test]
    fn the_loopback_link_is_listed() {
        match links() {
            Ok(links) => assert!(links.iter().any(|link| link.name == "lo"), "{links:?}"),
            Err(error) => eprintln!("skipped: no rtnetlink here: {error}"),
        }
    }
}
