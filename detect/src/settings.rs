//! Everything that decides how a detector works; both faces of the program build this.

use protocol::LogOptions;

/// Settings of a detector, room by room.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Decoding and defragmentation.
    pub decode: decode::settings::DecodeSettings,
    /// Flow table.
    pub flow: flow::FlowSettings,
    /// `defrag.memcap-policy`.
    pub defrag_memcap_policy: flow::policy::Policy,
    /// `flow.memcap-policy`.
    pub flow_memcap_policy: flow::policy::Policy,
    /// TCP state and reassembly.
    pub stream: flow::StreamSettings,
    /// Application layers.
    pub protocol: protocol::settings::ProtocolSettings,
    /// `app-layer.error-policy`.
    pub app_error_policy: flow::policy::Policy,
    /// Outputs in configuration order; events name them by their place.
    pub outputs: Vec<OutputSettings>,
    /// Inline (IPS) mode, also simulated.
    pub inline: bool,
    /// Rules are loaded and run.
    pub detection: bool,
    /// Checksums are ignored (`-k none`).
    pub ignore_checksums: bool,
    /// `pcap-file.checksum-checks: auto`: ignored when the first 1,000 packets have many bad ones.
    pub checksum_auto: bool,
    /// Flows that a rule passes are bypassed, where a capture can take them over.
    pub bypass_passed: bool,
    /// Seed of the flow hash; the same for all workers of a process.
    pub seed: u64,
    /// Keep an order mark with each record, so that records of several workers can be merged.
    pub ordered: bool,
    /// Files are stored (`file-store`): bytes of marked files become events.
    pub file_store: Option<FileStoreSettings>,
}

/// `file-store`.
#[derive(Clone, Debug, Default)]
pub struct FileStoreSettings {
    /// `force-filestore`.
    pub force: bool,
    /// `write-fileinfo`.
    pub write_fileinfo: bool,
    /// `stream-depth`: reassembly depth of flows whose files are stored; 0 unlimited.
    pub stream_depth: Option<u32>,
}

/// An output whose records the detector writes.
#[derive(Clone, Debug)]
pub enum OutputSettings {
    /// EVE JSON.
    Eve(Box<EveSettings>),
    /// `fast.log` lines.
    Fast,
    /// Lines of alerts for syslog, which has times of its own.
    Syslog,
}

/// One `eve-log` output.
#[derive(Clone, Debug)]
pub struct EveSettings {
    /// `metadata` at the level of eve-log.
    pub metadata: bool,
    /// `ethernet`
    pub ethernet: bool,
    /// `community-id` with its seed.
    pub community_id: Option<u16>,
    /// `suricata-version`: text of the root key.
    pub version: Option<String>,
    /// `sensor-id`
    pub sensor_id: Option<u64>,
    /// `sensor-name`: root key `host`.
    pub host: Option<String>,
    /// `pcap-file`: names of the inputs by index, written as root key `pcap_filename`.
    pub pcap_files: Option<Vec<String>>,
    /// `in_iface` by input index (live capture).
    pub interfaces: Vec<String>,
    /// `prefix`
    pub prefix: String,
    /// `ipv6-compress`
    pub ipv6_compress: bool,
    /// `xff` at the level of eve-log.
    pub xff: Option<XffSettings>,
    /// `xff` of http; without it that of eve-log holds.
    pub http_xff: Option<XffSettings>,
    /// alert, when on.
    pub alert: Option<AlertSettings>,
    /// anomaly, when on.
    pub anomaly: Option<AnomalySettings>,
    /// drop, when on.
    pub drop: Option<DropSettings>,
    /// files, when on.
    pub files: Option<FilesSettings>,
    /// flow.
    pub flow: bool,
    /// netflow.
    pub netflow: bool,
    /// stream, when on.
    pub stream: Option<StreamLogSettings>,
    /// metadata records.
    pub metadata_records: bool,
    /// arp.
    pub arp: bool,
    /// Records of protocols that are on, with their options.
    pub protocols: Vec<(protocol::AppProto, LogOptions)>,
}

