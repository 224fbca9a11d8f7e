//! The native face: `replay`, `run`, `rules`, `list`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::log::program::{LineFormat, ProgramLog};

use super::config::ConfigCommand;
use super::cpus::CpuList;
use super::doctor::DoctorArguments;
use super::schema::SchemaArguments;
use super::{list, replay};

/// Where a pod is told its networks.
pub(super) const ANNOTATIONS: &str = "/etc/podnetinfo/annotations";

/// A network intrusion sensor that keeps the contract of Suricata 8.
#[derive(Debug, Parser)]
#[command(name = "bateleur", version, about, arg_required_else_help = true)]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Inspect capture files and write what happens in them.
    Replay(ReplayArguments),
    /// Inspect what comes in on network interfaces until told to stop.
    Run(RunArguments),
    /// Say where capture runs best on this host, and prepare the host for it.
    Plan(super::plan::PlanArguments),
    /// Say where frames and events of a sensor went, and what to do about lost ones.
    Doctor(DoctorArguments),
    /// Check, show, compare and make configurations.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Work with rule files.
    #[command(subcommand)]
    Rules(super::rules::RulesCommand),
    /// Show what rules can name.
    List {
        /// Of what.
        #[arg(value_enum)]
        what: Listed,
    },
    /// Show what records hold, in forms that other systems take; check records.
    Schema(SchemaArguments),
    /// Make marked sockets for a sensor, at standard input; it starts this by itself.
    #[command(hide = true)]
    MarkSockets {
        /// The mark.
        mark: u32,
    },
    /// Take the options of Suricata's own command line.
    #[command(disable_help_flag = true)]
    Suricata {
        /// Options as for Suricata.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
}

/// A name of rule files, which settings keep as text.
pub(super) fn rule_name() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().try_map(|name: OsString| {
        name.into_string().map_err(|name| {
            format!("{name:?} is no UTF-8, which names of rule files are: rename the file")
        })
    })
}

/// Arguments of `replay`.
#[derive(Clone, Debug, Args)]
pub(super) struct ReplayArguments {
    /// Rule files; patterns such as `rules/*.rules` are understood.
    #[arg(long, short, num_args = 1.., value_name = "FILE", value_parser = rule_name())]
    pub(super) rules: Vec<String>,
    /// Configuration (sensor.yaml).
    #[arg(long, short, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Directory for events; made if it is not there.
    #[arg(long, short, default_value = ".", value_name = "DIRECTORY")]
    pub(super) output: PathBuf,
    /// Detectors that work side by side.
    #[arg(long, short, default_value_t = 1, value_name = "NUMBER",
        value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) workers: u16,
    /// Write events in the order of their packets with several workers too.
    #[arg(long)]
    pub(super) ordered: bool,
    /// Look at packets whose checksum is wrong as well.
    #[arg(long)]
    pub(super) no_checksums: bool,
    /// Only packets that pass this filter, e.g. "tcp port 80".
    #[arg(long, short, value_name = "EXPRESSION")]
    pub(super) filter: Option<String>,
    /// Start also when every rule of a file that was named is refused.
    #[arg(long)]
    pub(super) allow_refused: bool,
    /// No summary at the end.
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Sinks get so many seconds after the last packet; what they do not take stays in the spool.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(super) deliver_within: u64,
    /// Capture files, or directories of them.
    #[arg(value_name = "PCAP")]
    pub(super) captures: Vec<PathBuf>,
}

