//! Walks DER (X.690): headers, elements and containers, with the reason when it can't go on.

/// Tag numbers of the universal class that certificates use.
pub(super) mod tag {
    pub(crate) const BOOLEAN: u32 = 1;
    pub(crate) const INTEGER: u32 = 2;
    pub(crate) const BIT_STRING: u32 = 3;
    pub(crate) const OCTET_STRING: u32 = 4;
    pub(crate) const SEQUENCE: u32 = 16;
    pub(crate) const SET: u32 = 17;
    pub(crate) const UTC_TIME: u32 = 23;
    pub(crate) const GENERALIZED_TIME: u32 = 24;
    pub(crate) const BMP_STRING: u32 = 30;
}

/// Class bits of the context-specific class.
pub(super) const CONTEXT: u8 = 2;

/// Why a certificate can't be read; each has its protocol event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A header or a primitive element ends before its time.
    Incomplete,
    /// Not DER, or another type than expected.
    Der,
    /// A container holds less than it says, or parts are left over.
    Structure,
    /// The version.
    Version,
    /// The serial number.
    Serial,
    /// An algorithm identifier.
    Algorithm,
    /// A date.
    Date,
    /// The extensions.
    Extensions,
}

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    /// Class: 0 universal, 2 context-specific.
    pub(super) class: u8,
    /// Tag number.
    pub(super) tag: u32,
    /// Holds no other elements.
    pub(super) primitive: bool,
    /// The content.
    pub(super) content: &'a [u8],
}

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

struct Header {
    class: u8,
    primitive: bool,
    tag: u32,
    length: usize,
}

impl<'a> Reader<'a> {
    /// At the start of `bytes`.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// True when nothing is left.
    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element, whatever it is.
    pub(super) fn element(&mut self) -> Result<Element<'a>, Fault> {
        let mut ahead = *self;
        let header = ahead.header()?;
        let content = ahead.take(header.length).ok_or(Fault::Incomplete)?;
        *self = ahead;
        let Header { class, tag, primitive, .. } = header;
        Ok(Element { class, tag, primitive, content })
    }

    /// The content of the next element, which has this tag.
    pub(super) fn expect(&mut self, tag: u32) -> Result<&'a [u8], Fault> {
        let mut ahead = *self;
        let element = ahead.element()?;
        if element.tag != tag {
            return Err(Fault::Der);
        }
        *self = ahead;
        Ok(element.content)
    }

    /// The content of an OBJECT IDENTIFIER. As in Suricata 8 its tag is not looked at.
    pub(super) fn object_id(&mut self) -> Result<&'a [u8], Fault> {
        let element = self.element()?;
        if element.primitive { Ok(element.content) } else { Err(Fault::Der) }
    }

    /// Passes over a BIT STRING, whose unused bits have to be zero (X.690, 11.2.1).
    pub(super) fn bit_string(&mut self) -> Result<(), Fault> {
        let element = self.element()?;
        let valid = match element.content {
            [] => false,
            [unused] => *unused == 0,
            [unused @ 0..8, .., last] => u32::from(*unused) <= last.trailing_zeros(),
            _ => false,
        };
        let valid = valid && element.primitive && element.tag == tag::BIT_STRING;
        if valid { Ok(()) } else { Err(Fault::Der) }
    }

    /// Goes into the next element, a container with this tag.
    pub(super) fn enter(&mut self, tag: u32) -> Result<Self, Fault> {
        let mut ahead = *self;
        let header = ahead.header()?;
        let content = ahead.take(header.length).ok_or(Fault::Structure)?;
        if header.tag != tag {
            return Err(Fault::Der);
        }
        *self = ahead;
        Ok(Self::new(content))
    }

    /// The tag and class of the next element, without reading on.
    pub(super) fn peek(&self) -> Result<(u8, u32), Fault> {
        let header = Self { rest: self.rest }.header()?;
        Ok((header.class, header.tag))
    }

    /// Reads a header only, leaving its content to be read next.
    pub(super) fn skip_header(&mut self) -> Result<(), Fault> {
        self.header().map(|_| ())
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (content, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(content)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        let (&first, rest) = self.rest.split_first().ok_or(Fault::Incomplete)?;
        self.rest = rest;
        Ok(first)
    }

    fn header(&mut self) -> Result<Header, Fault> {
        let first = self.byte()?;
        let tag = match u32::from(first & 0x1f) {
            0x1f => self.long_tag()?,
            tag => tag,
        };
        let length = match self.byte()? {
            short if short < 0x80 => usize::from(short),
            // The indefinite form is BER only (X.690, 10.1); 0xff is reserved (8.1.3.5).
            0x80 | 0xff => return Err(Fault::Der),
            long => {
                let bytes = self.take(usize::from(long & 0x7f)).ok_or(Fault::Incomplete)?;
                let mut length = 0usize;
                for &byte in bytes {
                    length = length.checked_mul(256).ok_or(Fault::Der)?;
                    length |= usize::from(byte);
                }
                length
            }
        };
        Ok(Header { class: first >> 6, primitive: first & 0x20 == 0, tag, length })
    }

    fn long_tag(&mut self) -> Result<u32, Fault> {
        let mut tag = 0u32;
        for _ in 0..5 {
            let byte = self.byte()?;
            tag = (tag << 7) | u32::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Ok(tag);
            }
        }
        Err(Fault::Der)
    }
}

