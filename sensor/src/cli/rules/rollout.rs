//! `bateleur rules rollout`: watches and drives roll-outs, by a rule server or in its folder.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use supply::follow::Origin;
use supply::manifest::Hash;
use supply::rollout::{Plan, Rollout};
use supply::server::{Desk, DeskError, Order};

use super::{print_json, print_line};

/// What is to be done.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum RolloutCommand {
    /// Say how far it is, and what sensors say.
    Status(Where),
    /// Begin to give sensors a bundle, in stages.
    Start {
        /// The bundle's sum, as `rules bundle` says it.
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
            let Some(bundle) = Hash::parse(bundle) else {
                bail!("--bundle: {bundle:?} is no sum of a bundle: 64 hexadecimal digits");
            };
            let plan = Plan {
                stages: Plan::stages(stages)?,
                soak: *soak,
                failures: *failures,
                silence: *silence,
                ..Plan::default()
            };
            plan.check()?;
            (place, Some(Order::Start { bundle, plan }))
        }
    };
    let rollout = match (&place.server, &place.directory) {
        (Some(server), _) => ask(server, place, order)?,
        (None, Some(directory)) => {
            let mut desk = Desk::open(directory, now())?;
            match order {
                Some(order) => desk.order(&place.channel, order, now())?.clone(),
                None => match desk.rollout(&place.channel) {
                    Some(rollout) => rollout.clone(),
                    None => return Err(DeskError::NoRollout(place.channel.clone()).into()),
                },
            }
        }
        (None, None) => bail!("--server or --directory says whose roll-outs"),
    };
    if place.json {
        print_json(&rollout);
    } else {
        tell(&rollout);
    }
    Ok(ExitCode::SUCCESS)
}

fn ask(server: &str, place: &Where, order: Option<Order>) -> Result<Rollout> {
    let token = place.token.as_deref().map(super::follow::token).transpose()?;
    let program = concat!("bateleur ", env!("CARGO_PKG_VERSION"));
    let origin = Origin::new(server, token, program)?;
    let order = order.map(|order| serde_json::to_vec(&order)).transpose()?;
    let answer = origin.ask(&format!("/v1/rollouts/{}", place.channel), order.as_deref())?;
    serde_json::from_slice(&answer).context("the server's answer")
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
    for (name, sensor) in &rollout.sensors {
        let state = match sensor {
            _ if sensor.has => "in force".to_owned(),
            _ if sensor.failure.is_some() => sensor.failure.clone().unwrap_or_default(),
            _ if sensor.told => "told to take it".to_owned(),
            _ if sensor.due.is_some() => "has not asked".to_owned(),
            _ => "not reached".to_owned(),
        };
        print_line(&format!("  {name}: {state}"));
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
