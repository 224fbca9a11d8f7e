//! Speed of building sets and of searching, by engine and by number of patterns.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use search::{EngineKind, Hits, Pattern, Set};

const COUNTS: [usize; 4] = [22, 82, 344, 1261];

fn main() {
    divan::main();
}

/// A generator of numbers that is the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }
}

const WORDS: [&str; 24] = [
    "User-Agent: ",
    "Content-",
    "/admin",
    "login",
    ".php?",
    "id=",
    "cmd.exe",
    "powershell",
    "SELECT ",
    "UNION",
    "\r\n",
    "HTTP/1.1",
    "Mozilla/",
    "eval(",
    "base64",
    "upload",
    "shell",
    "/etc/passwd",
    "\0\0\0",
    "\u{ff}SMB",
    "X-",
    "gate",
    "token",
    "update",
];

/// What haystacks are made of; some of it is in the patterns as well, as in real traffic.
const TEXT: [&str; 16] = [
    "the ",
    "and ",
    "Accept: */*\r\n",
    "Host: www.example.",
    "com",
    "<div class=\"",
    "function",
    "return ",
    "Connection: keep-alive",
    "image/",
    "width=",
    "Date: Mon, ",
    "HTTP/1.1",
    "\r\n",
    "id=",
    "update",
];

/// Half text from words, half binary, as in the payload rules of public rule sets.
fn piece(random: &mut Random, words: &[&str], len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let is_text = random.below(2) == 0;
    while bytes.len() < len {
        if is_text {
            bytes.extend_from_slice(words[random.below(words.len())].as_bytes());
            bytes.extend((0..random.below(6)).map(|_| b'a' + random.below(26) as u8));
        } else {
            bytes.push(random.below(256) as u8);
            bytes.extend(std::iter::repeat_n(0, random.below(3)));
        }
    }
    bytes.truncate(len);
    bytes
}

fn patterns(count: usize, shortest: usize) -> Vec<Vec<u8>> {
    let mut random = Random(0x5eed);
    (0..count)
        .map(|_| {
            let len = shortest + random.below(16);
            piece(&mut random, &WORDS, len)
        })
        .collect()
}

fn set(patterns: &[Vec<u8>], kind: EngineKind) -> Set {
    let patterns = patterns.iter().enumerate().map(|(id, bytes)| Pattern {
        bytes,
        nocase: id % 3 == 0,
        offset: 0,
        depth: 0,
        id: id as u32,
    });
    Set::build_with(patterns, kind)
}

fn run(bencher: Bencher<'_, '_>, patterns: &[Vec<u8>], kind: EngineKind, len: usize) {
    if !kind.is_available() {
        return;
    }
    let set = set(patterns, kind);
    let mut random = Random(0xfeed);
    let haystacks: Vec<Vec<u8>> =
        (0..(1 << 20) / len.max(64)).map(|_| piece(&mut random, &TEXT, len)).collect();
    let mut hits = Hits::with_capacity(patterns.len());
    let total: usize = haystacks.iter().map(Vec::len).sum();
    bencher.counter(BytesCount::new(total)).counter(ItemsCount::new(haystacks.len())).bench_local(
        || {
            for haystack in &haystacks {
                hits.clear();
                set.search_into(divan::black_box(haystack), &mut hits);
            }
            hits.len()
        },
    );
}

macro_rules! engine_benches {
    ($($module:ident $kind:ident)*) => {$(
        mod $module {
            use super::*;

            #[divan::bench(args = COUNTS)]
            fn packets(bencher: Bencher<'_, '_>, count: usize) {
                run(bencher, &patterns(count, 4), EngineKind::$kind, 1400);
            }

            #[divan::bench(args = COUNTS)]
            fn names(bencher: Bencher<'_, '_>, count: usize) {
                run(bencher, &patterns(count, 4), EngineKind::$kind, 20);
            }

            #[divan::bench(args = COUNTS)]
            fn with_short(bencher: Bencher<'_, '_>, count: usize) {
                run(bencher, &patterns(count, 2), EngineKind::$kind, 1400);
            }
        }
    )*};
}

engine_benches! { scalar Scalar avx2 Avx2 vbmi Vbmi }

#[divan::bench(args = [(EngineKind::Vbmi, 300), (EngineKind::Vbmi, 5000), (EngineKind::Avx2, 300)])]
fn build(bencher: Bencher<'_, '_>, (kind, count): (EngineKind, usize)) {
    let patterns = patterns(count, 2);
    bencher.bench_local(|| set(divan::black_box(&patterns), kind));
}
