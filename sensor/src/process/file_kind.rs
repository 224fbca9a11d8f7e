//! What a file is by its first bytes, where text was expected.

/// A kind of file that is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// Packets: pcap or pcapng.
    Capture,
    /// Compressed, by this.
    Compressed(&'static str),
}

/// First bytes: pcap in both byte orders and both resolutions, as Kuznetzov's, and pcapng; gzip
/// (RFC 1952), zstd (RFC 8878), lz4.
const KINDS: [(&[u8], FileKind); 10] = [
    (&[0xa1, 0xb2, 0xc3, 0xd4], FileKind::Capture),
    (&[0xd4, 0xc3, 0xb2, 0xa1], FileKind::Capture),
    (&[0xa1, 0xb2, 0x3c, 0x4d], FileKind::Capture),
    (&[0x4d, 0x3c, 0xb2, 0xa1], FileKind::Capture),
    (&[0xa1, 0xb2, 0xcd, 0x34], FileKind::Capture),
    (&[0x34, 0xcd, 0xb2, 0xa1], FileKind::Capture),
    (&[0x0a, 0x0d, 0x0d, 0x0a], FileKind::Capture),
    (&[0x1f, 0x8b], FileKind::Compressed("gzip")),
    (&[0x28, 0xb5, 0x2f, 0xfd], FileKind::Compressed("zstd")),
    (&[0x04, 0x22, 0x4d, 0x18], FileKind::Compressed("lz4")),
];

impl FileKind {
    /// By its first bytes; none: it may be text.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let found = KINDS.iter().find(|(first, _)| bytes.starts_with(first));
        found.map(|(_, kind)| *kind)
    }

    /// What is said of such a file that was given as one of rules.
    pub(crate) fn advice(self, name: &str) -> String {
        match self {
            Self::Capture => format!(
                "this is a capture, not a file of rules; to inspect it: `bateleur replay {name}`"
            ),
            Self::Compressed(by) => format!(
                "this is compressed by {by}; rules are read as plain text: unpack it first. To \
                 inspect a compressed capture: `bateleur replay {name}`"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_the_first_bytes() {
        let check = |bytes: &[u8], expected: Option<FileKind>| {
            assert_eq!(FileKind::of(bytes), expected, "{bytes:?}");
        };
        check(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0], Some(FileKind::Capture));
        check(&[0x0a, 0x0d, 0x0d, 0x0a, 28], Some(FileKind::Capture));
        check(&[0x1f, 0x8b, 8], Some(FileKind::Compressed("gzip")));
        check(&[0x28, 0xb5, 0x2f, 0xfd], Some(FileKind::Compressed("zstd")));
        check(b"alert tcp any any -> any any (sid:1;)", None);
        check(b"", None);
        check(&[0x0a, 0x0d], None);
    }
}
