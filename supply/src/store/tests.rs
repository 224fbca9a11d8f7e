//! Tests of the store: what is put is found, what is damaged is not, and crashes leave it usable.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Came, Generation, Outcome, Staged, Store, StoreError};
use crate::manifest::{Counts, FORMAT, Manifest, RULES};

pub(crate) const CRASH_AT: &str = "SUPPLY_TEST_CRASH_AT";
pub(crate) const CRASH_IN: &str = "SUPPLY_TEST_CRASH_IN";

/// Ends the program without any clearing up when a test says so.
pub(crate) fn step() {
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let Ok(at) = std::env::var(CRASH_AT) else { return };
    if PASSED.fetch_add(1, Ordering::Relaxed).to_string() == at {
        std::process::abort();
    }
}

fn manifest(version: u64, staged: &Staged) -> Manifest {
    let rule = format!("alert tcp any any -> any any (sid:{version};)\n");
    let files = vec![
        staged.write(RULES, rule.as_bytes()).unwrap(),
        staged.write("datasets/bad.lst", b"evil\n").unwrap(),
    ];
    Manifest {
        format: FORMAT,
        version,
        created: 1,
        made_by: "test".to_owned(),
        sources: Vec::new(),
        counts: Counts::default(),
        files,
    }
}

fn put(store: &Store, version: u64) -> Generation {
    let staged = store.stage().unwrap();
    let manifest = manifest(version, &staged);
    store.put(staged, manifest).unwrap()
}

fn versions(store: &Store) -> Vec<u64> {
    store.generations().unwrap().iter().map(|generation| generation.manifest.version).collect()
}

fn left_over(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).unwrap().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("staging-")).count()
}

#[test]
fn what_is_put_and_switched_to_is_current() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Store::look(folder.path()).unwrap(), None);
    assert!(Store::list(folder.path()).unwrap().is_empty());
    let store = Store::open(&folder.path().join("a/b"), 5).unwrap();
    let first = put(&store, 1);
    assert_eq!(store.current().unwrap(), None, "put alone changes nothing");
    store.switch(&first).unwrap();
    assert_eq!(store.current().unwrap(), Some(first.clone()));
    assert_eq!(Store::look(store.directory()).unwrap(), Some(first.clone()));
    let again = put(&store, 1);
    assert_eq!(again, first, "the same set is not put twice");
    let second = put(&store, 2);
    assert_eq!((first.number, second.number), (1, 2));
    store.switch(&second).unwrap();
    store.switch(&first).unwrap();
    assert_eq!(store.current().unwrap(), Some(first));
    assert_eq!(versions(&store), [2, 1]);
    assert_eq!(left_over(store.directory()), 0);
}

#[test]
fn old_generations_go_but_not_those_that_matter() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 2).unwrap();
    let all: Vec<_> = (1..=4).map(|version| put(&store, version)).collect();
    store.switch(&all[0]).unwrap();
    assert_eq!(versions(&store), [4, 3, 1], "current is kept whatever its age");
    store.switch(&all[3]).unwrap();
    assert_eq!(versions(&store), [4, 3, 1], "what was current before is kept for the way back");
    let fifth = put(&store, 5);
    store.switch(&fifth).unwrap();
    assert_eq!(versions(&store), [5, 4]);
}

#[test]
fn sets_that_somebody_may_need_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), 2).unwrap();
    let all: Vec<_> = (1..=7).map(|version| put(&store, version)).collect();
    store.switch(&all[4]).unwrap();
    assert_eq!(versions(&store), [7, 6, 5, 4]);
    let eighth = put(&store, 8);
    // What a sensor has in force, and what a follower may go back to.
    store.protect(Some(all[3].hash));
    let notes = format!("{{\"stage\":{{\"is\":\"trying\",\"back\":\"{}\"}}}}", all[4].hash);
    fs::write(folder.path().join(super::NOTES), notes).unwrap();
    store.switch(&eighth).unwrap();
    store.switch(&all[6]).unwrap();
    assert_eq!(versions(&store), [8, 7, 5, 4]);
}

#[test]
fn a_set_that_cannot_be_removed_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 2).unwrap();
    let all: Vec<_> = (1..=5).map(|version| put(&store, version)).collect();
    // Something is in the way of the second one.
    let name = all[1].folder.file_name().unwrap().to_string_lossy().into_owned();
    fs::create_dir_all(folder.path().join(format!("staging-old-{name}")).join("x")).unwrap();
    store.switch(&all[4]).unwrap();
    assert_eq!(store.current().unwrap(), Some(all[4].clone()));
    assert_eq!(versions(&store), [5, 4, 2], "the others are gone");
}

#[test]
fn two_cannot_change_a_store_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = Store::open(folder.path(), 2).unwrap();
    let error = Store::open(folder.path(), 2).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    drop(first);
    Store::open(folder.path(), 2).unwrap();
}

