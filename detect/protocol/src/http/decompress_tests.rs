//! Bodies in all codings, whole and in pieces, broken and hostile.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::super::codec::Coding::{self, Brotli, Deflate, Gzip, Lzma};
use super::{Limits, Pipeline, Verdict};

const LIMITS: Limits = Limits { bomb: 1 << 20, time: 100_000, lzma_memory: 1 << 20 };

fn decode(codings: &[Coding], body: &[u8], piece: usize) -> (Vec<u8>, bool) {
    let mut pipeline = Pipeline::new(codings, LIMITS);
    let (mut out, mut bomb) = (Vec::new(), false);
    for part in body.chunks(piece.max(1)) {
        bomb |= pipeline.feed(part, &mut |data| out.extend_from_slice(data)) == Verdict::Bomb;
    }
    pipeline.finish(&mut |data| out.extend_from_slice(data));
    (out, bomb)
}

fn check(codings: &[Coding], body: &[u8], want: &[u8]) {
    for piece in [body.len(), 1, 2, 7, 64] {
        let (got, bomb) = decode(codings, body, piece);
        let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(show(&got), show(want), "{codings:?} in pieces of {piece}");
        assert!(!bomb);
    }
}

const TEXT: &[u8] = b"The quick brown fox jumps over the lazy dog. The quick brown fox.";

fn deflated(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zlibbed(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn gzipped(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn declared_codings() {
    check(&[Gzip], &gzipped(TEXT), TEXT);
    check(&[Deflate], &deflated(TEXT), TEXT);
    check(&[Deflate], &zlibbed(TEXT), TEXT);
    check(&[Gzip], &deflated(TEXT), TEXT);
    check(&[Gzip], &zlibbed(TEXT), TEXT);
    check(&[Deflate], &gzipped(TEXT), TEXT);
}

#[test]
fn layers() {
    check(&[Gzip, Deflate], &gzipped(&deflated(TEXT)), TEXT);
    check(&[Gzip, Gzip, Gzip], &gzipped(&gzipped(&gzipped(TEXT))), TEXT);
    // More codings declared than applied.
    check(&[Gzip, Gzip], &gzipped(TEXT), TEXT);
    check(&[Deflate, Gzip], &gzipped(TEXT), TEXT);
}

#[test]
fn faults() {
    let long: Vec<u8> = (0..40_000u32).flat_map(|n| (n * n).to_le_bytes()).collect();
    let mut broken = gzipped(&long);
    let middle = broken.len() / 2;
    broken[middle..middle + 40].fill(0xff);
    for coding in [Gzip, Deflate] {
        let (got, _) = decode(&[coding], &broken, broken.len());
        assert!(got.len() > 1000 && long.starts_with(&got[..1000]), "what was decoded stays");
        let (pieces, _) = decode(&[coding], &broken, 100);
        assert!(got == pieces, "{coding:?}: the same in pieces");
    }
    let mut early = gzipped(&long[..800]);
    early[60..100].fill(0xff);
    check(&[Deflate], &early, &early);
}

#[test]
fn what_is_not_coded_passes() {
    let json = b"{\"sdk_version\":11026,\"app_package\":\"com.xcm.huasheng\"}";
    check(&[Gzip], json, json);
    for plain in [TEXT, b"<html></html>", b"X5O!P%@AP[4", b"hello"] {
        check(&[Gzip], plain, plain);
        check(&[Deflate], plain, plain);
        check(&[Gzip, Deflate], plain, plain);
    }
}

#[test]
fn trailers_and_flags_do_not_matter() {
    let body = gzipped(TEXT);
    check(&[Gzip], &body[..body.len() - 8], TEXT);
    check(&[Gzip], &body[..body.len() - 4], TEXT);
    let mut wrong = body.clone();
    let end = wrong.len() - 6;
    wrong[end] ^= 0xff;
    check(&[Gzip], &wrong, TEXT);
    let header = |flags: u8, fields: &[u8]| {
        let mut out = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3];
        out.extend_from_slice(fields);
        out.extend_from_slice(&deflated(TEXT));
        out
    };
    check(&[Gzip], &header(1, b""), TEXT);
    check(&[Gzip], &header(2, b"xy"), TEXT);
    check(&[Gzip], &header(4, b"\0\0"), TEXT);
    check(&[Gzip], &header(4, b"\x05\0abcde"), TEXT);
    check(&[Gzip], &header(8, b"name\0"), TEXT);
    check(&[Gzip], &header(16, b"comment\0"), TEXT);
    check(&[Gzip], &header(30, b"\x01\0an\0c\0xy"), TEXT);
    check(&[Gzip], &header(0xe0, b""), TEXT);
}

#[test]
fn lzma_and_brotli() {
    let mut lzma = Vec::new();
    let options = liblzma::stream::LzmaOptions::new_preset(6).unwrap();
    let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(&mut lzma, stream);
    encoder.write_all(TEXT).unwrap();
    encoder.finish().unwrap();
    check(&[Lzma], &lzma, TEXT);
    check(&[Lzma], TEXT, &TEXT[18..]);
    check(&[Lzma], b"hello", b"");
    // Brotli of "hello", uncompressed meta-block.
    check(&[Brotli], b"\x0b\x02\x80hello\x03", b"hello");
}

#[test]
fn bombs() {
    let zeros = vec![0; 8 << 20];
    let once = gzipped(&zeros);
    let (out, bomb) = decode(&[Gzip], &once, 1400);
    assert!(!bomb && out.len() == zeros.len(), "one layer is no bomb");
    let twice = gzipped(&once);
    let (out, bomb) = decode(&[Gzip, Gzip], &twice, 1400);
    assert!(bomb && out.len() < 2 << 20, "{}", out.len());
}

proptest::proptest! {
    #[test]
    fn any_bytes_decode_without_panic_and_alike_in_pieces(
        body in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
        piece in 1usize..40,
        which in 0usize..6,
    ) {
        let sets: [&[Coding]; 6] =
            [&[Gzip], &[Deflate], &[Brotli], &[Lzma], &[Gzip, Deflate], &[Coding::Zlib]];
        let whole = decode(sets[which], &body, body.len());
        let pieces = decode(sets[which], &body, piece);
        // Brotli and LZMA hand out bytes before a fault depending on where the input is cut.
        if !matches!(sets[which][0], Brotli | Lzma) {
            proptest::prop_assert_eq!(whole, pieces);
        }
    }
}
