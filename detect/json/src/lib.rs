//! Writes JSON into a byte buffer.
//!
//! One pass, no tree: keys and values are appended as they come, commas by what the last byte
//! is. Text that is not UTF-8 is written as Suricata 8 does: each stray byte as `\xHH`.
#![forbid(unsafe_code)]

pub mod digits;

/// Appends JSON to a byte vector.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// A writer at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// What was written so far, with what stood in the buffer before.
    pub fn bytes(&self) -> &[u8] {
        self.out
    }

    /// Length of the buffer; with [`Writer::truncate`] takes back what came after.
    pub fn mark(&self) -> usize {
        self.out.len()
    }

    /// Takes back everything after `mark`.
    pub fn truncate(&mut self, mark: usize) {
        self.out.truncate(mark);
    }

    fn wants_comma(&self) -> bool {
        !matches!(self.out.last(), None | Some(b'{' | b'[' | b':' | b'\n'))
    }

    fn comma(&mut self) {
        if self.wants_comma() {
            self.out.push(b',');
        }
    }

    /// Opens an object as a value.
    pub fn open(&mut self) -> &mut Self {
        self.comma();
        self.out.push(b'{');
        self
    }

    /// Closes an object.
    pub fn close(&mut self) -> &mut Self {
        self.out.push(b'}');
        self
    }

    /// Opens an array as a value.
    pub fn open_array(&mut self) -> &mut Self {
        self.comma();
        self.out.push(b'[');
        self
    }

    /// Closes an array.
    pub fn close_array(&mut self) -> &mut Self {
        self.out.push(b']');
        self
    }

    /// Writes a key; keys are constants of the program and need no escapes.
    // Inlined always: what is copied is then a constant.
    #[inline(always)]
    pub fn key(&mut self, key: &str) -> &mut Self {
        // In one piece: with the comma, the quotes and the colon around it.
        let mut piece = [0; SHORT_KEY + 4];
        let length = key.len();
        if length > SHORT_KEY {
            return self.long_key(key);
        }
        piece[0] = b',';
        piece[1] = b'"';
        piece[2..2 + length].copy_from_slice(key.as_bytes());
        piece[2 + length] = b'"';
        piece[3 + length] = b':';
        let end = self.out.len() + length + 3;
        if self.wants_comma() {
            self.out.extend_from_slice(&piece);
            self.out.truncate(end + 1);
        } else {
            self.out.extend_from_slice(&piece[1..]);
            self.out.truncate(end);
        }
        self
    }

    #[cold]
    fn long_key(&mut self, key: &str) -> &mut Self {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self
    }

    /// Writes a key that may need escapes.
    pub fn key_text(&mut self, key: &[u8]) -> &mut Self {
        self.comma();
        self.quote(key);
        self.out.push(b':');
        self
    }

    /// Writes text as a value.
    pub fn str(&mut self, text: &str) -> &mut Self {
        self.text(text.as_bytes())
    }

    /// Writes bytes as text: UTF-8 stays, stray bytes become `\\xHH`.
    pub fn text(&mut self, bytes: &[u8]) -> &mut Self {
        self.comma();
        self.quote(bytes);
        self
    }

    /// Writes as text what `write` appends, which must not need escapes.
    pub fn plain(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        self.comma();
        self.out.push(b'"');
        write(self.out);
        self.out.push(b'"');
        self
    }

    /// Writes bytes as text of hexadecimal digits, two a byte.
    pub fn hexadecimal(&mut self, bytes: &[u8]) -> &mut Self {
        self.plain(|out| {
            out.reserve(bytes.len() * 2);
            for byte in bytes {
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        })
    }

    /// Writes an unsigned number.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.comma();
        digits::append(value, self.out);
        self
    }

    /// Writes a signed number.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.comma();
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self
    }

    /// Writes `true` or `false`.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.raw(if value { b"true" } else { b"false" })
    }

    /// Writes bytes that are a JSON value already.
    pub fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.comma();
        self.out.extend_from_slice(value);
        self
    }

    /// Appends prepared bytes as they stand, commas included.
    pub fn verbatim(&mut self, bytes: &[u8]) -> &mut Self {
        self.out.extend_from_slice(bytes);
        self
    }

    /// Key and text.
    #[inline(always)]
    pub fn field_str(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key).str(value)
    }

    /// Key and bytes as text.
    #[inline(always)]
    pub fn field_text(&mut self, key: &str, value: &[u8]) -> &mut Self {
        self.key(key).text(value)
    }

    /// Key and number.
    #[inline(always)]
    pub fn field_u64(&mut self, key: &str, value: u64) -> &mut Self {
        self.key(key).u64(value)
    }

    /// Key and truth value.
    #[inline(always)]
    pub fn field_bool(&mut self, key: &str, value: bool) -> &mut Self {
        self.key(key).bool(value)
    }

    fn quote(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        // Most text is printable ASCII.
        if is_all_plain(bytes) {
            self.out.extend_from_slice(bytes);
            self.out.push(b'"');
            return;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => self.escape(text),
            Err(_) => self.escape_bytes(bytes),
        }
        self.out.push(b'"');
    }

    /// Text that is not UTF-8 as a whole: every byte beyond ASCII is spelt out.
    fn escape_bytes(&mut self, bytes: &[u8]) {
        for run in bytes.chunk_by(|a, b| a.is_ascii() == b.is_ascii()) {
            match std::str::from_utf8(run) {
                Ok(text) if run.is_ascii() => self.escape(text),
                _ => {
                    for byte in run {
                        let (high, low) =
                            (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                        self.out.extend_from_slice(&[b'\\', b'\\', b'x', high, low]);
                    }
                }
            }
        }
    }

    fn escape(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut start = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            if byte >= 0x20 && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.out.extend_from_slice(&bytes[start..at]);
            start = at + 1;
            match byte {
                b'"' => self.out.extend_from_slice(b"\\\""),
                b'\\' => self.out.extend_from_slice(b"\\\\"),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                0x08 => self.out.extend_from_slice(b"\\b"),
                0x0c => self.out.extend_from_slice(b"\\f"),
                _ => self.out.extend_from_slice(&[
                    b'\\',
                    b'u',
                    b'0',
                    b'0',
                    HEX[usize::from(byte >> 4)],
                    HEX[usize::from(byte & 15)],
                ]),
            }
        }
        self.out.extend_from_slice(&bytes[start..]);
    }
}

