//! Bundles as they should be, and as they should not.

use std::fs;
use std::io::Write;
use std::path::Path;

use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::*;
use crate::manifest::{self, Manifest};
use crate::sign::{PublicKeys, SecretKey, generate};

const RULES: &str = "alert ip any any -> any any (sid:1;)\n";

struct Maker {
    secret: SecretKey,
    public: PublicKeys,
    folder: TempDir,
    manifest: Manifest,
}

/// Entries of an archive: kind, path, content, size that is claimed.
type Entries = Vec<(EntryType, String, Vec<u8>, u64)>;

fn maker() -> Maker {
    let pair = generate(None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(manifest::RULES), RULES.repeat(400)).unwrap();
    fs::create_dir(folder.path().join("datasets")).unwrap();
    fs::write(folder.path().join("datasets/bad.lst"), "YmFk\n").unwrap();
    fs::write(folder.path().join("threshold.config"), "").unwrap();
    let manifest = describe(folder.path(), 7, 1_763_800_000, "bateleur 0.1.0").unwrap();
    Maker {
        secret: SecretKey::parse(&pair.secret, None).unwrap(),
        public: PublicKeys::parse(&pair.public).unwrap(),
        folder,
        manifest,
    }
}

impl Maker {
    fn made(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bundle(self.folder.path(), &self.manifest, &self.secret, &mut bytes).unwrap();
        bytes
    }

    fn entries(&self) -> Entries {
        let bytes = self.manifest.to_bytes();
        let signature = self.secret.sign(&bytes, "").unwrap().into_bytes();
        let regular = |path: &str, content: Vec<u8>| {
            let size = content.len() as u64;
            (EntryType::Regular, path.to_owned(), content, size)
        };
        let mut entries = vec![regular(manifest::FILE, bytes), regular(SIGNATURE, signature)];
        let content = |path: &str| fs::read(self.folder.path().join(path)).unwrap();
        let files = self.manifest.files.iter();
        entries.extend(files.map(|file| regular(&file.path, content(&file.path))));
        entries
    }

