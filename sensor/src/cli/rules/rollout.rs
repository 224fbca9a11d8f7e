//! `bateleur rules rollout`: watches and drives roll-outs, by a rule server or in its folder.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use supply::follow::{Origin, OriginError};
use supply::receipt::State;
use supply::rollout::{Plan, Rollout};
use supply::server::{Desk, Kept, Order};

use super::{print_json, print_line};

/// What is to be done.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum RolloutCommand {
    /// Say how far it is, and what sensors say.
    Status(Where),
    /// Begin to give sensors a bundle, in stages.
    Start {
        /// The bundle's sum as `rules bundle` says it, or a beginning that no other has.
        #[arg(long, value_name = "HASH")]
        bundle: String,
        /// Shares of sensors in percent.
        #[arg(long, value_name = "LIST", default_value = "10,50,100")]
        stages: String,
        /// All of a stage must have it for so long before the next stage begins.
        #[arg(long, value_name = "SECONDS", default_value_t = 300)]
        soak: u64,
        /// So many failed sensors stop it.
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        failures: u32,
        /// A sensor that should have it and says nothing for so long has failed.
        #[arg(long, value_name = "SECONDS", default_value_t = 900)]
        silence: u64,
        #[command(flatten)]
        place: Where,
    },
    /// Nobody else gets the bundle.
    Stop(Where),
    /// Go on where it was stopped; sensors try again what they refused.
    Resume(Where),
    /// Everybody goes to the bundle before.
    Back(Where),
}

/// Whose roll-outs.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Where {
    /// The rule server's address, e.g. `http://bateleur-rules:8480`.
    #[arg(long, value_name = "ADDRESS", required_unless_present = "directory")]
    server: Option<String>,
    /// The folder of a rule server that does not run.
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "server")]
    directory: Option<PathBuf>,
    /// The channel.
    #[arg(long, value_name = "NAME", default_value = "default")]
    channel: String,
    /// The file with the server's token.
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// Say it as JSON.
    #[arg(long)]
    json: bool,
}

