//! Bundles, by the first byte: the input as it is; as the archive that is packed; and as what
//! follows a manifest that is signed well, for which the input is the list of files as well.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use supply::bundle::{Accept, Limits, SIGNATURE, peek, unpack};
use supply::manifest;
use supply::sign::{PublicKeys, SecretKey, generate};

const LIMITS: Limits = Limits {
    packed: 1 << 16,
    unpacked: 1 << 18,
    files: 8,
    manifest: 1 << 12,
    path: 60,
    window: 20,
};

static KEYS: LazyLock<(SecretKey, PublicKeys)> = LazyLock::new(|| {
    let pair = generate(None).expect("keys");
    let public = PublicKeys::parse(&pair.public).expect("a key");
    (SecretKey::parse(&pair.secret, None).expect("a key"), public)
});

static FOLDER: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("fuzz-bundle-{}", std::process::id())));

/// An archive that begins as a bundle does: with a manifest that is signed, whatever it says.
fn signed(manifest: &[u8], rest: &[u8]) -> Vec<u8> {
    let signature = KEYS.0.sign(manifest, "").expect("a signature");
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in [(manifest::FILE, manifest), (SIGNATURE, signature.as_bytes())] {
        let mut header = tar::Header::new_ustar();
        header.set_path(path).expect("a path");
        header.set_size(content.len() as u64);
        header.set_cksum();
        archive.append(&header, content).expect("an archive");
    }
    let mut bytes = archive.get_ref().clone();
    bytes.extend_from_slice(rest);
    bytes
}

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let pack = |bytes: &[u8]| zstd::encode_all(bytes, 1).expect("packed");
    let packed = match first {
        b't' => pack(rest),
        b's' => {
            let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            // In one line here, and as it is written there.
            let (line, rest) = rest.split_at(end);
            let manifest = serde_json::from_slice::<manifest::Manifest>(line);
            let manifest = manifest.map_or_else(|_| line.to_vec(), |manifest| manifest.to_bytes());
            pack(&signed(&manifest, rest))
        }
        _ => rest.to_vec(),
    };
    let _ = peek(packed.as_slice(), &LIMITS);
    let inside = FOLDER.join("in");
    let _ = fs::remove_dir_all(&*FOLDER);
    fs::create_dir_all(&inside).expect("a folder");
    let unpacked = unpack(packed.as_slice(), &KEYS.1, &Accept::default(), &LIMITS, &inside);
    let beside = fs::read_dir(&*FOLDER).expect("the folder").count();
    assert_eq!(beside, 1, "something lies outside");
    if let Ok(unpacked) = unpacked {
        for file in &unpacked.manifest.files {
            let about = fs::symlink_metadata(inside.join(&file.path)).expect("a file");
            assert!(about.is_file() && about.len() == file.bytes);
        }
    }
});
