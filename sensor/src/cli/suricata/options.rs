//! Suricata's options: short and long ones as getopt has them.

use std::path::PathBuf;

use crate::config::suricata::CaptureSection;

/// What the arguments say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) config: Option<PathBuf>,
    pub(crate) includes: Vec<String>,
    /// `--set`, in order, and options that stand for one.
    pub(crate) sets: Vec<String>,
    pub(crate) log_dir: Option<PathBuf>,
    pub(crate) data_dir: Option<PathBuf>,
    /// `-r`
    pub(crate) input: Option<PathBuf>,
    pub(crate) recursive: bool,
    /// `-i`, `--af-packet`, `--af-xdp`
    pub(crate) live: Option<Live>,
    /// `--pcap-file-continuous`: goes on with files that come later.
    pub(crate) continuous: bool,
    /// `--pcap-file-delete`: files are removed once they are read.
    pub(crate) delete: bool,
    /// `-S`
    pub(crate) rules_only: Option<String>,
    /// `-s`
    pub(crate) rules_also: Option<String>,
    /// `-k`
    pub(crate) checksums: Option<String>,
    pub(crate) runmode: Option<String>,
    pub(crate) simulate_ips: bool,
    pub(crate) disable_detection: bool,
    pub(crate) errors_fatal: bool,
    pub(crate) verbosity: u8,
    /// `-T`
    pub(crate) test: bool,
    pub(crate) dump_config: bool,
    /// `-F`
    pub(crate) filter_file: Option<PathBuf>,
    /// Words behind the options: a filter.
    pub(crate) filter: Vec<String>,
    pub(crate) pid_file: Option<PathBuf>,
    /// `-D`
    pub(crate) daemon: bool,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    /// `--unix-socket`, with the file if one is named.
    pub(crate) socket: Option<Option<String>>,
    /// Ask for a text instead of a run.
    pub(crate) show: Option<Show>,
    /// `--list-app-layer-protos` and others need a configuration.
    pub(crate) list: Option<List>,
}

/// Capture from interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    /// The section of the configuration that says how.
    pub(crate) section: CaptureSection,
    /// From which; none: those of the section.
    pub(crate) devices: Vec<String>,
}

/// Texts that need no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    Usage,
    Version,
    BuildInfo,
    Runmodes,
    /// All keywords, `csv`, `all` or the one of that name.
    Keywords(Option<String>),
}

/// Lists that are made when the configuration is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Protocols,
    Hooks,
    Features,
}

/// Why the arguments cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UsageError {
    /// The message of getopt, then the usage.
    Unknown(String),
    /// A message for the log.
    Refused(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
    MaybeValue,
}

/// Long options of Suricata 8 with what they take.
const LONG: &[(&str, Takes)] = &[
    ("af-packet", Takes::MaybeValue),
    ("af-xdp", Takes::MaybeValue),
    ("build-info", Takes::Nothing),
    ("data-dir", Takes::Value),
    ("disable-detection", Takes::Nothing),
    ("disable-hashing", Takes::Nothing),
    ("dpdk", Takes::Nothing),
    ("dump-config", Takes::Nothing),
    ("dump-features", Takes::Nothing),
    ("engine-analysis", Takes::Nothing),
    ("erf-in", Takes::Value),
    ("fatal-unittests", Takes::Nothing),
    ("firewall", Takes::Nothing),
    ("firewall-rules-exclusive", Takes::Value),
    ("group", Takes::Value),
    ("help", Takes::Nothing),
    ("include", Takes::Value),
    ("init-errors-fatal", Takes::Nothing),
    ("list-app-layer-frames", Takes::Nothing),
    ("list-app-layer-hooks", Takes::Nothing),
    ("list-app-layer-protos", Takes::Nothing),
    ("list-keywords", Takes::MaybeValue),
    ("list-rule-protos", Takes::Nothing),
    ("list-runmodes", Takes::Nothing),
    ("netmap", Takes::MaybeValue),
    ("nflog", Takes::MaybeValue),
    ("no-random", Takes::Nothing),
    ("pcap", Takes::MaybeValue),
    ("pcap-buffer-size", Takes::Value),
    ("pcap-file-buffer-size", Takes::Value),
    ("pcap-file-continuous", Takes::Nothing),
    ("pcap-file-delete", Takes::Nothing),
    ("pcap-file-recursive", Takes::Nothing),
    ("pidfile", Takes::Value),
    ("qa-skip-prefilter", Takes::Nothing),
    ("reject-dev", Takes::Value),
    ("runmode", Takes::Value),
    ("set", Takes::Value),
    ("simulate-ips", Takes::Nothing),
    ("simulate-packet-flow-memcap", Takes::Value),
    ("strict-rule-keywords", Takes::MaybeValue),
    ("unix-socket", Takes::MaybeValue),
    ("user", Takes::Value),
    ("windivert", Takes::Value),
];

