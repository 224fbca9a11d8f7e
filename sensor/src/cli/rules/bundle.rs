//! `bateleur rules bundle`: a set of rules as a signed bundle in a layout.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;
use supply::bundle::{self, Limits, describe, source_date};
use supply::layout::Layout;
use supply::manifest::{self, Manifest};
use supply::sign::{self, SecretKey};
use supply::store::Store;

use super::{print_json, print_line, test};

/// Arguments of `rules bundle`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct BundleArguments {
    /// Pack the set that is current in this store.
    #[arg(
        long,
        value_name = "DIRECTORY",
        required_unless_present = "from",
        conflicts_with = "from"
    )]
    store: Option<PathBuf>,
    /// Pack this folder: bateleur.rules, and what it needs.
    #[arg(long, value_name = "DIRECTORY")]
    from: Option<PathBuf>,
    /// The secret key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The password of the key is the first line of this file.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The folder with the layout that sensors or a rule server take bundles from.
    #[arg(long, value_name = "DIRECTORY")]
    out: PathBuf,
    /// Have this channel name the bundle, for all of its sensors at once.
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// Sensors may go back to it from a newer one.
    #[arg(long, requires = "channel")]
    allow_older: bool,
    /// The version; by default that of the store's set, and for a folder one more than the highest
    /// of the layout's bundles and channels.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    version: Option<u64>,
    /// Configuration (sensor.yaml) with which the rules of a folder are tested.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Do not test whether the rules of a folder load.
    #[arg(long)]
    no_test: bool,
    /// Then remove old bundles but for so many, and those that channels name.
    #[arg(long, value_name = "NUMBER")]
    prune: Option<usize>,
    /// Say what was made as JSON.
    #[arg(long)]
    json: bool,
}

