//! What kind of file bytes are, in the words of libmagic, for the kinds that rules and records
//! meet most. Other binary files are `data`.

/// The kind of a file by its first bytes.
pub fn describe(head: &[u8]) -> String {
    if head.is_empty() {
        return "empty".to_owned();
    }
    let found = KINDS.iter().find_map(|kind| kind(head));
    found.or_else(|| text(head)).unwrap_or_else(|| "data".to_owned())
}

type Kind = fn(&[u8]) -> Option<String>;

const KINDS: &[Kind] = &[png, gif, jpeg, pdf, executable, elf, zip, gzip, simple];

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b))
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

fn png(head: &[u8]) -> Option<String> {
    head.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    let mut text = "PNG image data".to_owned();
    let (Some(width), Some(height), Some([depth, colour])) =
        (be32(head, 16), be32(head, 20), head.get(24..26))
    else {
        return Some(text);
    };
    let colour = match colour {
        0 => " grayscale",
        2 => "/color RGB",
        3 => " colormap",
        4 => " gray+alpha",
        6 => "/color RGBA",
        _ => "",
    };
    let lacing = match head.get(28) {
        Some(0) => ", non-interlaced",
        Some(1) => ", interlaced",
        _ => "",
    };
    text += &format!(", {width} x {height}, {depth}-bit{colour}{lacing}");
    Some(text)
}

fn gif(head: &[u8]) -> Option<String> {
    let rest = head.strip_prefix(b"GIF8")?;
    let version = match rest.first()? {
        b'7' => "87a",
        b'9' => "89a",
        _ => return Some("GIF image data".to_owned()),
    };
    match (le16(head, 6), le16(head, 8)) {
        (Some(width), Some(height)) => {
            Some(format!("GIF image data, version {version}, {width} x {height}"))
        }
        _ => Some(format!("GIF image data, version {version}")),
    }
}

fn jpeg(head: &[u8]) -> Option<String> {
    head.strip_prefix(b"\xff\xd8\xff")?;
    let mut text = "JPEG image data".to_owned();
    if head.get(6..10) == Some(b"JFIF")
        && let Some([major, minor]) = head.get(11..13)
    {
        text += &format!(", JFIF standard {major}.{minor:02}");
    } else if head.get(6..10) == Some(b"Exif") {
        text += ", Exif standard";
    }
    Some(text)
}

fn pdf(head: &[u8]) -> Option<String> {
    let rest = head.strip_prefix(b"%PDF-")?;
    match rest {
        [major, b'.', minor, ..] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            let (major, minor) = (char::from(*major), char::from(*minor));
            Some(format!("PDF document, version {major}.{minor}"))
        }
        _ => Some("PDF document".to_owned()),
    }
}

/// Programs of DOS and Windows.
fn executable(head: &[u8]) -> Option<String> {
    head.strip_prefix(b"MZ")?;
    let header = le32(head, 0x3c).and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
    if header < 0x40 || head.get(header..header.saturating_add(4)) != Some(b"PE\0\0") {
        return Some("MS-DOS executable".to_owned());
    }
    let machine = match le16(head, header + 4) {
        Some(0x014c) => "Intel 80386",
        Some(0x8664) => "x86-64",
        Some(0x01c0) => "ARM",
        Some(0x01c4) => "ARMv7 Thumb",
        Some(0xaa64) => "Aarch64",
        Some(0x0200) => "Intel Itanium",
        _ => "Unknown processor type",
    };
    let kind = if le16(head, header + 24) == Some(0x020b) { "PE32+" } else { "PE32" };
    let library = le16(head, header + 22).is_some_and(|flags| flags & 0x2000 != 0);
    let library = if library { " (DLL)" } else { "" };
    let system = match le16(head, header + 92) {
        Some(1) => " (native)",
        Some(2) => " (GUI)",
        Some(3) => " (console)",
        _ => "",
    };
    Some(format!("{kind} executable{library}{system} {machine}, for MS Windows"))
}

