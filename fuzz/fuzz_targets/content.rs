//! The content engine: the first piece is a rule's options, the others are what they run on.
#![no_main]

use engine::Resources;
use engine::content::{Data, Program, Scratch};
use libfuzzer_sys::fuzz_target;
use rules::{Loader, Settings};

fuzz_target!(|data: &[u8]| {
    let mut pieces = fuzz::pieces(data);
    let Some(options) = pieces.next().and_then(|(_, piece)| std::str::from_utf8(piece).ok()) else {
        return;
    };
    if options.contains(['\n', '\r']) {
        return;
    }
    let mut loader = Loader::new(Settings::default());
    let text = format!("alert tcp any any -> any any ({options} sid:1;)");
    loader.load("fuzz.rules", text.as_bytes());
    let loaded = loader.finish();
    let Some(rule) = loaded.rules.first() else { return };
    let mut resources = Resources::without_files();
    let programs: Vec<Program> = rule
        .buffers
        .iter()
        .filter_map(|buffer| Program::compile(&buffer.ops, rule, &mut resources).ok())
        .collect();
    let mut scratch = Scratch::new(3_000, (3_500, 1_500));
    for (_, haystack) in pieces {
        scratch.begin_rule();
        for program in &programs {
            program.run(&Data::whole(haystack), &mut scratch);
        }
    }
});