const OTHER_CAPTURE: &str = "this way of capture is not available in this program: name an \
                             interface with -i, --af-packet or --af-xdp, or a capture file with -r";

const PRIVILEGES: &str = "--user and --group are not available: privileges cannot be dropped in a \
                          replay of this program; start it as the user that it should run as";

const DAEMON: &str = "-D is for live capture: a replay of this program stays in the foreground";

const SOCKET_ALONE: &str = "--unix-socket goes with live capture in this program: name an interface \
                            with -i, --af-packet or --af-xdp, or a capture file with -r";

const TWO_MODES: &str = "more than one run mode has been specified";

/// Reads the arguments behind the program's name.
///
/// # Errors
/// When they cannot be used.
pub(crate) fn parse(arguments: &[String]) -> Result<Options, UsageError> {
    let mut options = Options::default();
    let mut rest = arguments.iter().peekable();
    let mut only_words = false;
    while let Some(argument) = rest.next() {
        if only_words || !argument.starts_with('-') || argument == "-" {
            options.filter.push(argument.clone());
        } else if argument == "--" {
            only_words = true;
        } else if let Some(long) = argument.strip_prefix("--") {
            let (name, mut value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let (name, takes) = find(name)?;
            match takes {
                Takes::Nothing if value.is_some() => {
                    let said = format!("option '--{name}' doesn't allow an argument");
                    return Err(UsageError::Unknown(said));
                }
                Takes::Value if value.is_none() => {
                    value = rest.next().cloned();
                    if value.is_none() {
                        let said = format!("option '--{name}' requires an argument");
                        return Err(UsageError::Unknown(said));
                    }
                }
                _ => {}
            }
            options.long(name, value)?;
        } else {
            let letters = argument.char_indices().skip(1);
            for (at, letter) in letters {
                if !"cdFiklqrsSU".contains(letter) {
                    options.flag(letter)?;
                    continue;
                }
                let behind = argument.get(at + letter.len_utf8()..).unwrap_or_default();
                let value = match behind {
                    "" => rest.next().cloned(),
                    _ => Some(behind.to_owned()),
                };
                let Some(value) = value else {
                    let said = format!("option requires an argument -- '{letter}'");
                    return Err(UsageError::Unknown(said));
                };
                options.short(letter, value)?;
                break;
            }
        }
    }
    options.settle()?;
    Ok(options)
}

/// A long option by its name, or by the beginning of it that no other has.
fn find(name: &str) -> Result<(&'static str, Takes), UsageError> {
    if let Some(found) = LONG.iter().find(|(known, _)| *known == name) {
        return Ok(*found);
    }
    let mut begun = LONG.iter().filter(|(known, _)| known.starts_with(name));
    match (begun.next(), begun.next()) {
        (Some(found), None) => Ok(*found),
        (Some(_), Some(_)) => Err(UsageError::Unknown(format!("option '--{name}' is ambiguous"))),
        _ => Err(UsageError::Unknown(format!("unrecognized option '--{name}'"))),
    }
}

impl Options {
    fn flag(&mut self, letter: char) -> Result<(), UsageError> {
        match letter {
            'v' => self.verbosity = self.verbosity.saturating_add(1),
            'T' => self.test = true,
            'V' => self.show = Some(Show::Version),
            'h' => self.show = Some(Show::Usage),
            'D' => self.daemon = true,
            'u' => return refuse("unit tests are not part of this program"),
            _ => return Err(UsageError::Unknown(format!("invalid option -- '{letter}'"))),
        }
        Ok(())
    }

    fn short(&mut self, letter: char, value: String) -> Result<(), UsageError> {
        match letter {
            'c' => self.config = Some(value.into()),
            'F' => self.filter_file = Some(value.into()),
            'l' => self.log_dir = Some(value.into()),
            'r' => {
                if self.input.is_some() || self.live.is_some() {
                    return refuse(TWO_MODES);
                }
                self.input = Some(value.into());
            }
            's' | 'S' => {
                if self.rules_only.is_some() || self.rules_also.is_some() {
                    return refuse("can't have multiple -S options or mix -s and -S.");
                }
                let place = if letter == 's' { &mut self.rules_also } else { &mut self.rules_only };
                *place = Some(value);
            }
            'k' => {
                if !matches!(value.as_str(), "all" | "none") {
                    return refuse(format!("option '{value}' invalid for -k"));
                }
                self.checksums = Some(value);
            }
            // Packet sockets are what Suricata 8 takes on Linux, too.
            'i' => self.capture(CaptureSection::AfPacket, Some(value))?,
            'q' | 'd' => return refuse(OTHER_CAPTURE),
            'U' => return refuse("unit tests are not part of this program"),
            _ => return Err(UsageError::Unknown(format!("invalid option -- '{letter}'"))),
        }
        Ok(())
    }

    fn long(&mut self, name: &str, value: Option<String>) -> Result<(), UsageError> {
        let text = value.clone().unwrap_or_default();
        match name {
            "build-info" => self.show = Some(Show::BuildInfo),
            "help" => self.show = Some(Show::Usage),
            "list-runmodes" => self.show = Some(Show::Runmodes),
            "list-keywords" => self.show = Some(Show::Keywords(value)),
            "list-app-layer-protos" | "list-rule-protos" => self.list = Some(List::Protocols),
            "list-app-layer-hooks" => self.list = Some(List::Hooks),
            "dump-features" => self.list = Some(List::Features),
            "list-app-layer-frames" => {
                return refuse("frames are not available in this program");
            }
            "data-dir" => self.data_dir = Some(text.into()),
            "disable-detection" => self.disable_detection = true,
            "dump-config" => self.dump_config = true,
            "include" => self.includes.push(text),
            "init-errors-fatal" => self.errors_fatal = true,
            "pidfile" => self.pid_file = Some(text.into()),
            "runmode" => self.runmode = Some(text),
            "set" => self.sets.push(text),
            "simulate-ips" => self.simulate_ips = true,
            "pcap-file-recursive" => self.recursive = true,
            // These change nothing in a replay, which leaves nothing to chance anyway.
            "disable-hashing"
            | "fatal-unittests"
            | "no-random"
            | "pcap-buffer-size"
            | "pcap-file-buffer-size"
            | "qa-skip-prefilter"
            | "reject-dev"
            | "strict-rule-keywords" => {}
            "af-packet" => self.capture(CaptureSection::AfPacket, value)?,
            "af-xdp" => self.capture(CaptureSection::AfXdp, value)?,
            "unix-socket" => self.socket = Some(value),
            "user" => self.user = Some(text),
            "group" => self.group = Some(text),
            "pcap-file-continuous" => self.continuous = true,
            "pcap-file-delete" => self.delete = true,
            "engine-analysis" => {
                return refuse("engine analysis is not available: see `rules check`");
            }
            "firewall" | "firewall-rules-exclusive" => {
                return refuse("firewall mode is not available in this program");
            }
            _ => return refuse(OTHER_CAPTURE),
        }
        Ok(())
    }

    /// One interface more, or those of the section.
    fn capture(
        &mut self,
        section: CaptureSection,
        device: Option<String>,
    ) -> Result<(), UsageError> {
        let live = self.live.get_or_insert_with(|| Live { section, devices: Vec::new() });
        if self.input.is_some() || live.section != section {
            return refuse(TWO_MODES);
        }
        live.devices.extend(device.filter(|name| !name.is_empty()));
        Ok(())
    }

    /// What does not go together.
    fn settle(&self) -> Result<(), UsageError> {
        let replays = self.input.is_some();
        let is_live = self.live.is_some() || self.test || self.show.is_some();
        match self {
            _ if replays && self.socket.is_some() => refuse(TWO_MODES),
            _ if replays && (self.user.is_some() || self.group.is_some()) => refuse(PRIVILEGES),
            _ if replays && self.daemon => refuse(DAEMON),
            _ if !is_live && self.socket.is_some() => refuse(SOCKET_ALONE),
            _ => Ok(()),
        }
    }
}

fn refuse(text: impl Into<String>) -> Result<(), UsageError> {
    Err(UsageError::Refused(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Options, UsageError> {
        parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read() {
        #[track_caller]
        fn check(text: &str, expected: impl FnOnce(&mut Options)) {
            let mut wanted = Options::default();
            expected(&mut wanted);
            assert_eq!(words(text), Ok(wanted), "{text}");
        }
        check("-c a.yaml -r b.pcap -l out", |o| {
            o.config = Some("a.yaml".into());
            o.input = Some("b.pcap".into());
            o.log_dir = Some("out".into());
        });
        check("-ca.yaml -vvv -knone", |o| {
            o.config = Some("a.yaml".into());
            o.verbosity = 3;
            o.checksums = Some("none".into());
        });
        check("-vTS x.rules", |o| {
            o.verbosity = 1;
            o.test = true;
            o.rules_only = Some("x.rules".into());
        });
        check("--set a=b --set=c=d --runmode=single --runm autofp", |o| {
            o.sets = vec!["a=b".into(), "c=d".into()];
            o.runmode = Some("autofp".into());
        });
        check("-r f tcp and -v port 80", |o| {
            o.input = Some("f".into());
            o.verbosity = 1;
            o.filter = ["tcp", "and", "port", "80"].map(str::to_owned).to_vec();
        });
        check("--list-keywords --simulate-ips", |o| {
            o.show = Some(Show::Keywords(None));
            o.simulate_ips = true;
        });
        check("--list-keywords=csv", |o| o.show = Some(Show::Keywords(Some("csv".into()))));
    }

    #[test]
    fn options_of_live_capture_are_read() {
        let check = |text: &str, section: CaptureSection, devices: &[&str]| {
            let devices = devices.iter().map(|name| (*name).to_owned()).collect();
            let live = words(text).unwrap().live;
            assert_eq!(live, Some(Live { section, devices }), "{text}");
        };
        check("-i eth0", CaptureSection::AfPacket, &["eth0"]);
        check("-ieth0 -i eth1", CaptureSection::AfPacket, &["eth0", "eth1"]);
        check("-i eth0 --af-packet=eth1", CaptureSection::AfPacket, &["eth0", "eth1"]);
        check("--af-packet", CaptureSection::AfPacket, &[]);
        check("--af-packet=eth0 --af-packet", CaptureSection::AfPacket, &["eth0"]);
        check("--af-packet=", CaptureSection::AfPacket, &[]);
        check("--af-xdp", CaptureSection::AfXdp, &[]);
        check("--af-xdp=eth0 --af-xdp=eth1", CaptureSection::AfXdp, &["eth0", "eth1"]);
    }

    #[test]
    fn options_that_go_with_live_capture_are_read() {
        #[track_caller]
        fn check(text: &str, expected: impl FnOnce(&mut Options)) {
            let live = Live { section: CaptureSection::AfPacket, devices: vec!["eth0".into()] };
            let mut wanted = Options { live: Some(live), ..Options::default() };
            expected(&mut wanted);
            assert_eq!(words(&format!("-i eth0 {text}")), Ok(wanted), "{text}");
        }
        check("-D --pidfile a.pid", |o| {
            o.daemon = true;
            o.pid_file = Some("a.pid".into());
        });
        check("--user=suri --group suri", |o| {
            o.user = Some("suri".into());
            o.group = Some("suri".into());
        });
        check("--unix-socket", |o| o.socket = Some(None));
        check("--unix-socket=/run/a.socket", |o| o.socket = Some(Some("/run/a.socket".into())));
        check("-F a.bpf -k none --runmode workers", |o| {
            o.filter_file = Some("a.bpf".into());
            o.checksums = Some("none".into());
            o.runmode = Some("workers".into());
        });
        check("-v tcp port 80", |o| {
            o.verbosity = 1;
            o.filter = ["tcp", "port", "80"].map(str::to_owned).to_vec();
        });
        // The value of an option that may have one stands behind a `=`; another word is a filter.
        check("--unix-socket tcp", |o| {
            o.socket = Some(None);
            o.filter = vec!["tcp".to_owned()];
        });
        check("-T", |o| o.test = true);
    }

    #[test]
    fn wrong_options_are_refused() {
        let unknown =
            |text: &str| assert!(matches!(words(text), Err(UsageError::Unknown(_))), "{text}");
        for text in ["-x", "--nosuch", "-c", "--set", "--list-app", "--simulate-ips=1"] {
            unknown(text);
        }
        let check = |text: &str, said: &str| {
            assert_eq!(words(text), Err(UsageError::Refused(said.to_owned())), "{text}");
        };
        check("-k some", "option 'some' invalid for -k");
        check("-S a -S b", "can't have multiple -S options or mix -s and -S.");
        check("-s a -S b", "can't have multiple -S options or mix -s and -S.");
        check("-r a -r b", TWO_MODES);
        check("-i eth0 -r a", TWO_MODES);
        check("-r a -i eth0", TWO_MODES);
        check("-i eth0 --af-xdp=eth0", TWO_MODES);
        check("--af-xdp --af-packet", TWO_MODES);
        check("-r a --unix-socket", TWO_MODES);
        check("--unix-socket=/run/a.socket", SOCKET_ALONE);
        check("-r a -D", DAEMON);
        for other in ["-q 0", "-d 8000", "--pcap=eth0", "--netmap", "--dpdk", "--nflog=2"] {
            check(other, OTHER_CAPTURE);
        }
        check("-r a --user nobody", PRIVILEGES);
        check("-r a --group=nogroup", PRIVILEGES);
    }
}
