//! Speed of loading rules: text to typed rule.

use divan::Bencher;
use divan::counter::ItemsCount;
use rules::{Loader, Settings};

fn main() {
    divan::main();
}

/// Rules of the kinds that real sets consist of.
fn generated(count: usize) -> String {
    let mut text = String::new();
    for n in 0..count {
        let sid = 1_000_000 + n;
        text.push_str(&match n % 3 {
            0 => format!(
                "alert tcp any any -> any 80 (msg:\"web {n}\"; flow:established,to_server; \
                 content:\"/path{n}.php\"; nocase; content:\"id=\"; distance:0; \
                 pcre:\"/id=[0-9]{{{}}}/\"; sid:{sid}; rev:1;)\n",
                1 + n % 9
            ),
            1 => format!(
                "alert udp any any -> any 53 (msg:\"name {n}\"; content:\"|04|n{n}|00|\"; \
                 nocase; threshold:type limit, track by_src, count 1, seconds 60; \
                 sid:{sid}; rev:2;)\n"
            ),
            _ => format!(
                "alert tcp any any -> any any (msg:\"state {n}\"; flow:established; \
                 flowbits:isset,bit{}; dsize:>{}; content:\"|00 01 {:02x}|\"; depth:3; \
                 sid:{sid}; rev:1; metadata:made generated;)\n",
                n % 50,
                n % 1000,
                n % 256
            ),
        });
    }
    text
}

#[divan::bench(args = [300, 3000])]
fn load(bencher: Bencher<'_, '_>, count: usize) {
    let text = generated(count);
    bencher.counter(ItemsCount::new(count)).bench(|| {
        let mut loader = Loader::new(Settings::default());
        loader.load("generated.rules", divan::black_box(text.as_bytes()));
        let loaded = loader.finish();
        assert_eq!((loaded.rules.len(), loaded.failures.len()), (count, 0));
        loaded
    });
}
