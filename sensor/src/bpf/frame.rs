//! Where the layers of a frame begin, and loads from it.

const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// A load from beyond the end of the frame: as in BPF, the frame is refused then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short;

/// Headers that the words before a test said were there (`vlan`, `mpls`, `pppoes`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layers {
    /// Number of VLAN tags.
    pub(super) vlans: u8,
    /// A PPPoE session header.
    pub(super) pppoe: bool,
    /// Number of MPLS labels.
    pub(super) labels: u8,
}

/// A frame as a filter sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) link_type: u16,
    pub(super) bytes: &'a [u8],
    pub(super) wire_len: u32,
}

impl Frame<'_> {
    /// Big-endian number of 1, 2 or 4 bytes.
    pub(super) fn load(&self, at: usize, size: usize) -> Result<u32, Short> {
        let end = at.checked_add(size).ok_or(Short)?;
        let bytes = self.bytes.get(at..end).ok_or(Short)?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// Six bytes, a hardware address.
    pub(super) fn hardware(&self, at: usize) -> Result<[u8; 6], Short> {
        self.bytes.get(at..).and_then(|bytes| bytes.first_chunk()).copied().ok_or(Short)
    }

    /// Sixteen bytes, an IPv6 address.
    pub(super) fn address6(&self, at: usize) -> Result<u128, Short> {
        let bytes = self.bytes.get(at..).and_then(|bytes| bytes.first_chunk()).ok_or(Short)?;
        Ok(u128::from_be_bytes(*bytes))
    }

    pub(super) fn is_ethernet(&self) -> bool {
        self.link_type == 1
    }

    /// Where the payload of the link layer starts: labels, or the network header.
    pub(super) fn payload(&self, layers: Layers) -> usize {
        let link = match self.link_type {
            1 => 14,
            0 | 108 | 104 => 4,
            113 => 16,
            276 => 20,
            9 => 2 + self.hdlc(),
            _ => 0,
        };
        link + 4 * usize::from(layers.vlans) + if layers.pppoe { 8 } else { 0 }
    }

    /// Where the network header starts.
    pub(super) fn network(&self, layers: Layers) -> usize {
        self.payload(layers) + 4 * usize::from(layers.labels)
    }

    /// Whether the EtherType is this one.
    pub(super) fn is_type(&self, layers: Layers, wanted: u16) -> Result<bool, Short> {
        if layers.labels > 0 {
            return self.is_type_under_labels(layers, wanted);
        }
        Ok(self.ether_type(layers)? == Some(wanted))
    }

    /// Whether a VLAN tag comes next.
    pub(super) fn is_vlan(&self, layers: Layers) -> Result<bool, Short> {
        Ok(self.ether_type(layers)?.is_some_and(|kind| VLAN.contains(&kind)))
    }

    /// Whether the label before this place is the last of the stack.
    pub(super) fn is_last_label(&self, layers: Layers) -> Result<bool, Short> {
        let before = self.network(layers).checked_sub(2).ok_or(Short)?;
        Ok(self.load(before, 1)? & 1 != 0)
    }

    /// Labels do not say what follows them: the version nibble has to.
    fn is_type_under_labels(&self, layers: Layers, wanted: u16) -> Result<bool, Short> {
        let version = match wanted {
            0x0800 => 4,
            0x86dd => 6,
            _ => return Ok(false),
        };
        Ok(self.is_last_label(layers)? && self.load(self.network(layers), 1)? >> 4 == version)
    }

    fn ether_type(&self, layers: Layers) -> Result<Option<u16>, Short> {
        let shift = 4 * usize::from(layers.vlans);
        if layers.pppoe {
            let before = self.payload(layers).checked_sub(2).ok_or(Short)?;
            return Ok(ppp(self.load(before, 2)?));
        }
        let at = match self.link_type {
            1 => 12,
            113 => 14,
            276 => 0,
            104 => 2,
            9 => return Ok(ppp(self.load(self.hdlc(), 2)?)),
            0 | 108 | 101 | 228 | 229 | 12 | 14 | 778 => {
                let version = self.load(self.payload(layers), 1)? >> 4;
                return Ok(match version {
                    4 => Some(0x0800),
                    6 => Some(0x86dd),
                    _ => None,
                });
            }
            _ => return Ok(None),
        };
        Ok(u16::try_from(self.load(at + shift, 2)?).ok())
    }

    /// PPP comes with the HDLC address and control bytes or without.
    fn hdlc(&self) -> usize {
        if self.bytes.starts_with(&[0xff, 0x03]) { 2 } else { 0 }
    }
}

fn ppp(protocol: u32) -> Option<u16> {
    match protocol {
        0x0021 => Some(0x0800),
        0x0057 => Some(0x86dd),
        0x0281 => Some(0x8847),
        0x0283 => Some(0x8848),
        _ => None,
    }
}
