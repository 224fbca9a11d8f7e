//! What the commands ask of the sensor, whoever runs it.

/// The sensor as its commands see it. Several clients may ask at once.
pub(crate) trait Sensor: Send + Sync {
    /// Release, e.g. `8.0.7 RELEASE`.
    fn version(&self) -> String;

    /// Seconds since the start.
    fn uptime(&self) -> u64;

    /// How work is shared, e.g. `workers`.
    fn running_mode(&self) -> String;

    /// Where packets come from, e.g. `AF_PACKET_DEV`.
    fn capture_mode(&self) -> String;

    /// Names of the interfaces that are listened to.
    fn interfaces(&self) -> Vec<String>;

    /// Figures of an interface; none: it is not one of them.
    fn interface(&self, name: &str) -> Option<InterfaceFigures>;

    /// Interfaces that let the kernel pass over flows, and how many.
    fn bypassed(&self) -> Vec<(String, BypassedFlows)>;

    /// Text of the configuration's node at a dotted path; none: there is no such text.
    fn setting(&self, path: &str) -> Option<String>;

    /// All counters as one JSON object, as the statistics' record has them; none: not counted yet.
    fn counters(&self) -> Option<String>;

    /// Loads the rules anew; keys of the configuration that wait for a restart.
    ///
    /// # Errors
    /// When they are not.
    fn reload(&self, how: Reload) -> Result<Vec<String>, ReloadRefusal>;

    /// When rules were loaded last: microseconds since 1970.
    fn last_reload(&self) -> u64;

    /// How many rules there are.
    fn rules(&self) -> RuleFigures;

    /// The set of a store that the rules are of: its sum and version.
    fn rule_set(&self) -> Option<(String, u64)>;

    /// Rules that failed, up to a number.
    fn failed_rules(&self, most: usize) -> Vec<FailedRule>;

    /// Asks for output files to be closed and opened by name again.
    fn reopen(&self);

    /// Memory limits.
    fn memcaps(&self) -> Vec<Memcap>;

    /// Changes a memory limit.
    ///
    /// # Errors
    /// When it stays as it is.
    fn set_memcap(&self, name: &str, bytes: u64) -> Result<(), MemcapRefusal>;

    /// Asks the sensor to end in order. Returns at once: the client is still to be answered.
    fn shutdown(&self);
}

/// Figures of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InterfaceFigures {
    /// Packets.
    pub(crate) packets: u64,
    /// Those with a wrong checksum.
    pub(crate) invalid_checksums: u64,
    /// Those that were lost.
    pub(crate) dropped: u64,
    /// Those that the kernel passed over.
    pub(crate) bypassed: u64,
}

/// Flows that the kernel passes over, IPv4 first, then IPv6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BypassedFlows {
    /// At the moment.
    pub(crate) present: [u64; 2],
    /// Since the start.
    pub(crate) begun: [u64; 2],
    /// Those that could not be passed over.
    pub(crate) failed: [u64; 2],
}

/// Whether a client waits for its reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reload {
    /// Until the new rules are in force.
    Wait,
    /// Not at all.
    Begin,
}

/// Why rules are not loaded anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReloadRefusal {
    /// They were given on the command line.
    CommandLine,
    /// It is being done already.
    Busy,
    /// It was tried; the old rules stay in force.
    Failed(String),
}

/// How many rules there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RuleFigures {
    /// In force.
    pub(crate) loaded: u64,
    /// Wrong.
    pub(crate) failed: u64,
    /// Not meant for this sensor.
    pub(crate) skipped: u64,
}

/// A rule that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FailedRule {
    /// Its text.
    pub(crate) rule: String,
    /// Where it stands.
    pub(crate) file: String,
    /// In which line.
    pub(crate) line: u64,
}

/// A memory limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Memcap {
    /// Name, e.g. `stream-reassembly`.
    pub(crate) name: &'static str,
    /// Bytes; 0: none.
    pub(crate) bytes: u64,
}

/// Why a memory limit stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemcapRefusal {
    /// There is none of that name.
    Unknown,
    /// Some limit there must be.
    Unlimited,
    /// So many bytes are in use already.
    InUse(u64),
    /// It cannot be changed while the sensor runs.
    Fixed,
}
