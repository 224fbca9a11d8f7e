//! From the tree of `suricata.yaml` to settings, one file a section.

mod affinity;
mod capture;
mod datasets;
mod decode;
mod detect;
mod eve;
mod eve_target;
mod file_store;
mod flow;
mod http;
mod logging;
mod outputs;
mod policy;
mod protocol;
mod stats;
mod stream;
mod vars;
mod xff;

pub(crate) use self::capture::{Section as CaptureSection, read as read_capture};
pub(crate) use detect::features;
pub(crate) use eve_target::sink_of;
pub(crate) use logging::log_settings;

use std::path::{Path, PathBuf};

use ::detect::settings::Settings;
use ::protocol::settings::ProtocolSettings;

use crate::log::Log;

use super::process::ProcessSettings;
use super::tree::Node;
use super::{boolean, integer, size};

/// The program cannot go on; the reason is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reason is in the engine log")]
pub(crate) struct Fatal;

/// What the command line says beside the configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mode {
    /// `--simulate-ips`
    pub(crate) inline: bool,
    /// `--init-errors-fatal`, or a test of the configuration.
    pub(crate) errors_fatal: bool,
    /// `--disable-detection`
    pub(crate) detection: bool,
    /// `-S`: only these rules.
    pub(crate) rules_only: Option<Vec<String>>,
    /// `-s`: these rules as well.
    pub(crate) rules_also: Vec<String>,
    /// Names of the inputs, for `pcap-file` in EVE.
    pub(crate) inputs: Vec<String>,
    /// The configuration file, for messages.
    pub(crate) config_file: String,
    /// Outputs are kept in order over several workers.
    pub(crate) ordered: bool,
}

/// The tree, with ways to ask it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config<'a> {
    pub(crate) root: &'a Node,
    pub(crate) log: &'a Log,
    pub(crate) mode: &'a Mode,
}

/// Seed of hashes in a replay: the same input gives the same flow numbers in every run.
const SEED: u64 = 0x6261_7465_6c65_7572;

/// All settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Everything {
    pub(crate) detector: Settings,
    pub(crate) process: ProcessSettings,
}

/// Reads everything but the engine log's part.
///
/// # Errors
/// When the configuration does not allow a start; the log says why.
pub(crate) fn read(config: Config<'_>, log_dir: &Path) -> Result<Everything, Fatal> {
    let mut all = Everything::default();
    let Everything { detector, process } = &mut all;
    process.log_dir = log_dir.to_path_buf();
    process.single = config.text("runmode") == Some("single");
    detector.inline = config.mode.inline;
    detector.detection = config.mode.detection;
    detector.ordered = config.mode.ordered;
    vars::read(config, &mut process.loader.variables)?;
    let policies = policy::read(config)?;
    checksums(config, detector);
    decode::read(config, &process.loader.variables, &mut detector.decode)?;
    flow::read(config, &mut detector.flow)?;
    stream::read(config, &policies, detector)?;
    detector.app_error_policy = policies.app_error;
    detector.flow_memcap_policy = policies.flow_memcap;
    detector.seed = SEED;
    // Rules and files add to this what they need.
    detector.protocol.keep_bodies = false;
    detector.protocol.file.late_store = false;
    detector.protocol.file.magic = false;
    protocol::read(config, &process.loader, &mut detector.protocol)?;
    stats::read(config, &mut process.statistics)?;
    outputs::read(config, detector, process)?;
    detect::read(config, detector, process)?;
    Ok(all)
}

/// The protocols alone, for lists.
///
/// # Errors
/// When the section does not allow a start; the log says why.
pub(crate) fn protocols(config: Config<'_>) -> Result<ProtocolSettings, Fatal> {
    let mut loader = rules::settings::Settings::default();
    vars::read(config, &mut loader.variables)?;
    let mut settings = ProtocolSettings::default();
    protocol::read(config, &loader, &mut settings)?;
    Ok(settings)
}