fn elf(head: &[u8]) -> Option<String> {
    let &[class, order, version, ..] = head.strip_prefix(b"\x7fELF")?.first_chunk::<12>()?;
    let bits = match class {
        1 => "32-bit",
        2 => "64-bit",
        _ => "invalid class",
    };
    let (order, little) = if order == 2 { ("MSB", false) } else { ("LSB", true) };
    let word = |at: usize| {
        let bytes = *head.get(at..)?.first_chunk::<2>()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let kind = match word(16) {
        Some(1) => "relocatable",
        Some(2) => "executable",
        Some(3) => "shared object",
        Some(4) => "core file",
        _ => "unknown type",
    };
    let machine = match word(18) {
        Some(3) => "Intel 80386",
        Some(8) => "MIPS",
        Some(20) => "PowerPC or cisco 4500",
        Some(40) => "ARM",
        Some(62) => "x86-64",
        Some(183) => "ARM aarch64",
        _ => "unknown arch",
    };
    let version = if version == 1 { "version 1 (SYSV)" } else { "invalid version" };
    Some(format!("ELF {bits} {order} {kind}, {machine}, {version}"))
}

fn zip(head: &[u8]) -> Option<String> {
    head.strip_prefix(b"PK\x03\x04")?;
    let name = head.get(30..).unwrap_or(&[]);
    if name.starts_with(b"META-INF/") {
        return Some("Java archive data (JAR)".to_owned());
    }
    if name.starts_with(b"[Content_Types].xml") || name.starts_with(b"_rels/.rels") {
        return Some("Microsoft OOXML".to_owned());
    }
    let version = le16(head, 4).unwrap_or(20);
    let (major, minor) = (version / 10, version % 10);
    Some(format!("Zip archive data, at least v{major}.{minor} to extract"))
}

fn gzip(head: &[u8]) -> Option<String> {
    let rest = head.strip_prefix(b"\x1f\x8b")?;
    let mut text = "gzip compressed data".to_owned();
    match rest.get(7) {
        Some(0) => text += ", from FAT filesystem (MS-DOS, OS/2, NT)",
        Some(3) => text += ", from Unix",
        Some(11) => text += ", from NTFS filesystem (NT)",
        _ => {}
    }
    Some(text)
}

/// Kinds that a few bytes at the start tell, without further words.
fn simple(head: &[u8]) -> Option<String> {
    const STARTS: &[(&[u8], &str)] = &[
        (b"BZh", "bzip2 compressed data"),
        (b"\xfd7zXZ\0", "XZ compressed data"),
        (b"7z\xbc\xaf\x27\x1c", "7-zip archive data"),
        (b"\x28\xb5\x2f\xfd", "Zstandard compressed data"),
        (b"Rar!\x1a\x07", "RAR archive data"),
        (b"MSCF\0\0\0\0", "Microsoft Cabinet archive data"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Composite Document File V2 Document"),
        (b"{\\rtf", "Rich Text Format data"),
        (b"FWS", "Macromedia Flash data"),
        (b"CWS", "Macromedia Flash data (compressed)"),
        (b"ZWS", "Macromedia Flash data (lzma compressed)"),
        (b"\xca\xfe\xba\xbe", "compiled Java class data"),
        (b"\0asm", "WebAssembly (wasm) binary module"),
        (b"%!PS-Adobe-", "PostScript document text"),
        (b"OggS", "Ogg data"),
        (b"ID3", "Audio file with ID3"),
        (b"II*\0", "TIFF image data, little-endian"),
        (b"MM\0*", "TIFF image data, big-endian"),
        (b"\0\0\x01\0", "MS Windows icon resource"),
        (b"wOFF", "Web Open Font Format"),
        (b"wOF2", "Web Open Font Format (Version 2)"),
        (b"SQLite format 3\0", "SQLite 3.x database"),
    ];
    if head.starts_with(b"RIFF") {
        let form = match head.get(8..12) {
            Some(b"WEBP") => ", Web/P image",
            Some(b"WAVE") => ", WAVE audio",
            Some(b"AVI ") => ", AVI",
            _ => "",
        };
        return Some(format!("RIFF (little-endian) data{form}"));
    }
    let known = STARTS.iter().find(|(start, _)| head.starts_with(start));
    known.map(|(_, words)| (*words).to_owned())
}

/// Longest line that is not worth a remark.
const LINE_LIMIT: usize = 300;

fn text(head: &[u8]) -> Option<String> {
    let charset = charset(head)?;
    let (kind, program) = text_kind(head);
    let mut words = format!("{kind}{charset} text{program}");
    let longest = head.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::len).max();
    if let Some(longest) = longest.filter(|longest| *longest > LINE_LIMIT) {
        words += &format!(", with very long lines ({longest})");
    }
    let ends = line_ends(head);
    let mut listed = Vec::new();
    for (there, name) in ends.into_iter().zip(["CRLF", "CR", "LF"]) {
        if there {
            listed.push(name);
        }
    }
    match listed.as_slice() {
        [] => words += ", with no line terminators",
        ["LF"] => {}
        names => words += &format!(", with {} line terminators", names.join(", ")),
    }
    Some(words)
}

fn charset(head: &[u8]) -> Option<&'static str> {
    let plain = |byte: &u8| matches!(byte, 0x07..=0x0d | 0x1b | 0x20..=0x7e);
    if head.iter().all(plain) {
        return Some("ASCII");
    }
    let printable = |byte: &u8| plain(byte) || *byte >= 0x80;
    if !head.iter().all(printable) {
        return None;
    }
    // The last character may be cut.
    match std::str::from_utf8(head) {
        Ok(_) => Some("Unicode text, UTF-8"),
        Err(error) if error.error_len().is_none() => Some("Unicode text, UTF-8"),
        Err(_) if head.iter().all(|byte| plain(byte) || *byte >= 0xa0) => Some("ISO-8859"),
        Err(_) => Some("Non-ISO extended-ASCII"),
    }
}

