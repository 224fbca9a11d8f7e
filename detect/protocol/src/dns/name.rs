//! Domain names on the wire (RFC 1035, 3.1 and 4.1.4): labels and pointers.
//!
//! Suricata 8 is followed where it is lenient: a name may end with the data, a loop or too many
//! labels behind a pointer cut the name instead of refusing the message.

use smallvec::SmallVec;

/// Longest name that is kept.
pub(crate) const NAME_LIMIT: usize = 1025;

/// Labels and pointers of one name.
const LABEL_LIMIT: u32 = 255;

/// Takes the text of a name.
pub(crate) trait Sink {
    /// Appends a part.
    fn put(&mut self, part: &[u8]);
    /// Cuts off what is over.
    fn cut(&mut self, len: usize);
}

/// Names that are only measured.
impl Sink for () {
    fn put(&mut self, _: &[u8]) {}
    fn cut(&mut self, _: usize) {}
}

impl Sink for Vec<u8> {
    fn put(&mut self, part: &[u8]) {
        self.extend_from_slice(part);
    }
    fn cut(&mut self, len: usize) {
        self.truncate(len);
    }
}

/// A name in memory that is mostly on the stack.
pub(crate) type NameText = SmallVec<[u8; 256]>;

impl Sink for NameText {
    fn put(&mut self, part: &[u8]) {
        self.extend_from_slice(part);
    }
    fn cut(&mut self, len: usize) {
        self.truncate(len);
    }
}

/// What reading a name showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NameRead {
    /// Place behind the name.
    pub(crate) next: usize,
    /// Length of the text.
    pub(crate) len: usize,
    /// The text was cut.
    pub(crate) truncated: bool,
    /// A pointer that points at itself ended it.
    pub(crate) looped: bool,
    /// Too many labels ended it.
    pub(crate) too_many: bool,
}

/// Reads the name at `start` of a message; its labels must lie before `end` until a pointer is
/// followed. `budget` counts labels and pointers of the whole message down, so that a message
/// can't be made expensive; none: the name can't be read.
pub(crate) fn read(
    message: &[u8],
    start: usize,
    end: usize,
    budget: &mut u32,
    out: &mut impl Sink,
) -> Option<NameRead> {
    let mut read = NameRead::default();
    let (mut pos, mut end) = (start, end.min(message.len()));
    let mut behind_pointer = None;
    let mut count = 0;
    loop {
        *budget = budget.checked_sub(1)?;
        if pos >= end {
            break;
        }
        let first = usize::from(*message.get(pos)?);
        match first >> 6 {
            0 if first == 0 => {
                pos += 1;
                break;
            }
            0 => {
                let label = message.get(pos + 1..pos + 1 + first).filter(|_| pos + first < end)?;
                append(&mut read, label, out);
                pos += 1 + first;
            }
            3 => {
                let low = *message.get(pos + 1).filter(|_| pos + 1 < end)?;
                let target = (first & 0x3f) << 8 | usize::from(low);
                if target > message.len() {
                    return None;
                }
                if target == pos && end == message.len() {
                    read.looped = true;
                    behind_pointer?;
                    break;
                }
                behind_pointer.get_or_insert(pos + 2);
                (pos, end) = (target, message.len());
            }
            _ => return None,
        }
        count += 1;
        if count > LABEL_LIMIT {
            read.too_many = true;
            read.truncated = true;
            behind_pointer?;
            break;
        }
    }
    read.next = behind_pointer.unwrap_or(pos);
    Some(read)
}

fn append(read: &mut NameRead, label: &[u8], out: &mut impl Sink) {
    if read.truncated {
        return;
    }
    if read.len > 0 {
        out.put(b".");
        read.len += 1;
    }
    out.put(label);
    read.len += label.len();
    if read.len > NAME_LIMIT {
        out.cut(NAME_LIMIT);
        read.len = NAME_LIMIT;
        read.truncated = true;
    }
}

#[cfg(test)]
mod tests {
    use super::{NameRead, read};

    fn check(message: &[u8], start: usize, expected: Option<(&str, NameRead)>) {
        let mut text = Vec::new();
        let got = read(message, start, message.len(), &mut 1000, &mut text);
        let got = got.map(|read| (String::from_utf8(text).unwrap(), read));
        assert_eq!(got, expected.map(|(text, read)| (text.to_owned(), read)));
    }

    fn plain(next: usize, len: usize) -> NameRead {
        NameRead { next, len, ..NameRead::default() }
    }

    #[test]
    fn names_of_all_shapes() {
        check(b"\x03www\x02de\x00", 0, Some(("www.de", plain(8, 6))));
        check(b"\x00", 0, Some(("", plain(1, 0))));
        // A pointer, and what stands behind it.
        check(b"\x02de\x00\x03www\xc0\x00zz", 4, Some(("www.de", plain(10, 6))));
        // The data ends where the name should.
        check(b"\x02de", 0, Some(("de", plain(3, 2))));
        // A label is cut; the other label types; a pointer that leads out.
        check(b"\x05de", 0, None);
        check(b"\x42de\x00", 0, None);
        check(b"\xc0\xff", 0, None);
        // A pointer at itself: refused, unless a pointer led there.
        check(b"\xc0\x00", 0, None);
        let looped = NameRead { looped: true, ..plain(4, 0) };
        check(b"\xc0\x00\xc0\x02", 2, None);
        check(b"\xc0\x00\xc0\x00", 2, Some(("", looped)));
    }

    #[test]
    fn endless_and_long_names_are_cut() {
        let looping = b"\x01a\xc0\x00\xc0\x00";
        let mut text = Vec::new();
        let got = read(looping, 4, 6, &mut 1000, &mut text).unwrap();
        assert!(got.too_many && got.truncated && got.next == 6);
        assert!(read(looping, 4, 6, &mut 20, &mut ()).is_none());
        let mut long = Vec::new();
        for _ in 0..40 {
            long.push(50);
            long.extend_from_slice(&[b'x'; 50]);
        }
        text.clear();
        let got = read(&long, 0, long.len(), &mut 1000, &mut text).unwrap();
        assert!(got.truncated);
        assert_eq!((got.len, text.len()), (1025, 1025));
    }
}
