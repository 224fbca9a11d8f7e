//! The rule parser: the input is a rules file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules::{Loader, Settings};

fuzz_target!(|data: &[u8]| {
    let mut loader = Loader::new(Settings::default());
    loader.load("fuzz.rules", data);
    let loaded = loader.finish();
    for failure in &loaded.failures {
        assert!(!failure.error.message.is_empty());
        assert!(failure.column() >= 1);
    }
});
