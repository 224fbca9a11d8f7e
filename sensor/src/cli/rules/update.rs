//! `bateleur rules update`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use supply::apply::{self, Applied, Patience, catch_up, load_or_go_back};
use supply::follow::{self, Control};
use supply::manifest::Hash;
use supply::settings::StoreSettings;
use supply::store::Came;
use supply::update::{Report, Update};

use crate::config::native::Sensor;
use crate::control::rules::Socket;

const PROGRAM: &str = concat!("bateleur/", env!("CARGO_PKG_VERSION"));

/// Arguments of `rules update`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct UpdateArguments {
    /// Configuration (sensor.yaml); without one ET Open in /var/lib/bateleur/rules.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The store, instead of `rules.store.directory`.
    #[arg(long, value_name = "DIRECTORY")]
    store: Option<PathBuf>,
    /// Download everything anew, use rules that were taken back (`rules rollback`) as well, and
    /// write into a store that a follower (`rules.follow`) keeps.
    #[arg(long)]
    force: bool,
    /// Fetch, select and test, but change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Control socket of a running sensor, which then loads the new rules.
    #[arg(long, value_name = "PATH", conflicts_with = "dry_run")]
    control: Option<PathBuf>,
    /// Say only what went otherwise than it should.
    #[arg(long, short)]
    quiet: bool,
    /// Say what it came to as JSON, as `outcome.json` of the store has it.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &UpdateArguments) -> Result<ExitCode> {
    let sensor = super::sensor(arguments.config.as_deref())?;
    let store = store(arguments, &sensor)?;
    let test = |folder: &Path| super::test::load(&sensor, folder);
    let control = arguments.control.clone().map(Socket::at);
    let is_chatty = !arguments.quiet && !arguments.json;
    let tell = |line: &str| {
        if is_chatty {
            // Whoever closed it does not want it.
            let _ = writeln!(io::stderr().lock(), "{line}");
        }
    };
    let had = control.as_ref().and_then(|control| control.in_force().ok()?.bundle);
    let report = Update {
        store: &store,
        settings: &sensor.rules.update,
        program: PROGRAM,
        force: arguments.force,
        in_force: had,
        dry_run: arguments.dry_run,
        pause: Duration::from_secs(1),
        test: &test,
        tell: &tell,
    }
    .run()?;
    report.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let applied = match &control {
        Some(control) => apply(control, &store, &report, had),
        None => Ok(None),
    };
    if arguments.json {
        super::print_json(&match &applied {
            Ok(_) => report.outcome(),
            Err(why) => apply::failed(&store, why),
        });
    } else if is_chatty && applied.is_ok() {
        let _ = io::stdout().lock().write_all(text(&report, arguments.dry_run).as_bytes());
    }
    let number = report.current.as_ref().map_or(0, |current| current.number);
    match applied {
        Ok(Some(Applied::InForce)) if is_chatty => {
            let _ = writeln!(io::stdout(), "the sensor has loaded generation {number}");
        }
        Ok(Some(Applied::AtItsStart(why))) => {
            tracing::warn!("{why}; the sensor loads generation {number} when it starts");
        }
        Ok(_) => {}
        Err(why) => bail!(why),
    }
    Ok(ExitCode::SUCCESS)
}

/// Has the sensor load what is new, or what an update before did not come to have it load.
fn apply(
    control: &Socket,
    store: &StoreSettings,
    report: &Report,
    had: Option<Hash>,
) -> Result<Option<Applied>, String> {
    let Some(current) = &report.current else { return Ok(None) };
    let patience = Patience::default();
    if report.came != Came::Changed {
        return catch_up(control, store, current, &patience);
    }
    // What was current before may be what the sensor has refused.
    let most = report.before.as_ref().map_or(0, |before| before.number);
    let had = apply::known(store, had, most);
    let before = had.as_ref().or(report.before.as_ref());
    load_or_go_back(control, store, current, before, &patience).map(Some)
}