/// Arguments of `run`.
#[derive(Clone, Debug, Args)]
pub(super) struct RunArguments {
    /// Interfaces to capture from, by name, alternative name, PCI address, MAC, resource:NAME or
    /// network:NAME; several are inspected as one network. By default those of the configuration.
    #[arg(long, short, num_args = 1.., value_name = "NAME")]
    pub(super) interface: Vec<String>,
    /// Rule files; patterns such as `rules/*.rules` are understood.
    #[arg(long, short, num_args = 1.., value_name = "FILE", value_parser = rule_name())]
    pub(super) rules: Vec<String>,
    /// Configuration (sensor.yaml).
    #[arg(long, short, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Directory for events; made if it is not there.
    #[arg(long, short, default_value = ".", value_name = "DIRECTORY")]
    pub(super) output: PathBuf,
    /// How frames are had from the interfaces; auto by default.
    #[arg(long, short, value_enum)]
    pub(super) method: Option<CaptureMethod>,
    /// AF_XDP: descriptors in the receive ring of each queue, a power of two; 4096 by default.
    #[arg(long, value_name = "NUMBER")]
    pub(super) ring: Option<u32>,
    /// AF_XDP: chunks of memory (2 KiB) of each queue; 12288 by default.
    #[arg(long, value_name = "NUMBER")]
    pub(super) chunks: Option<u32>,
    /// AF_XDP: flows that need no inspection any more (encrypted, passed or bypassed by a rule,
    /// longer than the reassembly depth) are counted in the NIC's program and not delivered.
    #[arg(long)]
    pub(super) shunt: bool,
    /// Frames that may wait to be handed over from one worker to another; 4096 by default.
    #[arg(long, value_name = "NUMBER")]
    pub(super) hand_over: Option<usize>,
    /// Workers, each with a detector of its own. By default as `bateleur plan` has it.
    #[arg(long, short, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) workers: Option<u16>,
    /// Only packets that pass this filter, e.g. "tcp port 80".
    #[arg(long, short, value_name = "EXPRESSION")]
    pub(super) filter: Option<String>,
    /// Look at packets whose checksum is wrong as well.
    #[arg(long)]
    pub(super) no_checksums: bool,
    /// CPUs for the workers, e.g. 2-5,8. By default as `bateleur plan` has it.
    #[arg(long, value_name = "LIST")]
    pub(super) cpus: Option<CpuList>,
    /// Control socket, which answers suricatasc; a name without slash, or none, means one in
    /// /var/run/suricata.
    #[arg(long, value_name = "PATH", num_args = 0..=1)]
    pub(super) control: Option<Option<String>>,
    /// Stopping takes no longer than this, 1 to 3600; what is not written then is counted and lost.
    /// 10 by default.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub(super) drain: Option<u16>,
    /// A worker that stands still for longer than this is told of.
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    pub(super) stall: u16,
    /// Serve metrics for Prometheus, /healthz and /readyz at this address, e.g. 127.0.0.1:9464 or
    /// [::]:9464. By default as the configuration has it, else not at all.
    #[arg(long, num_args = 1.., value_name = "ADDRESS:PORT")]
    pub(super) metrics: Vec<SocketAddr>,
    /// How lines of the log look; text by default.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) log_format: Option<LineFormat>,
    /// The annotations of the pod, as the downward API writes them, for network:NAME.
    #[arg(long, value_name = "FILE", default_value = ANNOTATIONS)]
    pub(super) annotations: PathBuf,
    /// Start also when every rule of a file that was named is refused.
    #[arg(long)]
    pub(super) allow_refused: bool,
    #[command(flatten)]
    pub(super) rights: RightsArguments,
    /// No figures on the terminal, no summary at the end.
    #[arg(long, short)]
    pub(super) quiet: bool,
}

impl RunArguments {
    /// Options that change nothing with what else was asked for, a line each.
    pub(super) fn without_effect(&self) -> Vec<String> {
        if !matches!(self.method, Some(CaptureMethod::AfPacket)) {
            return Vec::new();
        }
        let ring = "AF_PACKET has blocks: af-packet.block-size and blocks of sensor.yaml";
        [
            ("--ring", self.ring.is_some(), ring),
            ("--chunks", self.chunks.is_some(), ring),
            ("--shunt", self.shunt, "with AF_PACKET the NIC's program drops no flows"),
        ]
        .into_iter()
        .filter(|(_, given, _)| *given)
        .map(|(option, _, why)| format!("{option} is for AF_XDP: {why}"))
        .collect()
    }
}

/// What `run` gives up once everything is open.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Rights")]
pub(super) struct RightsArguments {
    /// User to become, by name or number. By default 65534 when started as root.
    #[arg(long, value_name = "USER")]
    pub(super) user: Option<String>,
    /// Group to become, by name or number. By default the user's own.
    #[arg(long, value_name = "GROUP")]
    pub(super) group: Option<String>,
    /// What becomes of system calls that the sensor has no use for.
    #[arg(long, value_enum, default_value_t = SystemCalls::Enforce)]
    pub(super) seccomp: SystemCalls,
    /// Do not refuse files that the sensor has no use for.
    #[arg(long)]
    pub(super) no_landlock: bool,
    /// Go on when rights cannot be given up, and say which.
    #[arg(long)]
    pub(super) insecure: bool,
}