/// `-k`, `capture.checksum-validation` and `pcap-file.checksum-checks`.
fn checksums(config: Config<'_>, detector: &mut Settings) {
    let node = config.root.get("stream.checksum-validation");
    let validation = node.and_then(|n| n.value.as_deref()).is_none_or(boolean::is_true);
    let checks = config.text("pcap-file.checksum-checks").unwrap_or("auto");
    detector.ignore_checksums = match config.text("capture.checksum-validation") {
        Some("none") => !validation,
        Some("all") => false,
        _ => boolean::is_false(checks),
    };
    let decided = config.root.get("capture.checksum-validation").is_some();
    detector.checksum_auto = !decided && checks.eq_ignore_ascii_case("auto");
}

/// The same in live capture, where an interface's `checksum-checks` stands in the place of
/// `pcap-file.checksum-checks`.
pub(crate) fn live_checksums(config: Config<'_>, checks: Option<&str>, detector: &mut Settings) {
    if config.root.get("capture.checksum-validation").is_some() {
        return;
    }
    // `kernel` trusts what the kernel says of each frame, which comes with it.
    let checks = checks.unwrap_or("kernel");
    detector.ignore_checksums = boolean::is_false(checks);
    detector.checksum_auto = checks.eq_ignore_ascii_case("auto");
}

/// The directory of the outputs: the command line's, or `default-log-dir`.
pub(crate) fn log_dir(root: &Node, given: Option<&Path>) -> PathBuf {
    let configured = || root.text("default-log-dir").unwrap_or("/var/log/suricata/");
    given.map_or_else(|| PathBuf::from(configured()), Path::to_path_buf)
}

impl<'a> Config<'a> {
    /// The text at a path.
    pub(crate) fn text(&self, path: &str) -> Option<&'a str> {
        self.root.text(path)
    }

    /// The truth at a path, or the default.
    pub(crate) fn truth(&self, path: &str, default: bool) -> bool {
        self.root.truth(path).unwrap_or(default)
    }

    /// A number with any base, or the default.
    pub(crate) fn number<T: TryFrom<i64> + Copy>(&self, path: &str, default: T) -> T {
        let Some(text) = self.text(path) else { return default };
        match integer::any_base(text).and_then(|value| T::try_from(value).ok()) {
            Some(value) => value,
            None => {
                let name = path.rsplit('.').next().unwrap_or(path);
                let said = format!("malformed integer value for {name}: '{text}'");
                self.log.error("conf", said);
                default
            }
        }
    }

    /// A size; a text that is none ends the start.
    ///
    /// # Errors
    /// When the text is no size.
    pub(crate) fn size(&self, path: &str, default: u64) -> Result<u64, Fatal> {
        let Some(text) = self.text(path) else { return Ok(default) };
        size::strict(text).ok_or_else(|| {
            self.log.error("misc", size::complaint(text));
            let said = format!("Error parsing {path} from conf file - {text}.  Killing engine");
            self.fail("conf", &said)
        })
    }

    /// A size of at most 32 bits.
    ///
    /// # Errors
    /// When the text is no size.
    pub(crate) fn size32(&self, path: &str, default: u32) -> Result<u32, Fatal> {
        let size = self.size(path, u64::from(default))?;
        Ok(u32::try_from(size).unwrap_or(u32::MAX))
    }

    /// Says why the program cannot go on.
    pub(crate) fn fail(&self, module: &str, text: &str) -> Fatal {
        self.log.error(module, text);
        Fatal
    }

    /// A warning, or an error that ends the start when errors are fatal.
    ///
    /// # Errors
    /// When errors are fatal.
    pub(crate) fn warn_or_fail(&self, module: &str, text: &str) -> Result<(), Fatal> {
        if self.mode.errors_fatal {
            return Err(self.fail(module, text));
        }
        self.log.warning(module, text);
        Ok(())
    }
}
