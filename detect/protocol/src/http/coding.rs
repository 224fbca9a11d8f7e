//! Reads Content-Encoding: which codings a body has, in the order in which they come off.

use smallvec::SmallVec;

use super::codec::Coding;
use super::text::{contains_without_nul, equals_without_nul, trim};

/// Codings of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Codings {
    /// The first comes off first.
    pub(crate) list: SmallVec<[Coding; 4]>,
    /// Something that is no coding, or not written as it should be.
    pub(crate) abnormal: bool,
    /// More codings than the limit.
    pub(crate) too_many: bool,
    /// More layers of LZMA than the limit.
    pub(crate) too_many_lzma: bool,
}

/// Most layers, whatever the configuration allows.
const MOST: usize = 8;

/// Reads a header value. `response` knows `identity` too.
pub(crate) fn parse(value: &[u8], response: bool, layers: u32, lzma_layers: u32) -> Codings {
    let mut out = Codings::default();
    if layers == 0 {
        return out;
    }
    let whole = trim(value);
    if let Some(single) = exact(whole) {
        out.list.extend(single);
        return out;
    }
    let limit = (layers as usize).min(MOST);
    let (mut count, mut lzma) = (0, 0);
    for item in whole.split(|&b| b == b',' || b == b' ').filter(|item| !item.is_empty()) {
        count += 1;
        if count > limit {
            out.too_many = true;
            break;
        }
        let is = |name: &[u8]| equals_without_nul(item, name);
        if contains_without_nul(item, b"gzip") {
            out.abnormal |= !is(b"gzip") && !is(b"x-gzip");
            out.list.push(Coding::Gzip);
        } else if contains_without_nul(item, b"deflate") {
            out.abnormal |= !is(b"deflate") && !is(b"x-deflate");
            out.list.push(Coding::Deflate);
        } else if is(b"lzma") {
            lzma += 1;
            if lzma > lzma_layers {
                out.too_many_lzma = true;
                continue;
            }
            out.list.push(Coding::Lzma);
        } else if !(is(b"inflate") || is(b"none") || (response && is(b"identity"))) {
            out.abnormal = true;
        }
    }
    out.list.reverse();
    out
}

/// A value that is one coding and nothing else; the inner none stands for no coding.
fn exact(value: &[u8]) -> Option<Option<Coding>> {
    let names: [(&[u8], Option<Coding>); 8] = [
        (b"gzip", Some(Coding::Gzip)),
        (b"x-gzip", Some(Coding::Gzip)),
        (b"deflate", Some(Coding::Deflate)),
        (b"x-deflate", Some(Coding::Deflate)),
        (b"br", Some(Coding::Brotli)),
        (b"lzma", Some(Coding::Lzma)),
        (b"inflate", None),
        (b"none", None),
    ];
    names.iter().find(|(name, _)| equals_without_nul(value, name)).map(|&(_, coding)| coding)
}

#[cfg(test)]
mod tests {
    use super::super::codec::Coding::{self, Brotli, Deflate, Gzip, Lzma};
    use super::parse;

    fn check(value: &str, list: &[Coding], abnormal: bool) {
        let got = parse(value.as_bytes(), true, 3, 1);
        assert_eq!((got.list.as_slice(), got.abnormal), (list, abnormal), "{value:?}");
    }

    #[test]
    fn values() {
        check("gzip", &[Gzip], false);
        check("GZip", &[Gzip], false);
        check("x-gzip", &[Gzip], false);
        check("deFLaTe", &[Deflate], false);
        check("br", &[Brotli], false);
        check("lzma", &[Lzma], false);
        check("identity", &[], false);
        check("none", &[], false);
        check("gzip, deflate", &[Deflate, Gzip], false);
        check("gzip,deflate,gzip", &[Gzip, Deflate, Gzip], false);
        check("gzip;", &[Gzip], true);
        check("gzip\u{b}", &[Gzip], false);
        check("\0gzip", &[Gzip], false);
        check("foo", &[], true);
        check("br, gzip", &[Gzip], true);
        check("identity, gzip", &[Gzip], false);
    }

    #[test]
    fn limits() {
        assert!(parse(b"gzip, gzip, gzip, gzip", true, 3, 0).too_many);
        let got = parse(b"lzma, gzip", true, 3, 0);
        assert!(got.too_many_lzma && got.list.as_slice() == [Gzip]);
        assert_eq!(parse(b"lzma", true, 2, 0).list.as_slice(), [Lzma]);
        assert!(parse(b"gzip", true, 0, 0).list.is_empty());
        assert!(parse(b"identity", false, 3, 0).abnormal);
    }
}
