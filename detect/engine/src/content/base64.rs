//! Base64 as rules decode it: as far as it goes.

/// Decodes until the first byte that is not of the alphabet; what was decoded is used.
pub fn decode_lenient(text: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0u32, 0u8);
    for &byte in text {
        let Some(value) = value(byte) else { break };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
}

/// Decodes text in which bytes outside the alphabet are skipped (RFC 2045).
pub fn decode_skipping(text: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0u32, 0u8);
    for &byte in text {
        if byte == b'=' {
            break;
        }
        let Some(value) = value(byte) else { continue };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
}

const fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn decodes_as_far_as_it_goes() {
        for (text, want) in
            [("aGVsbG8=", "hello"), ("aGVs bG8=", "hel"), ("aGVsb", "hel"), ("*", ""), ("", "")]
        {
            let mut out = Vec::new();
            super::decode_lenient(text.as_bytes(), &mut out);
            assert_eq!(out, want.as_bytes(), "{text}");
        }
        let mut out = Vec::new();
        super::decode_skipping(b"aG Vs\r\nbG8=", &mut out);
        assert_eq!(out, b"hello");
    }
}
