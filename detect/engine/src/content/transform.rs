//! Transforms: what happens to a buffer before contents look at it.

use md5::Md5;
use rules::Transform;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use std::io::Read;

use crate::content::base64;
use crate::pcre::{Matcher, Regex, RegexOptions};

/// A chain of transforms, ready to run.
#[derive(Debug, Default)]
pub struct Chain {
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Plain(Transform),
    Pcre(Regex),
}

impl Chain {
    /// Of transforms, left to right. Expressions that do not compile were refused at load; here
    /// they leave the buffer empty.
    pub fn new(transforms: &[Transform]) -> Self {
        let steps = transforms
            .iter()
            .map(|t| match t {
                Transform::Pcre(text) => {
                    match Regex::compile(text.as_bytes(), RegexOptions::default()) {
                        Ok(regex) => Step::Pcre(regex.optimized()),
                        Err(_) => Step::Plain(t.clone()),
                    }
                }
                _ => Step::Plain(t.clone()),
            })
            .collect();
        Self { steps }
    }

    /// True without transforms.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Runs the chain on `input`; the result is left in `out`.
    pub fn run(&self, input: &[u8], out: &mut Vec<u8>, spare: &mut Vec<u8>, m: &mut Matcher) {
        out.clear();
        out.extend_from_slice(input);
        for step in &self.steps {
            spare.clear();
            match step {
                Step::Plain(transform) => apply(transform, out, spare),
                Step::Pcre(regex) => {
                    // Without a match, or with nothing captured, the buffer stays as it is.
                    let found = regex.find(out, 0, m).then(|| m.group(1)).flatten();
                    match found.and_then(|(start, end)| out.get(start..end)) {
                        Some(bytes) if !bytes.is_empty() => spare.extend_from_slice(bytes),
                        _ => continue,
                    }
                }
            }
            std::mem::swap(out, spare);
        }
    }
}

/// White space as C's `isspace`.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn apply(transform: &Transform, input: &[u8], out: &mut Vec<u8>) {
    match transform {
        Transform::Dotprefix if input.is_empty() => {}
        Transform::Dotprefix => {
            out.push(b'.');
            out.extend_from_slice(input);
        }
        Transform::StripWhitespace => out.extend(input.iter().filter(|b| !is_space(**b))),
        Transform::CompressWhitespace => {
            // The first of several is what remains.
            let mut space = false;
            for &byte in input {
                if !(space && is_space(byte)) {
                    out.push(byte);
                }
                space = is_space(byte);
            }
        }
        Transform::ToLowercase => out.extend(input.iter().map(u8::to_ascii_lowercase)),
        Transform::ToUppercase => out.extend(input.iter().map(u8::to_ascii_uppercase)),
        Transform::ToMd5 => out.extend_from_slice(&Md5::digest(input)),
        Transform::ToSha1 => out.extend_from_slice(&Sha1::digest(input)),
        Transform::ToSha256 => out.extend_from_slice(&Sha256::digest(input)),
        Transform::UrlDecode => url_decode(input, out),
        Transform::Xor(key) if !key.is_empty() => {
            out.extend(input.iter().zip(key.iter().cycle()).map(|(a, b)| a ^ b));
        }
        Transform::Xor(_) => out.extend_from_slice(input),
        Transform::Pcre(_) => {}
        Transform::HeaderLowercase => header_lowercase(input, out),
        Transform::StripPseudoHeaders => {
            for line in input.split_inclusive(|b| *b == b'\n') {
                if line.first() != Some(&b':') {
                    out.extend_from_slice(line);
                }
            }
        }
        Transform::FromBase64 { bytes, offset, mode } => {
            from_base64(input, *bytes, *offset, *mode, out)
        }
        Transform::Domain => {
            if let Some(domain) = psl::domain(input) {
                out.extend_from_slice(domain.as_bytes());
            }
        }
        Transform::Tld => {
            // Only names within a suffix have one.
            if let (Some(_), Some(suffix)) = (psl::domain(input), psl::suffix(input)) {
                out.extend_from_slice(suffix.as_bytes());
            }
        }
        Transform::Gunzip(limit) => {
            inflate(flate2::read::GzDecoder::new(input), *limit, out);
        }
        Transform::ZlibDeflate(limit) => {
            inflate(flate2::read::ZlibDecoder::new(input), *limit, out);
        }
    }
}

fn inflate(reader: impl Read, limit: u32, out: &mut Vec<u8>) {
    // What was inflated before a fault is used; the fault itself is the sender's business.
    let _ = reader.take(u64::from(limit)).read_to_end(out);
}