/// Where rules go. A configuration by which a sensor would not load them from there is told at once:
/// nobody would miss them.
fn store(arguments: &UpdateArguments, sensor: &Sensor) -> Result<StoreSettings> {
    let store = super::store(sensor, arguments.store.as_deref());
    if let (Some(config), None, None) = (&arguments.config, &arguments.store, &sensor.rules.store) {
        bail!(
            "{}: no `rules.store` is in it, so that no sensor would load what is fetched; write\n\n\
             rules:\n  store:\n    directory: {}\n\n\
             into it, or name a folder that something else loads (--store)",
            config.display(),
            store.directory.display()
        );
    }
    // The same configuration may be where bundles are made: no follower was in the store there.
    let is_followed = sensor.rules.follow.is_some() && follow::keeps(&store.directory);
    if is_followed && !arguments.force && !arguments.dry_run {
        bail!(
            "{} is kept by a follower (`rules.follow`), which takes signed bundles alone and would \
             undo this at its next look. For new rules: `rules update` and `rules bundle` where \
             bundles are made; to have this sensor fetch by itself, end `rules follow` and take \
             `rules.follow` out of the configuration; --store names another folder; --force writes \
             into this one all the same",
            store.directory.display()
        );
    }
    Ok(store)
}

fn text(report: &Report, dry_run: bool) -> String {
    let tested = &report.tested;
    let state = match (report.came, dry_run) {
        (Came::Unchanged, _) if report.taken_back.is_some() => {
            "the new rules were taken back or refused before and are not used"
        }
        (Came::Unchanged, _) => "nothing new",
        (_, true) => "there are new rules; nothing was changed",
        _ => "new rules are in use",
    };
    let figures = format!(
        "{} loaded, {} refused, {} off, {} twice",
        tested.loaded, tested.refused, report.disabled, report.duplicates
    );
    let difference = report.difference.map_or(String::new(), |than| {
        format!("; {} added, {} removed, {} modified", than.added, than.removed, than.modified)
    });
    let chosen = &report.selected;
    let by_choice: String = [
        (chosen.disabled, "disabled"),
        (chosen.enabled, "enabled"),
        (chosen.dropping, "made to drop"),
        (chosen.modified, "changed"),
        (chosen.needed, "enabled for their flowbits"),
    ]
    .iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!(", {count} {what}"))
    .collect();
    let by_choice = match by_choice.strip_prefix(", ") {
        Some(some) => format!("; by choice {some}"),
        None => String::new(),
    };
    let current = report.current.as_ref().map_or(String::new(), |current| {
        format!(", generation {} ({})", current.number, current.hash.short())
    });
    format!("{state}{current}: {figures}{difference}{by_choice}\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Words {
        #[command(flatten)]
        update: UpdateArguments,
    }

    #[test]
    fn rules_that_nothing_would_load_are_not_fetched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.yaml");
        let check = |text: &str, more: &[&str], expected: Result<&str, &str>| {
            fs::write(&path, text).unwrap();
            let config = path.display().to_string();
            let words = ["update", "--config", &config].into_iter().chain(more.iter().copied());
            let arguments = Words::parse_from(words).update;
            let sensor = Sensor::with(Some(&path), &[]).unwrap();
            let found = store(&arguments, &sensor).map_err(|error| error.to_string());
            match expected {
                Ok(end) => assert!(found.as_ref().unwrap().directory.ends_with(end), "{found:?}"),
                Err(part) => assert!(found.as_ref().unwrap_err().contains(part), "{found:?}"),
            }
        };
        check("name: a\n", &[], Err("gate.yaml: no `rules.store` is in it"));
        check("name: a\n", &[], Err("rules:\n  store:\n    directory: /var/lib/bateleur/rules"));
        check("name: a\n", &["--store", "/x/y"], Ok("x/y"));
        check("rules: {store: {directory: here}}\n", &[], Ok("here"));
        check("rules: {store: {directory: here}}\n", &["--store", "there"], Ok("there"));
        // A follower's store takes no set that nobody signed.
        let followed = "rules: {store: {directory: here}, follow: {from: /srv}}\n";
        check(followed, &[], Ok("here"));
        fs::create_dir(folder.path().join("here")).unwrap();
        fs::write(folder.path().join("here/follow.json"), "{}").unwrap();
        check(followed, &[], Err("here is kept by a follower (`rules.follow`)"));
        check(followed, &["--force"], Ok("here"));
        check(followed, &["--dry-run"], Ok("here"));
        check(followed, &["--store", "there"], Ok("there"));
        check("rules: {store: {directory: here}}\n", &[], Ok("here"));
        let arguments = Words::parse_from(["update"]).update;
        let usual = store(&arguments, &Sensor::default()).unwrap();
        assert_eq!(usual, StoreSettings::default());
    }
}
