//! Channels name bundles that are there, and what is in use is not removed.

use super::*;
use crate::bundle::{bundle, describe};
use crate::sign::{SecretKey, generate};

fn add(layout: &Layout, version: u64) -> Hash {
    let key = SecretKey::parse(&generate(None).unwrap().secret, None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bateleur.rules"), format!("# {version}\n")).unwrap();
    let manifest = describe(folder.path(), version, 1, "test").unwrap();
    let hash = manifest.hash();
    let write = |to: &mut dyn Write| bundle(folder.path(), &manifest, &key, to).map(drop);
    layout.add(&hash, write).unwrap();
    hash
}

#[test]
fn channels_name_bundles_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::at(folder.path());
    assert_eq!(layout.channel("default").unwrap(), None);
    let missing = Hash::of(b"");
    assert!(matches!(layout.publish("default", &missing, false), Err(LayoutError::Missing(_))));
    let (one, two) = (add(&layout, 1), add(&layout, 2));
    layout.publish("default", &one, false).unwrap();
    let second = layout.publish("default", &two, false).unwrap();
    assert_eq!((second.version, second.previous), (2, Some(one)));
    assert_eq!(layout.publish("default", &two, false).unwrap().previous, Some(one));
    let older = layout.publish("default", &one, false);
    assert!(matches!(older, Err(LayoutError::Older { found: 1, newest: 2, .. })), "{older:?}");
    let back = layout.publish("default", &one, true).unwrap();
    assert!(back.allow_older);
    assert_eq!(layout.channel("default").unwrap(), Some(back.clone()));
    assert_eq!(layout.channels(), [back]);
    for name in ["", "../x", "a/b", ".x"] {
        assert!(matches!(layout.channel(name), Err(LayoutError::Name(_))), "{name}");
    }
}

#[test]
fn the_highest_version_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::at(folder.path());
    let newest = || {
        let (version, manifest) = layout.newest().unwrap();
        (version, manifest.map(|manifest| manifest.version))
    };
    assert_eq!(newest(), (0, None));
    let three = add(&layout, 3);
    add(&layout, 2);
    assert_eq!(newest(), (3, Some(3)));
    fs::write(layout.bundle_file(&Hash::of(b"")), "damaged").unwrap();
    assert_eq!(newest(), (3, Some(3)));
    layout.publish("default", &three, false).unwrap();
    fs::remove_file(layout.bundle_file(&three)).unwrap();
    assert_eq!(newest(), (3, None), "its number is not used again");
}

#[test]
fn files_that_are_no_channel_are_refused() {
    let text = |format: u32, name: &str| {
        let hash = Hash::of(b"");
        format!(
            "{{\"format\":{format},\"channel\":\"{name}\",\"bundle\":\"{hash}\",\"version\":1}}"
        )
    };
    assert!(Channel::parse(text(1, "a").as_bytes(), "a").is_ok());
    for (bytes, why) in [
        (text(2, "a"), "format 2"),
        (text(1, "b"), "another channel"),
        (text(1, "a").replace("bundle", "x"), "bundle"),
        (String::new(), "EOF"),
    ] {
        let error = Channel::parse(bytes.as_bytes(), "a").unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn old_bundles_go_but_not_those_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::at(folder.path());
    let all: Vec<Hash> = (1..=6)
        .map(|version| {
            let hash = add(&layout, version);
            let file = File::options().write(true).open(layout.bundle_file(&hash)).unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(version);
            file.set_modified(time).unwrap();
            hash
        })
        .collect();
    layout.publish("default", &all[0], false).unwrap();
    layout.publish("default", &all[1], false).unwrap();
    // A roll-out of a channel that nobody had before has no channel's file.
    fs::create_dir_all(folder.path().join(ROLLOUTS)).unwrap();
    let text = format!("{{\"next\":{{\"bundle\":\"{}\"}}}}", all[2]);
    fs::write(layout.rollout_file("other"), text).unwrap();
    let gone = layout.prune(2).unwrap();
    assert_eq!(gone, [layout.bundle_file(&all[3])]);
    for hash in [all[0], all[1], all[2], all[4], all[5]] {
        assert!(layout.bundle_file(&hash).exists());
    }
    let names = fs::read_dir(folder.path().join(BUNDLES)).unwrap().flatten();
    let rest = names.filter(|name| name.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(rest.count(), 0, "unfinished files");
}

/// Containers on one volume may have the same process id.
#[test]
fn two_that_write_one_file_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json");
    let put = |file: &mut File, text: &[u8]| {
        file.write_all(text).map_err(|error| LayoutError::File(path.clone(), error))
    };
    replace(&path, |file| {
        put(file, b"the first ")?;
        replace(&path, |other| put(other, b"the second"))?;
        put(file, b"one")
    })
    .unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"the first one");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left lying");
}

#[test]
fn bundles_are_found_by_what_their_sums_begin_with() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::at(folder.path());
    let find = |text: &str| layout.find(text).map_err(|error| error.to_string());
    assert!(find("abcd").unwrap_err().contains("no bundle whose sum begins with abcd"));
    let digits = |begin: &str| format!("{begin}{}", "0".repeat(64 - begin.len()));
    let hashes = ["abcd1", "abcd2", "ef01"].map(|begin| Hash::parse(&digits(begin)).unwrap());
    fs::create_dir_all(folder.path().join(BUNDLES)).unwrap();
    for hash in &hashes {
        fs::write(layout.bundle_file(hash), "").unwrap();
    }
    assert_eq!(find("abcd2"), Ok(hashes[1]));
    assert_eq!(find("ABCD2"), Ok(hashes[1]));
    assert_eq!(find("ef01"), Ok(hashes[2]));
    let several = find("abcd").unwrap_err();
    assert!(
        several.contains("abcd10000000, abcd20000000")
            || several.contains("abcd20000000, abcd10000000"),
        "{several}"
    );
    let whole = digits("77");
    assert_eq!(find(&whole), Ok(Hash::parse(&whole).unwrap()), "it need not lie here");
    for text in ["", "abc", "nonsense", "../x", &"a".repeat(65)] {
        assert!(find(text).unwrap_err().contains("is no beginning"), "{text}");
    }
}
