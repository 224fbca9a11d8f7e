//! `bateleur rules follow`: keeps the rules of a sensor as its channel says.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;
use supply::bundle::Limits;
use supply::follow::{Follower, Origin, Settings, Step};
use supply::receipt::{is_name, name_of};
use supply::store::Store;

use crate::config::native::Sensor;
use crate::control::rules::Socket;
use crate::control::socket::path_of;
use crate::process::stop::Stop;

use super::{print_json, test};

/// The share of rules that may be refused.
pub(super) const MOST_REFUSED: f64 = 0.05;
/// Looks for a wish to end this often.
const TURN: Duration = Duration::from_millis(200);
const PROGRAM: &str = concat!("bateleur ", env!("CARGO_PKG_VERSION"));

/// Arguments of `rules follow`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct FollowArguments {
    /// Configuration (sensor.yaml): where bundles are, and what rules are tested with.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The control socket of the sensor; by default that of the configuration.
    #[arg(long, value_name = "PATH")]
    control: Option<String>,
    /// A rule server's address, or a folder; instead of `rules.follow.from`.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Instead of `rules.follow.channel`.
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// The file with the public keys, instead of `rules.follow.key`.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The store, instead of `rules.store.directory`.
    #[arg(long, value_name = "DIRECTORY")]
    store: Option<PathBuf>,
    /// The name under which receipts are sent; by default the configuration's, or the host's.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The file with the server's token, instead of `rules.follow.token`.
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// Look this often, instead of `rules.follow.every`.
    #[arg(long, value_name = "SECONDS")]
    every: Option<u64>,
    /// A receipt is sent at least this often.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    sign_of_life: u64,
    /// Nothing older than what was in force is taken, whatever the channel says.
    #[arg(long)]
    never_older: bool,
    /// Look once; the status says whether the bundle that is wanted is in force.
    #[arg(long)]
    once: bool,
    /// Say what each step came to as JSON.
    #[arg(long)]
    json: bool,
}

/// Follows until it is told to end.
pub(in crate::cli) fn run(arguments: &FollowArguments) -> Result<ExitCode> {
    let sensor = Sensor::of(arguments.config.as_deref())?;
    let _log = super::log(&sensor)?;
    let (settings, origin) = settings(arguments, &sensor)?;
    let configured = sensor.capture()?.control;
    let asked = arguments.control.as_deref().map(|name| path_of(Some(name)));
    let Some(socket) = asked.or(configured) else {
        bail!("which sensor is it for? --control names its control socket");
    };
    let stop = Stop::on_signals()?;
    let control = Socket::at(socket);
    let config = arguments.config.as_deref();
    let test = |folder: &Path| test::test(config, folder);
    tracing::info!(
        "channel {} of {} is followed every {} s for sensor {}, into {}",
        settings.channel,
        origin.shown(),
        settings.every.as_secs(),
        settings.sensor,
        settings.store.display()
    );
    let store = settings.store.clone();
    let mut follower = Follower::new(settings, origin, &test, &control);
    let mut is_first = true;
    loop {
        let step = follower.step(now());
        tell(&step, &store, arguments.json, is_first);
        is_first = false;
        if arguments.once {
            let good = matches!(step, Step::Unchanged | Step::Changed(_));
            return Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        // Any number will do that others draw differently.
        let lot = RandomState::new().hash_one(now()) as f64 / u64::MAX as f64;
        let until = Instant::now() + follower.pause(lot);
        while Instant::now() < until {
            if stop.is_wanted() {
                return Ok(ExitCode::SUCCESS);
            }
            thread::sleep(TURN);
        }
    }
}

fn settings(arguments: &FollowArguments, sensor: &Sensor) -> Result<(Settings, Origin)> {
    let follow = sensor.rules.follow.clone().unwrap_or_default();
    let store = sensor.rules.store.clone();
    let Some(from) = arguments.from.clone().or(follow.from.clone()) else {
        bail!("where are bundles? --from or rules.follow.from says");
    };
    let Some(keys) = arguments.key.clone().or(follow.key.clone()) else {
        bail!("who may sign bundles? --key or rules.follow.key names the public keys");
    };
    let directory = arguments.store.clone().or(store.as_ref().map(|s| s.directory.clone()));
    let Some(store_folder) = directory else {
        bail!("where do rules go? --store or rules.store.directory says");
    };
    let channel = arguments.channel.clone().or(follow.channel.clone());
    let channel = channel.unwrap_or_else(|| "default".to_owned());
    let named = arguments.name.clone().or(sensor.name().map(str::to_owned));
    let host = || fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = named.unwrap_or_else(|| name_of(&host()));
    for (text, what) in [(&channel, "a channel"), (&name, "a sensor")] {
        if !is_name(text) {
            bail!("{text:?} is no name of {what}: letters, digits and . - _ : are");
        }
    }
    let token_file = arguments.token.as_ref().or(follow.token.as_ref());
    let token = token_file.map(|path| token(path)).transpose()?;
    let every = arguments.every.map_or_else(|| follow.every(), Duration::from_secs);
    let origin = Origin::new(&from, token, PROGRAM)?;
    let settings = Settings {
        channel,
        sensor: name,
        keys,
        store: store_folder,
        keep: store.map_or(5, |store| store.keep),
        limits: Limits::default(),
        never_older: arguments.never_older || follow.never_older,
        most_refused: MOST_REFUSED,
        every,
        sign_of_life: Duration::from_secs(arguments.sign_of_life),
        patience: Duration::from_secs(if arguments.once { 0 } else { 120 }),
        program: PROGRAM.to_owned(),
    };
    Ok((settings, origin))
}

/// A token from the first line of a file.
pub(super) fn token(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("{}: the token cannot be read", path.display()))?;
    let token = text.lines().next().unwrap_or_default().trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("{}: the first line is no token", path.display());
    }
    Ok(token.to_owned())
}

fn tell(step: &Step, store: &Path, json: bool, is_first: bool) {
    let (word, detail) = match step {
        Step::Unchanged => ("unchanged", String::new()),
        Step::Changed(hash) => ("changed", hash.to_string()),
        Step::Refused(why) => ("refused", why.clone()),
        Step::Failed(why) => ("failed", why.clone()),
    };
    if json {
        print_json(&json!({ "time": now(), "step": word, "detail": detail }));
        return;
    }
    match step {
        // Once is enough to know that it works.
        Step::Unchanged if is_first => {
            tracing::info!("{} is in force, as the channel wants it", bundle(store));
        }
        Step::Unchanged => tracing::debug!("the bundle that is wanted is in force"),
        Step::Changed(_) => tracing::info!("{} is in force", bundle(store)),
        Step::Refused(why) => tracing::warn!("the bundle is not taken: {why}"),
        Step::Failed(why) => tracing::warn!("{why}"),
    }
}

/// The bundle that is current in a store, in words.
fn bundle(store: &Path) -> String {
    match Store::look(store) {
        Ok(Some(set)) => format!("bundle {} (version {})", set.hash.short(), set.manifest.version),
        _ => "the bundle".to_owned(),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
