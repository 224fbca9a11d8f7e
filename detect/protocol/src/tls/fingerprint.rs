//! Fingerprints of hello messages: JA3, JA3S and JA4.

use std::fmt::Write as _;

use md5::{Digest, Md5};
use sha2::Sha256;

use super::extension;
use super::hello::{Hello, Kind, Part};

/// A JA3 or JA3S fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ja3 {
    /// What is hashed.
    pub(super) string: String,
    /// MD5 of it, hexadecimal; none when the hello is not whole.
    pub(super) hash: Option<String>,
}

/// Numbers of a hello in decimal: lists with `-`, their parts with `,`.
pub(super) fn ja3(hello: &Hello) -> Ja3 {
    let mut string = String::with_capacity(256);
    // Writing to a string can't fail.
    let _ = write!(string, "{}", hello.legacy_version);
    if hello.part >= Part::Ciphers {
        list(&mut string, hello.ciphers());
    }
    if hello.part < Part::Whole {
        return Ja3 { string, hash: None };
    }
    list(&mut string, hello.extensions().map(|(number, _)| number));
    if hello.kind == Kind::Client {
        list(&mut string, hello.groups());
        list(&mut string, hello.point_formats().map(u16::from));
    }
    let hash = hexadecimal(&Md5::digest(&string));
    Ja3 { string, hash: Some(hash) }
}

fn list(out: &mut String, numbers: impl Iterator<Item = u16>) {
    out.push(',');
    for (at, number) in numbers.enumerate() {
        // Writing to a string can't fail.
        let _ = write!(out, "{}{number}", if at == 0 { "" } else { "-" });
    }
}

/// JA4 of the hellos that a client sent over TCP, counted together. Without any it is that of
/// an empty one.
pub(super) fn ja4<'a>(hellos: impl Iterator<Item = &'a Hello> + Clone) -> String {
    let mut ciphers: Vec<u16> = hellos.clone().flat_map(Hello::ciphers).collect();
    let all = hellos.clone().flat_map(|hello| hello.extensions().map(|(number, _)| number));
    let mut extensions: Vec<u16> = all.collect();
    let version = match hellos.clone().map(|hello| hello.highest_version).max().unwrap_or(0) {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        _ => "00",
    };
    let named = if extensions.contains(&extension::SERVER_NAME) { 'd' } else { 'i' };
    let mut out = String::with_capacity(36);
    // Writing to a string can't fail.
    let _ =
        write!(out, "t{version}{named}{:02}{:02}", ciphers.len().min(99), extensions.len().min(99));
    let first = hellos.clone().flat_map(Hello::protocols).next();
    out.extend(first.map_or(['0', '0'], protocol_characters));
    ciphers.sort_unstable();
    extensions.retain(|number| !matches!(*number, extension::SERVER_NAME | extension::ALPN));
    extensions.sort_unstable();
    let mut text = String::with_capacity(256);
    hexadecimal_list(&mut text, ciphers.into_iter());
    append_hash(&mut out, &text);
    text.clear();
    hexadecimal_list(&mut text, extensions.into_iter());
    text.push('_');
    hexadecimal_list(&mut text, hellos.flat_map(Hello::signature_algorithms));
    append_hash(&mut out, &text);
    out
}

/// The two characters that stand for a protocol name: its ends.
fn protocol_characters(name: &[u8]) -> [char; 2] {
    let (Some(&first), Some(&last)) = (name.first(), name.last()) else {
        return ['0', '0'];
    };
    if let [high, low] = *name
        && super::hello::is_grease(u16::from_be_bytes([high, low]))
    {
        return ['0', '0'];
    }
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(first), char::from(last)];
    }
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    [digit(first >> 4), digit(last & 15)]
}

fn hexadecimal_list(out: &mut String, numbers: impl Iterator<Item = u16>) {
    for (at, number) in numbers.enumerate() {
        if at > 0 {
            out.push(',');
        }
        let [high, low] = number.to_be_bytes();
        out.extend(digits(high));
        out.extend(digits(low));
    }
}

fn append_hash(out: &mut String, text: &str) {
    out.push('_');
    out.push_str(&hexadecimal(Sha256::digest(text).get(..6).unwrap_or_default()));
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for &byte in bytes {
        text.extend(digits(byte));
    }
    text
}

/// The hexadecimal digits of a byte.
pub(super) fn digits(byte: u8) -> [char; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)]))
}