    fn take(&self, bytes: &[u8], accept: &Accept, limits: &Limits) -> Result<String, String> {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("staged");
        fs::create_dir(&folder).unwrap();
        let taken = unpack(bytes, &self.public, accept, limits, &folder);
        let beside: Vec<_> = fs::read_dir(outer.path()).unwrap().collect();
        assert_eq!(beside.len(), 1, "something lies outside of the folder");
        assert!(!holds_link(&folder), "there is a link");
        match taken {
            Ok(taken) => {
                assert_eq!(taken.manifest, self.manifest);
                for file in &taken.manifest.files {
                    let theirs = fs::read(self.folder.path().join(&file.path)).unwrap();
                    assert_eq!(fs::read(folder.join(&file.path)).unwrap(), theirs);
                }
                Ok(taken.signed.key)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn refuses(&self, entries: &Entries, why: &str) {
        let found = self.take(&archive(entries), &Accept::default(), &Limits::default());
        let found = found.expect_err(why);
        assert!(found.contains(why), "{found:?} does not say {why:?}");
    }
}

fn holds_link(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().flatten().any(|entry| {
        let kind = entry.file_type().unwrap();
        kind.is_symlink() || kind.is_dir() && holds_link(&entry.path())
    })
}

/// Whatever is asked for: names are written as they are.
fn tar_of(entries: &Entries) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, path, content, size) in entries {
        let mut header = Header::new_ustar();
        let name = &mut header.as_old_mut().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(*size);
        header.set_mode(0o644);
        header.set_entry_type(*kind);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        builder.append(&header, content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn squeeze(tar: &[u8]) -> Vec<u8> {
    zstd::encode_all(tar, 3).unwrap()
}

fn archive(entries: &Entries) -> Vec<u8> {
    squeeze(&tar_of(entries))
}

#[test]
fn what_was_packed_is_unpacked() {
    let maker = maker();
    let accept = Accept { hash: Some(maker.manifest.hash()), newest: Some(7) };
    let key = maker.take(&maker.made(), &accept, &Limits::default()).unwrap();
    assert_eq!([key], maker.public.ids()[..]);
    maker.take(&archive(&maker.entries()), &accept, &Limits::default()).unwrap();
    let paths: Vec<_> = maker.manifest.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, [manifest::RULES, "datasets/bad.lst", "threshold.config"]);
}

#[test]
fn the_same_set_gives_the_same_bytes() {
    let maker = maker();
    let signature = maker.secret.sign(&maker.manifest.to_bytes(), "").unwrap();
    let make = |folder: &Path| {
        let mut bytes = Vec::new();
        pack(folder, &maker.manifest, &signature, &mut bytes).unwrap();
        bytes
    };
    let first = make(maker.folder.path());
    // Elsewhere, later, with other rights.
    let other = tempfile::tempdir().unwrap();
    fs::create_dir(other.path().join("datasets")).unwrap();
    for file in maker.manifest.files.iter().rev() {
        let bytes = fs::read(maker.folder.path().join(&file.path)).unwrap();
        fs::write(other.path().join(&file.path), bytes).unwrap();
    }
    assert_eq!(describe(other.path(), 7, 1_763_800_000, "bateleur 0.1.0").unwrap(), maker.manifest);
    assert_eq!(make(other.path()), first);
}

#[test]
fn only_the_bundle_that_was_asked_for_is_taken() {
    let maker = maker();
    let (bytes, limits) = (maker.made(), Limits::default());
    let check = |accept: Accept, why: &str| {
        let found = maker.take(&bytes, &accept, &limits).unwrap_err();
        assert!(found.contains(why), "{found}");
    };
    check(Accept { newest: Some(8), hash: None }, "version 7 is older than 8");
    let other = manifest::Hash::of(b"other");
    check(Accept { hash: Some(other), newest: None }, "this is bundle");
    let stranger = Maker { public: self::maker().public, ..maker };
    let found = stranger.take(&bytes, &Accept::default(), &limits).unwrap_err();
    assert!(found.contains("signed with key"), "{found}");
}

#[test]
fn archives_of_another_form_are_refused() {
    let maker = maker();
    let good = maker.entries();
    let with = |change: &dyn Fn(&mut Entries)| {
        let mut entries = good.clone();
        change(&mut entries);
        entries
    };
    let extra = |path: &str| {
        let entry = (EntryType::Regular, path.to_owned(), b"x".to_vec(), 1);
        move |entries: &mut Entries| entries.push(entry.clone())
    };
    maker.refuses(&Vec::new(), "the end where");
    for path in ["extra.rules", "../escape", "/tmp/escape", "datasets/../../escape"] {
        maker.refuses(&with(&extra(path)), "where the end should be");
    }
    for at in 0..good.len() {
        maker.refuses(&with(&|entries| drop(entries.remove(at))), "should be");
        maker.refuses(&with(&|entries| entries.insert(at, entries[at].clone())), "should be");
        for path in ["../escape", "/tmp/escape", "", "manifest.json/x"] {
            maker.refuses(&with(&|entries| entries[at].1 = path.to_owned()), "should be");
        }
        for kind in [
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Directory,
            EntryType::Fifo,
            EntryType::Char,
            EntryType::Block,
            EntryType::GNULongName,
            EntryType::XHeader,
            EntryType::XGlobalHeader,
            EntryType::GNUSparse,
            EntryType::Continuous,
        ] {
            maker.refuses(&with(&|entries| entries[at].0 = kind), "of kind");
        }
    }
    maker.refuses(&with(&|entries| entries.swap(2, 3)), "should be");
    // Contents under each other's names.
    let swap = |entries: &mut Entries| {
        let content = entries[2].2.clone();
        entries[2].2 = entries[3].2.clone();
        entries[2].3 = entries[2].2.len() as u64;
        entries[3].3 = content.len() as u64;
        entries[3].2 = content;
    };
    maker.refuses(&with(&swap), "not what the manifest says");
    let flip = |entries: &mut Entries| entries[2].2[5] ^= 1;
    maker.refuses(&with(&flip), "not what the manifest says");
    let unsigned = |entries: &mut Entries| entries[0].2[20] ^= 1;
    maker.refuses(&with(&unsigned), "signature");
}

#[test]
fn what_is_cut_short_is_refused_at_every_place() {
    let maker = maker();
    let tar = tar_of(&maker.entries());
    let limits = Limits::default();
    // Two blocks of zeros end an archive; all files are there without them as well.
    for end in (0..=tar.len() - 3 * BLOCK).step_by(BLOCK).chain([1, 511, 700, tar.len() - 1600]) {
        let cut = squeeze(&tar[..end]);
        maker.take(&cut, &Accept::default(), &limits).expect_err(&format!("{end}"));
    }
    let whole = maker.made();
    for end in 0..whole.len() {
        let found = maker.take(&whole[..end], &Accept::default(), &limits);
        found.expect_err(&format!("{end} of {}", whole.len()));
    }
}

#[test]
fn damage_anywhere_is_found() {
    let maker = maker();
    let whole = maker.made();
    let mut unnoticed = 0;
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        // Some bits of a compressed frame mean nothing: what is taken is compared in any case.
        let found = maker.take(&bytes, &Accept::default(), &Limits::default());
        unnoticed += usize::from(found.is_ok());
    }
    assert!(unnoticed * 20 < whole.len(), "{unnoticed} of {}", whole.len());
    for tail in [&b"x"[..], &squeeze(b"x"), &squeeze(&[0; 128 * 1024])] {
        let mut bytes = whole.clone();
        bytes.extend_from_slice(tail);
        assert!(maker.take(&bytes, &Accept::default(), &Limits::default()).is_err());
    }
}

#[test]
fn bombs_do_not_go_off() {
    let maker = maker();
    let good = maker.entries();
    // Claims of a size, without the bytes.
    for size in [1 << 33, u64::from(u32::MAX), 1 << 20] {
        for at in 0..good.len() {
            let mut entries = good.clone();
            entries[at].3 = size;
            let found = maker.take(&archive(&entries), &Accept::default(), &Limits::default());
            found.expect_err("a wrong size");
        }
    }
    // Zeros that take up nothing, at each place.
    for at in 0..3 {
        let mut entries = good.clone();
        entries[at].2 = vec![0; 8 << 20];
        entries[at].3 = 8 << 20;
        let found = maker.take(&archive(&entries), &Accept::default(), &Limits::default());
        found.expect_err("a bomb");
    }
    let limits = Limits { unpacked: 4096, ..Limits::default() };
    let found = maker.take(&maker.made(), &Accept::default(), &limits).unwrap_err();
    assert!(found.contains("more than 4096 bytes"), "{found}");
    let limits = Limits { packed: 300, ..Limits::default() };
    let found = maker.take(&maker.made(), &Accept::default(), &limits).unwrap_err();
    assert!(found.contains("as fetched"), "{found}");
    let limits = Limits { files: 2, ..Limits::default() };
    let found = maker.take(&maker.made(), &Accept::default(), &limits).unwrap_err();
    assert!(found.contains("3 files"), "{found}");
    let limits = Limits { manifest: 100, ..Limits::default() };
    let found = maker.take(&maker.made(), &Accept::default(), &limits).unwrap_err();
    assert!(found.contains("manifest.json of"), "{found}");
    // Memory for reading is limited as well.
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(&tar_of(&good)).unwrap();
    let wide = encoder.finish().unwrap();
    let found = maker.take(&wide, &Accept::default(), &Limits::default());
    found.expect_err("a wide window");
}

#[test]
fn signed_manifests_are_not_believed_in_everything() {
    let check = |change: &dyn Fn(&mut Manifest), why: &str| {
        let mut maker = maker();
        let entries_of = |maker: &Maker| {
            let bytes = maker.manifest.to_bytes();
            let signature = maker.secret.sign(&bytes, "").unwrap().into_bytes();
            let file = |path: &str, bytes: Vec<u8>| {
                let size = bytes.len() as u64;
                (EntryType::Regular, path.to_owned(), bytes, size)
            };
            let mut entries = vec![file(manifest::FILE, bytes), file(SIGNATURE, signature)];
            let content = RULES.repeat(400).into_bytes();
            let files = maker.manifest.files.iter();
            entries.extend(files.map(|record| file(&record.path, content.clone())));
            entries
        };
        maker.manifest.files.truncate(1);
        change(&mut maker.manifest);
        let entries = entries_of(&maker);
        maker.refuses(&entries, why);
    };
    check(&|manifest| manifest.files[0].path = "../a".to_owned(), "not below the folder");
    check(&|manifest| manifest.files[0].path = "/tmp/a".to_owned(), "not below the folder");
    check(&|manifest| manifest.format = 2, "format 2");
    check(&|manifest| manifest.files[0].path = SIGNATURE.to_owned(), "should be");
    let twice = |manifest: &mut Manifest| manifest.files.push(manifest.files[0].clone());
    check(&twice, "exists");
    let within = |manifest: &mut Manifest| {
        let mut below = manifest.files[0].clone();
        below.path = format!("{}/below", below.path);
        manifest.files.push(below);
    };
    check(&within, "bateleur.rules/below");
    let maker = maker();
    let mut entries = maker.entries();
    let plain = serde_json::to_vec(&maker.manifest).unwrap();
    entries[1].2 = maker.secret.sign(&plain, "").unwrap().into_bytes();
    entries[1].3 = entries[1].2.len() as u64;
    entries[0].3 = plain.len() as u64;
    entries[0].2 = plain;
    maker.refuses(&entries, "not written as this program writes it");
}

#[test]
fn what_changed_since_its_manifest_is_not_packed() {
    let maker = maker();
    let path = maker.folder.path().join("threshold.config");
    let pack = || bundle(maker.folder.path(), &maker.manifest, &maker.secret, &mut Vec::new());
    pack().unwrap();
    fs::write(&path, "x").unwrap();
    assert!(matches!(pack(), Err(BundleError::Content(_))));
    fs::write(&path, "").unwrap();
    let rules = maker.folder.path().join(manifest::RULES);
    fs::write(&rules, "A".repeat(RULES.len() * 400)).unwrap();
    assert!(matches!(pack(), Err(BundleError::Content(_))));
    fs::remove_file(&rules).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &rules).unwrap();
    assert!(matches!(pack(), Err(BundleError::File(..))));
}
