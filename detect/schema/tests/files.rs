//! The files made from the tables are those in the repository.

#![allow(clippy::unwrap_used, reason = "the helpers of tests may unwrap like the tests")]

use std::fs;
use std::path::{Path, PathBuf};

const HOW: &str = "UPDATE_SCHEMA=1 cargo test -p schema, or ./run schema";

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn update() -> bool {
    std::env::var_os("UPDATE_SCHEMA").is_some()
}

/// The file has this text, or gets it.
fn settle(path: &Path, text: &str) {
    let known = fs::read_to_string(path).unwrap_or_default();
    if update() && known != text {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        return;
    }
    assert!(known == text, "{} is out of date: {HOW}", path.display());
}

#[test]
fn promises_are_kept() {
    let path = here("schema.lock");
    let (known, new) = (fs::read_to_string(&path).unwrap_or_default(), schema::lock::lines());
    let wrong = schema::lock::objections(&known, &new);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    settle(&path, &new);
}

#[test]
fn files_are_up_to_date() {
    let wrong = schema::lock::objections(
        &fs::read_to_string(here("schema.lock")).unwrap_or_default(),
        &schema::lock::lines(),
    );
    // Nothing is written before the version is right.
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (name, text) in schema::files() {
        settle(&here("../../deploy/schema").join(name), &text);
    }
}
