//! The identifiers of the VLANs that a packet belongs to.

/// VLAN identifiers from the outermost inwards, as many as Suricata 8 keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tags {
    ids: [u16; Self::LIMIT],
    count: u8,
}

impl Tags {
    /// How many tags are understood, and kept.
    pub const LIMIT: usize = 3;

    /// The first identifiers of `ids`, from the outermost inwards.
    pub fn new(ids: &[u16]) -> Self {
        let mut tags = Self::default();
        ids.iter().for_each(|&id| tags.push(id));
        tags
    }

    /// The identifiers, from the outermost inwards.
    pub fn ids(&self) -> &[u16] {
        self.ids.get(..usize::from(self.count)).unwrap_or(&[])
    }

    /// Adds the identifier of a tag control field; none more than there is room for.
    pub(crate) fn push(&mut self, control: u16) {
        if let Some(id) = self.ids.get_mut(usize::from(self.count)) {
            *id = control & 0x0fff;
            self.count += 1;
        }
    }

    /// All places, 0 where there is no tag.
    #[cfg(feature = "xdp")]
    pub(crate) const fn padded(&self) -> [u16; Self::LIMIT] {
        self.ids
    }
}