/// Packs, signs and adds.
pub(in crate::cli) fn run(arguments: &BundleArguments) -> Result<ExitCode> {
    let password = arguments.password_file.as_deref().map(sign::password).transpose()?;
    let key = SecretKey::read(&arguments.key, password)?;
    let layout = Layout::at(&arguments.out);
    let (folder, manifest) = set(arguments, &layout)?;
    let hash = manifest.hash();
    let is_there = is_there(&layout, &manifest, &key);
    if !is_there {
        let write = |to: &mut dyn Write| bundle::bundle(&folder, &manifest, &key, to).map(drop);
        layout.add(&hash, write)?;
    }
    let path = layout.bundle_file(&hash);
    if let Some(channel) = &arguments.channel {
        layout.publish(channel, &hash, arguments.allow_older)?;
    }
    let pruned = match arguments.prune {
        Some(keep) => layout.prune(keep)?.len(),
        None => 0,
    };
    let bytes = fs::metadata(&path).map(|about| about.len()).unwrap_or_default();
    if arguments.json {
        print_json(&json!({
            "bundle": hash, "version": manifest.version, "file": path, "bytes": bytes,
            "made": !is_there, "channel": arguments.channel, "pruned": pruned,
        }));
    } else {
        let what = if is_there { "is there already" } else { "made" };
        let version = manifest.version;
        print_line(&format!("bundle {hash} (version {version}, {bytes} bytes) {what}"));
        if let Some(channel) = &arguments.channel {
            print_line(&format!("channel {channel} names it"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The folder and manifest of what is to be packed.
fn set(arguments: &BundleArguments, layout: &Layout) -> Result<(PathBuf, Manifest)> {
    let numbered = |mut manifest: Manifest| {
        manifest.version = arguments.version.unwrap_or(manifest.version);
        manifest
    };
    if let Some(store) = &arguments.store {
        let Some(current) = Store::look(store)? else {
            bail!("{}: no set of rules is current in this store", store.display());
        };
        return Ok((current.folder, numbered(current.manifest)));
    }
    let folder = arguments.from.clone().unwrap_or_default();
    // One that has a manifest was made by `rules update`, and keeps it.
    let path = folder.join(manifest::FILE);
    match fs::read(&path) {
        Ok(bytes) => {
            let manifest = Manifest::parse(&bytes).with_context(|| path.display().to_string())?;
            return Ok((folder, numbered(manifest)));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    }
    let manifest = described(arguments, layout, &folder)?;
    tested(arguments, &folder, manifest)
}

/// The manifest of a folder that has none. The same files as in the newest bundle are that bundle
/// once more; others have a higher version than all that sensors may have in force.
fn described(arguments: &BundleArguments, layout: &Layout, folder: &Path) -> Result<Manifest> {
    let (highest, newest) = layout.newest()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let version = arguments.version.unwrap_or_else(|| highest.saturating_add(1));
    let program = concat!("bateleur ", env!("CARGO_PKG_VERSION"));
    let manifest = describe(folder, version, source_date(now.as_secs()), program)?;
    let same = newest.filter(|newest| newest.same_content(&manifest));
    Ok(same.filter(|_| arguments.version.is_none()).unwrap_or(manifest))
}

/// With what the test before use says.
fn tested(
    arguments: &BundleArguments,
    folder: &Path,
    mut manifest: Manifest,
) -> Result<(PathBuf, Manifest)> {
    let rules = folder.join(manifest::RULES);
    if !rules.is_file() {
        bail!("{}: there is no such file; rules of a bundle are in it", rules.display());
    }
    if !arguments.no_test {
        let tested = test::test(arguments.config.as_deref(), folder)
            .and_then(|tested| tested.good_enough(super::follow::MOST_REFUSED).map(|()| tested))
            .map_err(anyhow::Error::msg)
            .context("test before use (--no-test leaves it out)")?;
        (manifest.counts.loaded, manifest.counts.refused) = (tested.loaded, tested.refused);
    }
    Ok((folder.to_path_buf(), manifest))
}

/// The same set by the same key: signatures are never the same twice, so that a bundle that is
/// there stays, byte by byte.
fn is_there(layout: &Layout, manifest: &Manifest, key: &SecretKey) -> bool {
    let Ok(file) = fs::File::open(layout.bundle_file(&manifest.hash())) else { return false };
    let Ok(keys) = key.public() else { return false };
    bundle::check(file, &keys, &Limits::default()).is_ok_and(|hash| hash == manifest.hash())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Words {
        #[command(flatten)]
        bundle: BundleArguments,
    }

    #[test]
    fn versions_of_folders_rise() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        sign::generate(None).unwrap().write(at("a.key").as_ref(), at("a.pub").as_ref()).unwrap();
        fs::create_dir(at("rules")).unwrap();
        let (rules, key, out) = (at("rules"), at("a.key"), at("out"));
        let bundle = |text: &str, more: &[&str]| {
            fs::write(Path::new(&rules).join("bateleur.rules"), text).unwrap();
            let words = ["bundle", "--from", &rules, "--key", &key, "--out", &out, "--no-test"];
            let words = words.into_iter().chain(more.iter().copied());
            run(&Words::parse_from(words).bundle).map_err(|error| format!("{error:#}"))?;
            Ok::<_, String>(Layout::at(Path::new(&out)).newest().unwrap().0)
        };
        assert_eq!(bundle("# 1", &[]), Ok(1));
        assert_eq!(bundle("# 1", &[]), Ok(1), "it is there already");
        assert_eq!(bundle("# 2", &[]), Ok(2));
        assert_eq!(bundle("# 3", &["--channel", "default"]), Ok(3));
        assert_eq!(bundle("# 4", &["--version", "9"]), Ok(9));
        assert_eq!(bundle("# 1", &[]), Ok(10), "older files are news again");
        let error = bundle("# 5", &["--channel", "default", "--version", "2"]).unwrap_err();
        assert!(error.contains("version 2 is older than 3"), "{error}");
        assert_eq!(
            bundle("# 5", &["--channel", "default", "--version", "2", "--allow-older"]),
            Ok(10)
        );
    }
}
