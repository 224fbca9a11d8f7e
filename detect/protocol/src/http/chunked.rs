//! Reads chunk-size lines with the leniency of Suricata 8.

use memchr::{memchr, memrchr};

use super::text::hex;

/// Largest size of a chunk.
pub(crate) const LARGEST: u64 = 0x7fff_ffff;

/// What stands where a chunk-size line should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SizeLine {
    /// That can't be told yet.
    More,
    /// A size.
    Size {
        /// Length of the line.
        len: usize,
        /// The size.
        size: u64,
        /// The rest of the line has a `;`.
        extension: bool,
    },
    /// Blank lines, so long together.
    Blank(usize),
    /// A line without a size, so long.
    NoSize(usize),
    /// What is there can't become a size, whatever follows.
    Hopeless,
}

/// Bytes that are passed over before a size.
const fn is_skipped(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | b' ' | b'\t' | 0x0b | 0x0c)
}

/// Reads the line at the start of `data`.
pub(crate) fn size_line(data: &[u8]) -> SizeLine {
    let blank = data.iter().take_while(|&&b| is_skipped(b)).count();
    let rest = data.get(blank..).unwrap_or(&[]);
    let digits = rest.iter().take_while(|&&b| hex(b).is_some()).count();
    if let Some(lf) = memrchr(b'\n', data.get(..blank).unwrap_or(&[])) {
        return SizeLine::Blank(lf + 1);
    }
    let Some(lf) = memchr(b'\n', rest) else {
        let hopeless = digits == 0 && !rest.is_empty();
        return if hopeless { SizeLine::Hopeless } else { SizeLine::More };
    };
    let len = blank + lf + 1;
    let text = rest.get(..digits).unwrap_or(&[]);
    let size = text.iter().try_fold(0u64, |size, &b| {
        let digit = u64::from(hex(b)?);
        (size >> 60 == 0).then_some(size << 4 | digit)
    });
    match size {
        Some(size) if digits > 0 => {
            let tail = rest.get(digits..lf).unwrap_or(&[]);
            SizeLine::Size { len, size, extension: memchr(b';', tail).is_some() }
        }
        _ => SizeLine::NoSize(len),
    }
}

#[cfg(test)]
mod tests {
    use super::{SizeLine, size_line};

    fn check(data: &str, want: SizeLine) {
        assert_eq!(size_line(data.as_bytes()), want, "{data:?}");
    }

    #[test]
    fn lines() {
        let size = |len, size| SizeLine::Size { len, size, extension: false };
        check("44\r\nxx", size(4, 0x44));
        check("\r\n \t44\n", SizeLine::Blank(2));
        check(" \t44\n", size(5, 0x44));
        check("44 x\r\n", size(6, 0x44));
        check("44,\r\n", size(5, 0x44));
        check("5;a=b\r\n", SizeLine::Size { len: 7, size: 5, extension: true });
        check("0\r\n", size(3, 0));
        check("ffffffffffff\r\n", size(14, 0xffff_ffff_ffff));
        check("11112222333344445\r\n", SizeLine::NoSize(19));
        check("xyz\r\n", SizeLine::NoSize(5));
        check("xyz", SizeLine::Hopeless);
        check("4", SizeLine::More);
        check("", SizeLine::More);
        check("\r\n", SizeLine::Blank(2));
        check("\r\n\n ", SizeLine::Blank(3));
        check("12zz", SizeLine::More);
    }
}