#[test]
fn files_that_are_not_what_the_manifest_says_are_refused() {
    type Spoil = fn(&Path);
    let ways: [(&str, Spoil); 5] = [
        ("other content", |at| {
            fs::write(at.join(RULES), "alert tcp any any -> any any (sid:9;)\n").unwrap()
        }),
        ("shorter", |at| fs::write(at.join(RULES), "").unwrap()),
        ("gone", |at| fs::remove_file(at.join(RULES)).unwrap()),
        ("a folder", |at| {
            fs::remove_file(at.join(RULES)).unwrap();
            fs::create_dir(at.join(RULES)).unwrap();
        }),
        ("a link", |at| {
            fs::rename(at.join(RULES), at.join("other")).unwrap();
            std::os::unix::fs::symlink("other", at.join(RULES)).unwrap();
        }),
    ];
    for (name, spoil) in ways {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), 2).unwrap();
        let good = put(&store, 1);
        store.switch(&good).unwrap();
        let staged = store.stage().unwrap();
        let manifest = manifest(2, &staged);
        spoil(staged.folder());
        assert!(store.put(staged, manifest).is_err(), "{name}");
        assert_eq!(left_over(folder.path()), 0, "{name}");
        let other = put(&store, 3);
        spoil(&other.folder);
        assert!(store.switch(&other).is_err(), "{name}");
        assert_eq!(store.current().unwrap(), Some(good), "{name}");
        let listed = if name == "other content" { vec![3, 1] } else { vec![1] };
        assert_eq!(versions(&store), listed, "{name}");
    }
}

#[test]
fn a_changed_manifest_and_a_link_elsewhere_are_damage() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 2).unwrap();
    let only = put(&store, 1);
    store.switch(&only).unwrap();
    let mut changed = only.manifest.clone();
    changed.version = 77;
    fs::write(only.folder.join("manifest.json"), changed.to_bytes()).unwrap();
    let error = store.current().unwrap_err().to_string();
    assert!(error.contains("manifest was changed"), "{error}");
    fs::remove_file(folder.path().join("current")).unwrap();
    std::os::unix::fs::symlink("/etc", folder.path().join("current")).unwrap();
    let error = store.current().unwrap_err().to_string();
    assert!(error.contains("no generation"), "{error}");
    let next = put(&store, 2);
    assert_eq!(next.number, 2, "a damaged one's number is not used again");
    store.switch(&next).unwrap();
    assert_eq!(store.current().unwrap(), Some(next));
}

#[test]
fn nothing_is_written_outside() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 2).unwrap();
    let staged = store.stage().unwrap();
    for path in ["../x", "/tmp/x", "", "manifest.json", "a/../../x"] {
        assert!(matches!(staged.write(path, b"x"), Err(StoreError::Path(_))), "{path}");
    }
}

#[test]
fn an_outcome_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 2).unwrap();
    assert_eq!(Outcome::read(folder.path()).unwrap(), None);
    let mut outcome = Outcome::now("update", Came::Failed);
    outcome.reason = Some("et-open: 404".to_owned());
    store.record(&outcome).unwrap();
    assert_eq!(Outcome::read(folder.path()).unwrap(), Some(outcome));
}

/// What the program does that is ended: puts a second generation and switches to it, three times,
/// so that pruning happens as well.
#[test]
fn steps_of_a_program_that_may_end() {
    let Ok(directory) = std::env::var(CRASH_IN) else { return };
    let store = Store::open(Path::new(&directory), 2).unwrap();
    for version in 2..=4 {
        let next = put(&store, version);
        store.switch(&next).unwrap();
        store.record(&Outcome::now("update", Came::Changed)).unwrap();
    }
}

#[test]
fn a_crash_at_any_step_leaves_a_usable_store() {
    let program = std::env::current_exe().unwrap();
    for at in 0..1000 {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), 2).unwrap();
        let first = put(&store, 1);
        store.switch(&first).unwrap();
        drop(store);
        let output = Command::new(&program)
            .args(["--exact", "store::tests::steps_of_a_program_that_may_end"])
            .env(CRASH_IN, folder.path())
            .env(CRASH_AT, at.to_string())
            .output()
            .unwrap();
        // Whoever only reads finds a whole set at once, whatever lies about.
        let found = Store::look(folder.path()).unwrap().unwrap();
        found.verify().unwrap();
        assert!((1..=4).contains(&found.manifest.version));
        let store = Store::open(folder.path(), 2).unwrap();
        assert_eq!(left_over(folder.path()), 0, "step {at}");
        for generation in store.generations().unwrap() {
            generation.verify().unwrap();
        }
        let next = put(&store, 9);
        store.switch(&next).unwrap();
        assert_eq!(store.current().unwrap(), Some(next));
        assert!(store.generations().unwrap().len() <= 3, "step {at}");
        if output.status.success() {
            assert_eq!(found.manifest.version, 4);
            assert!(at > 20, "only {at} steps crashed");
            return;
        }
    }
    panic!("the program never came to its end");
}