fn url_decode(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = input.get(at) {
        let pair = match (input.get(at + 1), input.get(at + 2)) {
            (Some(&a), Some(&b)) if byte == b'%' => {
                char::from(a).to_digit(16).zip(char::from(b).to_digit(16))
            }
            _ => None,
        };
        match pair {
            Some((high, low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            None => {
                out.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
}

/// Lowers the names of headers, up to the colon of each line.
fn header_lowercase(input: &[u8], out: &mut Vec<u8>) {
    let mut in_name = true;
    for &byte in input {
        out.push(if in_name { byte.to_ascii_lowercase() } else { byte });
        match byte {
            b':' => in_name = false,
            b'\n' => in_name = true,
            _ => {}
        }
    }
}

/// Decodes base64. A buffer of which nothing can be decoded stays as it is, and so does one that
/// does not go on behind the bytes asked for: both as in Suricata 8.
fn from_base64(input: &[u8], bytes: u32, offset: u32, mode: u8, out: &mut Vec<u8>) {
    let rest = input.get(offset as usize..).unwrap_or(&[]);
    let text = match bytes as usize {
        0 => rest,
        bytes if bytes < rest.len() => &rest[..bytes],
        _ => &[],
    };
    let done = match mode {
        1 => base64::decode_skipping(text, out),
        2 => {
            use ::base64::Engine;
            let decoded = ::base64::engine::general_purpose::STANDARD.decode(text);
            out.extend(decoded.unwrap_or_default());
            !out.is_empty()
        }
        _ => base64::decode_until(text, out),
    };
    if !done {
        out.extend_from_slice(input);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_do_what_their_names_say() {
        let xor = Transform::Xor(vec![1, 2]);
        for (transform, input, want) in [
            (Transform::Dotprefix, "a.b", ".a.b"),
            (Transform::Dotprefix, "", ""),
            (Transform::StripWhitespace, "a b\r\nc", "abc"),
            (Transform::CompressWhitespace, "a  \tb c", "a b c"),
            (Transform::CompressWhitespace, "a\t \tb\tc", "a\tb\tc"),
            (Transform::ToUppercase, "aB", "AB"),
            (Transform::UrlDecode, "a%41+%zz", "aA %zz"),
            (xor, "abc", "``b"),
            (Transform::HeaderLowercase, "Host: AbC\nX-A: B\n", "host: AbC\nx-a: B\n"),
            (Transform::StripPseudoHeaders, ":a: b\nc: d\n", "c: d\n"),
            (Transform::Domain, "www.example.co.uk", "example.co.uk"),
            (Transform::Domain, "www.example.com", "example.com"),
            (Transform::Domain, "a.b.kobe.jp", "a.b.kobe.jp"),
            (Transform::Domain, "com", ""),
            (Transform::Tld, "www.example.com", "com"),
            (Transform::Tld, "www.example.gov.ac", "gov.ac"),
            (Transform::Tld, "com", ""),
            (Transform::Tld, "localhost", ""),
            (Transform::FromBase64 { bytes: 0, offset: 2, mode: 0 }, "xxaGk=", "hi"),
            (Transform::FromBase64 { bytes: 4, offset: 1, mode: 0 }, "xYWJjZA==", "abc"),
            (Transform::FromBase64 { bytes: 4, offset: 1, mode: 0 }, "xYWJj", "xYWJj"),
            (Transform::FromBase64 { bytes: 0, offset: 9, mode: 0 }, "xYWJj", "xYWJj"),
            (Transform::FromBase64 { bytes: 0, offset: 0, mode: 0 }, "*YWJj", "*YWJj"),
            (Transform::FromBase64 { bytes: 0, offset: 0, mode: 1 }, "*YWJj", "abc"),
            (Transform::FromBase64 { bytes: 0, offset: 0, mode: 2 }, "YWJjZA", "YWJjZA"),
            (Transform::FromBase64 { bytes: 0, offset: 0, mode: 2 }, "YWJjZA==", "abcd"),
            (Transform::Pcre("b(c+)".into()), "abccd", "cc"),
            (Transform::Pcre("z(c+)".into()), "abccd", "abccd"),
            (Transform::Pcre("b(z*)".into()), "abccd", "abccd"),
        ] {
            let chain = Chain::new(std::slice::from_ref(&transform));
            let (mut out, mut spare) = (Vec::new(), Vec::new());
            chain.run(input.as_bytes(), &mut out, &mut spare, &mut Matcher::new(3500, 1500));
            assert_eq!(out, want.as_bytes(), "{transform:?}");
        }
    }
}