/// How frames are had from an interface.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum CaptureMethod {
    /// AF_XDP where kernel, driver and build can, otherwise AF_PACKET.
    Auto,
    /// AF_XDP only.
    AfXdp,
    /// AF_PACKET only.
    AfPacket,
}

/// What becomes of other system calls.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum SystemCalls {
    /// They end the process.
    Enforce,
    /// They are made, and the kernel's audit log tells of them.
    Log,
    /// They are made.
    Off,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Listed {
    /// Keywords of rules.
    Keywords,
    /// Application protocols.
    Protocols,
    /// Events of decoder, stream and application layers.
    Events,
    /// States of transactions that rules can hook on.
    Hooks,
}

pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    let command = match Command::try_parse_from(arguments) {
        Ok(command) => command,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    // A run has a log of its own, and so have followers and rule servers.
    let has_own_log = match &command.what {
        What::Run(_) => true,
        What::Rules(command) => command.has_own_log(),
        _ => false,
    };
    if !has_own_log {
        let _ = ProgramLog::default().install();
    }
    let done = match command.what {
        What::Replay(arguments) => replay::run(arguments),
        What::Run(arguments) => super::run::run(&arguments),
        What::Plan(arguments) => super::plan::run(&arguments),
        What::Doctor(arguments) => super::doctor::run(&arguments),
        What::Config(command) => super::config::run(&command),
        What::Rules(command) => super::rules::run(&command),
        What::List { what } => list::run(what),
        What::Schema(arguments) => super::schema::run(&arguments),
        What::MarkSockets { mark } => super::marking::serve(mark)
            .map(|()| ExitCode::SUCCESS)
            .map_err(|error| anyhow::anyhow!("mark-sockets: {error}")),
        What::Suricata { options } => return super::suricata::run(&options),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            // The log may be a file, and this is for who started it as well.
            eprintln!("bateleur: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Command, What};

    #[test]
    fn options_without_effect_are_told() {
        let check = |words: &str, expected: &[&str]| {
            let words = format!("bateleur run {words}");
            let command = Command::try_parse_from(words.split_whitespace()).unwrap();
            let What::Run(arguments) = command.what else { panic!("it is a run") };
            let said = arguments.without_effect();
            assert_eq!(said.len(), expected.len(), "{words}: {said:?}");
            for (line, option) in said.iter().zip(expected) {
                assert!(line.starts_with(&format!("{option} is for AF_XDP")), "{line}");
            }
        };
        check("-m af-packet --ring 1024 --chunks 4096 --shunt", &["--ring", "--chunks", "--shunt"]);
        check("-m af-packet --shunt", &["--shunt"]);
        check("-m af-packet", &[]);
        check("-m af-xdp --ring 1024", &[]);
        check("--ring 1024", &[]);
    }

    #[test]
    fn wrong_values_are_refused() {
        let check = |words: &str, part: &str| {
            let words = format!("bateleur {words}");
            let error = Command::try_parse_from(words.split_whitespace()).unwrap_err();
            assert!(error.to_string().contains(part), "{words}: {error}");
        };
        check("run --drain 0", "0 is not in 1..=3600");
        check("doctor", "--control <PATH>|--events <FILE>");
        check("doctor --control a --events b", "cannot be used with");
    }

    #[test]
    fn names_of_rules_that_are_no_text_are_named() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let odd = OsStr::from_bytes(b"caf\xe9.rules");
        for words in [&["replay", "--rules"][..], &["run", "-r"], &["rules", "check"]] {
            let all = ["bateleur"].iter().chain(words).map(OsStr::new).chain([odd]);
            let said = Command::try_parse_from(all).unwrap_err().to_string();
            assert!(said.contains("\"caf\\xE9.rules\" is no UTF-8"), "{said}");
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Command::command().debug_assert();
    }
}