/// Writes the content of an OBJECT IDENTIFIER in dotted form. The first byte stands for two arcs
/// (X.690, 8.19.4), always one byte as in Suricata 8.
pub(super) fn write_object_id(content: &[u8], out: &mut String) {
    use std::fmt::Write as _;
    let Some((first, rest)) = content.split_first() else {
        return;
    };
    // Writing to a string can't fail.
    let _ = write!(out, "{}.{}", first / 40, first % 40);
    let mut arc = 0u64;
    let mut open = false;
    for &byte in rest {
        arc = (arc << 7) | u64::from(byte & 0x7f);
        open = byte & 0x80 != 0;
        if !open {
            let _ = write!(out, ".{arc}");
            arc = 0;
        }
    }
    if open {
        let _ = write!(out, ".{arc}");
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Reader, tag, write_object_id};

    #[test]
    fn reads_elements_or_tells_why_not() {
        type Case<'a> = (&'a [u8], Result<(u32, usize), Fault>);
        let cases: &[Case<'_>] = &[
            (b"\x02\x01\x05", Ok((2, 1))),
            (b"\x02\x81\x01\x05", Ok((2, 1))),
            (b"\x02\x83\x00\x00\x01\x05", Ok((2, 1))),
            (b"\x1f\x81\x01\x00", Ok((129, 0))),
            (b"", Err(Fault::Incomplete)),
            (b"\x02", Err(Fault::Incomplete)),
            (b"\x02\x02\x05", Err(Fault::Incomplete)),
            (b"\x02\x84\xff\xff", Err(Fault::Incomplete)),
            (b"\x30\x80\x00\x00", Err(Fault::Der)),
            (b"\x30\xff\x00\x00", Err(Fault::Der)),
            (b"\x30\x89\xff\xff\xff\xff\xff\xff\xff\xff\xff", Err(Fault::Der)),
            (b"\x1f\xff\xff\xff\xff\xff\xff", Err(Fault::Der)),
        ];
        for (bytes, want) in cases {
            let got = Reader::new(bytes).element().map(|e| (e.tag, e.content.len()));
            assert_eq!(got, *want, "{bytes:02x?}");
        }
    }

    #[test]
    fn containers_that_promise_too_much_are_another_fault() {
        assert_eq!(Reader::new(b"\x30\x05\x00").enter(tag::SEQUENCE).err(), Some(Fault::Structure));
        assert_eq!(Reader::new(b"\x31\x00").enter(tag::SEQUENCE).err(), Some(Fault::Der));
        assert_eq!(Reader::new(b"\x31\x82\x00").enter(tag::SET).err(), Some(Fault::Incomplete));
    }

    #[test]
    fn bit_strings_end_in_zeros() {
        for (bytes, want) in [
            (&b"\x03\x02\x00\xff"[..], Ok(())),
            (b"\x03\x02\x03\xf8", Ok(())),
            (b"\x03\x01\x00", Ok(())),
            (b"\x03\x02\x04\xf8", Err(Fault::Der)),
            (b"\x03\x02\x08\x00", Err(Fault::Der)),
            (b"\x03\x01\x01", Err(Fault::Der)),
            (b"\x03\x00", Err(Fault::Der)),
            (b"\x23\x02\x00\xff", Err(Fault::Der)),
            (b"\x04\x02\x00\xff", Err(Fault::Der)),
            (b"\x03\x05\x00", Err(Fault::Incomplete)),
        ] {
            assert_eq!(Reader::new(bytes).bit_string(), want, "{bytes:02x?}");
        }
    }

    #[test]
    fn object_identifiers_are_dotted() {
        for (content, want) in [
            (&b"\x55\x04\x03"[..], "2.5.4.3"),
            (b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", "1.2.840.113549.1.9.1"),
            (b"\x88\x37", "3.16.55"),
            (b"\x2a\x03\xf8", "1.2.3.120"),
            (b"", ""),
        ] {
            let mut text = String::new();
            write_object_id(content, &mut text);
            assert_eq!(text, want);
        }
    }
}