impl Default for EveSettings {
    fn default() -> Self {
        Self {
            metadata: true,
            ethernet: false,
            community_id: None,
            version: None,
            sensor_id: None,
            host: None,
            pcap_files: None,
            interfaces: Vec::new(),
            prefix: String::new(),
            ipv6_compress: false,
            xff: None,
            http_xff: None,
            alert: None,
            anomaly: None,
            drop: None,
            files: None,
            flow: false,
            netflow: false,
            stream: None,
            metadata_records: false,
            arp: false,
            protocols: Vec::new(),
        }
    }
}

/// `alert` in `types`; what is on.
#[derive(Clone, Debug)]
pub struct AlertSettings {
    /// `payload`
    pub payload: bool,
    /// `payload-printable`
    pub payload_printable: bool,
    /// `payload-length`
    pub payload_length: bool,
    /// `payload-buffer-size`, bytes.
    pub payload_buffer_size: usize,
    /// `packet`
    pub packet: bool,
    /// `http-body`
    pub http_body: bool,
    /// `http-body-printable`
    pub http_body_printable: bool,
    /// `tagged-packets`
    pub tagged_packets: bool,
    /// `verdict`
    pub verdict: bool,
    /// `metadata.app-layer`
    pub app_layer: bool,
    /// `metadata.flow`
    pub flow: bool,
    /// `metadata.rule.metadata`
    pub rule_metadata: bool,
    /// `metadata.rule.raw`
    pub rule_raw: bool,
    /// `metadata.rule.reference`
    pub rule_reference: bool,
    /// `xff`
    pub xff: Option<XffSettings>,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            payload: false,
            payload_printable: false,
            payload_length: false,
            payload_buffer_size: 4096,
            packet: false,
            http_body: false,
            http_body_printable: false,
            tagged_packets: false,
            verdict: false,
            app_layer: true,
            flow: true,
            rule_metadata: true,
            rule_raw: false,
            rule_reference: false,
            xff: None,
        }
    }
}

/// `xff`.
#[derive(Clone, Debug)]
pub struct XffSettings {
    /// `mode: overwrite` instead of `extra-data`.
    pub overwrite: bool,
    /// `deployment: forward` instead of `reverse`.
    pub forward: bool,
    /// `header`
    pub header: String,
}

impl Default for XffSettings {
    fn default() -> Self {
        Self { overwrite: false, forward: false, header: "X-Forwarded-For".to_owned() }
    }
}

/// `anomaly` in `types`.
#[derive(Clone, Copy, Debug)]
pub struct AnomalySettings {
    /// `types.decode`
    pub decode: bool,
    /// `types.stream`
    pub stream: bool,
    /// `types.applayer`
    pub app_layer: bool,
    /// `packethdr`
    pub packet_header: bool,
}

impl Default for AnomalySettings {
    fn default() -> Self {
        Self { decode: false, stream: false, app_layer: true, packet_header: false }
    }
}

/// `stream` in `types`: which TCP packets have a record.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamLogSettings {
    /// `all`
    pub all: bool,
    /// `event-set`: those with a stream event.
    pub event_set: bool,
    /// `state-update`: those that changed the state of their session.
    pub state_update: bool,
    /// `spurious-retransmission`
    pub spurious_retransmission: bool,
}

/// `drop` in `types`.
#[derive(Clone, Copy, Debug, Default)]
pub struct DropSettings {
    /// `alerts`
    pub alerts: bool,
    /// `verdict`
    pub verdict: bool,
    /// `flows: all` instead of `start`.
    pub all: bool,
}

/// `files` in `types`.
#[derive(Clone, Debug, Default)]
pub struct FilesSettings {
    /// `force-hash`: md5, sha1, sha256.
    pub force_hash: [bool; 3],
    /// `xff`
    pub xff: Option<XffSettings>,
}
