//! Keys and signatures of rules: no bytes are a signature but the one that the key made.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use supply::sign::{PublicKeys, SecretKey, generate};

const TEXT: &[u8] = b"{\"format\":1}\n";

/// A public key and its signature of the text.
static GOOD: LazyLock<(PublicKeys, String)> = LazyLock::new(|| {
    let pair = generate(None).expect("keys");
    let secret = SecretKey::parse(&pair.secret, None).expect("a key");
    let public = PublicKeys::parse(&pair.public).expect("a key");
    (public, secret.sign(TEXT, "version 7").expect("a signature"))
});

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let (public, good) = &*GOOD;
    let text = String::from_utf8_lossy(rest);
    match first {
        b'k' => {
            if let Ok(keys) = PublicKeys::parse(&text) {
                assert!(!keys.ids().is_empty());
                assert!(keys.verify(TEXT, good).is_err());
            }
        }
        b's' => drop(SecretKey::parse(&text, None)),
        // Lines of the good one, of which one is replaced.
        line @ 0..4 => {
            let mut lines: Vec<&str> = good.lines().collect();
            lines[usize::from(*line)] = &text;
            if *line > 0 && lines != good.lines().collect::<Vec<_>>() {
                let changed = lines.join("\n");
                let is_same = changed.lines().skip(1).map(str::trim).eq(good.lines().skip(1));
                assert!(public.verify(TEXT, &changed).is_err() || is_same);
            }
        }
        _ => assert!(public.verify(TEXT, &text).is_err()),
    }
});