/// Does it, and says how the roll-out stands then.
pub(in crate::cli) fn run(command: &RolloutCommand) -> Result<ExitCode> {
    let (place, order) = match command {
        RolloutCommand::Status(place) => (place, None),
        RolloutCommand::Stop(place) => (place, Some(Order::Stop)),
        RolloutCommand::Resume(place) => (place, Some(Order::Resume)),
        RolloutCommand::Back(place) => (place, Some(Order::Back)),
        RolloutCommand::Start { bundle, stages, soak, failures, silence, place } => {
            let plan = Plan {
                stages: Plan::stages(stages)?,
                soak: *soak,
                failures: *failures,
                silence: *silence,
                ..Plan::default()
            };
            plan.check()?;
            (place, Some(Order::Start { bundle: bundle.clone(), plan }))
        }
    };
    let found = match (&place.server, &place.directory) {
        (Some(server), _) => ask(server, place, order)?,
        (None, Some(directory)) => look(directory, place, order)?,
        (None, None) => bail!("--server or --directory says whose roll-outs"),
    };
    match found {
        Found::Rollout(rollout) if place.json => print_json(&rollout),
        Found::Rollout(rollout) => tell(&rollout),
        Found::Receipts(mut all) => {
            all.retain(|kept| kept.receipt.channel == place.channel);
            match place.json {
                true => print_json(&json!({ "channel": place.channel, "receipts": all })),
                false => standing(&place.channel, &all).iter().for_each(|line| print_line(line)),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is known of a channel.
#[derive(Debug)]
enum Found {
    Rollout(Box<Rollout>),
    /// There is no roll-out, but sensors say what they have.
    Receipts(Vec<Kept>),
}

/// In the folder of a server that does not run.
fn look(directory: &Path, place: &Where, order: Option<Order>) -> Result<Found> {
    let mut desk = Desk::open(directory, now())?;
    if let Some(order) = order {
        return Ok(Found::Rollout(Box::new(desk.order(&place.channel, order, now())?.clone())));
    }
    Ok(match desk.rollout(&place.channel) {
        Some(rollout) => Found::Rollout(Box::new(rollout.clone())),
        None => Found::Receipts(desk.receipts().cloned().collect()),
    })
}

fn ask(server: &str, place: &Where, order: Option<Order>) -> Result<Found> {
    let token = place.token.as_deref().map(super::follow::token).transpose()?;
    let program = concat!("bateleur ", env!("CARGO_PKG_VERSION"));
    let origin = Origin::new(server, token, program)?;
    let order = order.map(|order| serde_json::to_vec(&order)).transpose()?;
    let answer = origin.ask(&format!("/v1/rollouts/{}", place.channel), order.as_deref());
    match answer {
        Err(OriginError::Status(_, 404, _)) if order.is_none() => {
            let answer = origin.ask("/v1/receipts", None)?;
            Ok(Found::Receipts(serde_json::from_slice(&answer).context("the server's answer")?))
        }
        answer => {
            let rollout = serde_json::from_slice(&answer?).context("the server's answer")?;
            Ok(Found::Rollout(Box::new(rollout)))
        }
    }
}

/// What sensors said last, a line each.
fn standing(channel: &str, all: &[Kept]) -> Vec<String> {
    let mut lines = vec![match all.is_empty() {
        true => format!("channel {channel}: no roll-out, and no sensor has said what it has"),
        false => format!("channel {channel}: no roll-out; sensors have"),
    }];
    lines.extend(all.iter().map(|Kept { heard, receipt }| {
        let version = receipt.version.map_or(String::new(), |one| format!(" (version {one})"));
        let has = receipt.bundle.map_or_else(|| "no bundle".to_owned(), |hash| hash.short());
        let wants = match receipt.state {
            State::InForce => String::new(),
            state => {
                let wanted = receipt.wanted.short();
                format!("; {wanted} {}: {}", state.word(), receipt.reason)
            }
        };
        let heard = super::moment(*heard);
        format!("  {}: {has}{version}, heard at {heard}{wants}", receipt.sensor)
    }));
    lines
}

fn tell(rollout: &Rollout) {
    let (stage, stages) = (rollout.stage + 1, rollout.plan.stages.len());
    let (next, version) = (rollout.next.bundle.short(), rollout.next.version);
    print_line(&format!(
        "channel {}: bundle {next} (version {version}) is {}, stage {stage} of {stages} ({} %)",
        rollout.channel,
        rollout.state.word(),
        rollout.percent(),
    ));
    if !rollout.reason.is_empty() {
        print_line(&format!("reason: {}", rollout.reason));
    }
    for (name, says) in rollout.standing() {
        print_line(&format!("  {name}: {says}"));
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use supply::manifest::Hash;
    use supply::receipt::Receipt;
    use supply::server::{Limits, Server, Settings};

    use super::*;

    #[derive(Debug, Parser)]
    struct Words {
        #[command(subcommand)]
        command: RolloutCommand,
    }

    /// Without a roll-out there is what sensors say, in a server's folder and from a server.
    #[test]
    fn what_sensors_have_is_told_without_a_roll_out() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (Hash::of(b"1"), Hash::of(b"2"));
        let receipt = format!(
            "{{\"sensor\":\"s1\",\"channel\":\"default\",\"bundle\":\"{one}\",\"version\":7,\
             \"state\":\"refused\",\"reason\":\"no $X\",\"wanted\":\"{two}\"}}"
        );
        let receipt = Receipt::parse(receipt.as_bytes()).unwrap();
        let server = Server::start(Settings {
            directory: folder.path().to_path_buf(),
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            token: None,
            limits: Limits::default(),
        })
        .unwrap();
        let address = format!("http://{}", server.addresses()[0]);
        let body = serde_json::to_vec(&receipt).unwrap();
        Origin::new(&address, None, "test").unwrap().ask("/v1/receipts", Some(&body)).unwrap();
        let place = |words: &[&str]| {
            let words = ["rollout", "status"].iter().chain(words);
            match Words::parse_from(words).command {
                RolloutCommand::Status(place) => place,
                other => panic!("{other:?}"),
            }
        };
        let check = |found: Found| {
            let Found::Receipts(all) = found else { panic!("{found:?}") };
            let lines = standing("default", &all);
            assert_eq!(lines[0], "channel default: no roll-out; sensors have");
            let begin = format!("  s1: {} (version 7), heard at 20", one.short());
            let end = format!("; {} refused: no $X", two.short());
            assert!(lines[1].starts_with(&begin) && lines[1].ends_with(&end), "{}", lines[1]);
        };
        let server_place = place(&["--server", &address]);
        check(ask(&address, &server_place, None).unwrap());
        assert!(ask(&address, &server_place, Some(Order::Stop)).is_err());
        run(&RolloutCommand::Status(server_place)).unwrap();
        drop(server);
        let at = folder.path().display().to_string();
        check(look(folder.path(), &place(&["--directory", &at]), None).unwrap());
    }
}
