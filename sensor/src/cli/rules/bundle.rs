//! `bateleur rules bundle`: a set of rules as a signed bundle in a layout.

use std::fs;
use std::io::Write;
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
    /// The version of a folder's set; by default one more than the channel's, or 1.
    #[arg(long, value_name = "NUMBER", conflicts_with = "store")]
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
    if let Some(store) = &arguments.store {
        let Some(current) = Store::look(store)? else {
            bail!("{}: no set of rules is current in this store", store.display());
        };
        return Ok((current.folder, current.manifest));
    }
    let folder = arguments.from.clone().unwrap_or_default();
    let channel = match &arguments.channel {
        Some(name) => layout.channel(name)?,
        None => None,
    };
    // One that has a manifest was made by `rules update`, and keeps it.
    let manifest = match fs::read(folder.join(manifest::FILE)) {
        Ok(bytes) => {
            return Ok((folder, Manifest::parse(&bytes)?));
        }
        Err(_) => {
            let next = channel.map_or(1, |channel| channel.version.saturating_add(1));
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let version = arguments.version.unwrap_or(next);
            let created = source_date(now.as_secs());
            let program = concat!("bateleur ", env!("CARGO_PKG_VERSION"));
            describe(&folder, version, created, program)?
        }
    };
    tested(arguments, &folder, manifest)
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