/// What comes before and after the character set.
fn text_kind(head: &[u8]) -> (&'static str, &'static str) {
    let start = head.trim_ascii_start();
    let begins =
        |word: &[u8]| start.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if begins(b"<!doctype html") || begins(b"<html") || begins(b"<head") || begins(b"<title") {
        ("HTML document, ", "")
    } else if begins(b"<?xml") {
        ("XML 1.0 document, ", "")
    } else if begins(b"#!/bin/sh") {
        ("POSIX shell script, ", " executable")
    } else if begins(b"#!/bin/bash") || begins(b"#!/usr/bin/env bash") {
        ("Bourne-Again shell script, ", " executable")
    } else if begins(b"#!/usr/bin/python") || begins(b"#!/usr/bin/env python") {
        ("Python script, ", " executable")
    } else if begins(b"<?php") {
        ("PHP script, ", "")
    } else {
        ("", "")
    }
}

/// Which line ends there are: CR and LF together, CR, LF.
fn line_ends(head: &[u8]) -> [bool; 3] {
    let mut found = [false; 3];
    let mut bytes = head.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' if bytes.peek() == Some(&&b'\n') => {
                bytes.next();
                found[0] = true;
            }
            b'\r' => found[1] = true,
            b'\n' => found[2] = true,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::describe;

    #[test]
    fn kinds() {
        let check = |head: &[u8], expected: &str| assert_eq!(describe(head), expected);
        check(b"", "empty");
        check(b"\x01\x02\x03", "data");
        check(b"hello\n", "ASCII text");
        check(b"hello", "ASCII text, with no line terminators");
        check(b"a\r\nb\r\n", "ASCII text, with CRLF line terminators");
        check(b"a\r\nb\n", "ASCII text, with CRLF, LF line terminators");
        let mut long = vec![b'x'; 761];
        long.push(b'\n');
        check(&long, "ASCII text, with very long lines (761)");
        check("gr\u{fc}n\n".as_bytes(), "Unicode text, UTF-8 text");
        check(b"gr\xfcn\n", "ISO-8859 text");
        check(b"<!DOCTYPE HTML>\n", "HTML document, ASCII text");
        check(b"#!/bin/sh\n", "POSIX shell script, ASCII text executable");
        check(b"%PDF-1.4\n%\xe2", "PDF document, version 1.4");
        check(b"GIF89a\x0a\x00\x14\x00", "GIF image data, version 89a, 10 x 20");
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x10\0\0\0\x20\x08\x06\0\0\0";
        check(png, "PNG image data, 16 x 32, 8-bit/color RGBA, non-interlaced");
        check(b"PK\x03\x04\x14\0\0\0", "Zip archive data, at least v2.0 to extract");
        check(b"MZ\x90\0", "MS-DOS executable");
        let mut program = vec![0; 0x40];
        program[..2].copy_from_slice(b"MZ");
        program[0x3c] = 0x40;
        program.extend(b"PE\0\0\x4c\x01");
        program.extend([0; 16]);
        program.extend([0x02, 0x01, 0x0b, 0x01]);
        program.extend([0; 66]);
        program.extend([2, 0]);
        check(&program, "PE32 executable (GUI) Intel 80386, for MS Windows");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(
            start in 0usize..8,
            bytes in proptest::collection::vec(0u8.., 0..200),
        ) {
            let starts: [&[u8]; 8] =
                [b"", b"MZ", b"\x7fELF", b"PK\x03\x04", b"GIF8", b"\x1f\x8b", b"%PDF-", b"\xff\xd8\xff"];
            proptest::prop_assert!(!describe(&[starts[start], &bytes].concat()).is_empty());
        }
    }
}