/// True for text of printable ASCII that stands for itself; looked at without a branch per byte.
fn is_all_plain(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<PIECE>() else {
        let mut piece = [b' '; PIECE];
        piece[..bytes.len()].copy_from_slice(bytes);
        return is_piece_plain(&piece);
    };
    let (pieces, _) = bytes.as_chunks::<PIECE>();
    pieces.iter().all(is_piece_plain) && is_piece_plain(last)
}

#[inline(always)]
fn is_piece_plain(piece: &[u8; PIECE]) -> bool {
    piece.iter().fold(true, |plain, &byte| plain & is_plain(byte))
}

/// True for printable ASCII that stands for itself.
const fn is_plain(byte: u8) -> bool {
    byte.wrapping_sub(0x20) < 0x60 && byte != b'"' && byte != b'\\'
}

/// Bytes of text that are looked at together.
const PIECE: usize = 16;

/// Bytes of the longest key that is put together on the stack.
const SHORT_KEY: usize = 28;

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::Writer;

    #[test]
    fn writes_nested_values_with_commas() {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        w.open().field_str("a", "x\"\n").key("b").open_array().u64(1).u64(2).close_array();
        w.key("c")
            .open()
            .close()
            .key("a-key-that-is-longer-than-most-keys-are")
            .hexadecimal(b"\x0f\xa0");
        w.key("p")
            .plain(|out| out.extend_from_slice(b"1.2"))
            .field_bool("d", false)
            .field_text("e", b"\xffz\x01")
            .close();
        assert_eq!(
            String::from_utf8_lossy(&out),
            r#"{"a":"x\"\n","b":[1,2],"c":{},"a-key-that-is-longer-than-most-keys-are":"0fa0","p":"1.2","d":false,"e":"\\xffz\u0001"}"#
        );
    }

    proptest::proptest! {
        #[test]
        fn any_number_reads_back(value: u64, bits in 0..64) {
            let mut out = Vec::new();
            let value = value >> bits;
            Writer::new(&mut out).u64(value);
            proptest::prop_assert_eq!(out, value.to_string().into_bytes());
        }

        #[test]
        fn any_text_reads_back(text in ".*") {
            let mut out = Vec::new();
            Writer::new(&mut out).str(&text);
            let back: String = serde_json::from_slice(&out).expect("valid JSON");
            proptest::prop_assert_eq!(back, text);
        }
    }
}
