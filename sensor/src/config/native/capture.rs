//! `capture`: where and how frames are had.

use capture::live::{OrderSettings, PacketSettings, XdpSettings};
use placement::CpuSet;
use schemars::JsonSchema;
use serde::Deserialize;
use steer::{HashSettings, Tunnels};

use crate::config::capture::{CaptureSettings, PlanUse, Shunting};
use crate::config::size;

use super::interface::Interface;
use super::words::{
    BlockSize, Cpus, Delay, FileName, Network, PacketFilter, Patience, PowerOfTwo, Size, Within,
};

/// The section.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Section {
    /// Where to capture, unless the command line says.
    interfaces: Vec<Interface>,
    /// Threads that inspect. One for each CPU but one by default.
    workers: Option<Within<1, 256>>,
    /// CPUs of workers.
    cpus: Option<Cpus>,
    /// CPUs of everything else.
    management_cpus: Option<Cpus>,
    /// Rings and memory of AF_XDP.
    af_xdp: AfXdp,
    /// Rings of packet sockets.
    af_packet: AfPacket,
    /// Frames that may wait from each worker to each other one.
    hand_over: Option<Within<2, 1_048_576>>,
    /// How frames of several interfaces are put in order.
    order: OrderSection,
    /// What says which worker a flow belongs to, beside its two addresses.
    hash: Hash,
    /// AF_XDP: flows of which the rest is dropped before it costs anything.
    shunt: Shunt,
    /// AF_XDP: of a thousand flows so many are left out, whole.
    shed: Option<Within<0, 1000>>,
    /// AF_XDP: networks whose frames are left out.
    exclude: Vec<Network>,
    /// Only packets that pass this filter, as for tcpdump.
    filter: Option<PacketFilter>,
    /// Who the process becomes once everything is open.
    #[schemars(with = "Option<Id>")]
    user: Option<String>,
    /// The group of the process.
    #[schemars(with = "Option<Id>")]
    group: Option<String>,
    /// The control socket.
    control: Option<FileName>,
    /// Stopping takes no longer than this.
    drain: Option<Patience>,
    /// Whether the host is prepared.
    plan: PlanWord,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct AfXdp {
    /// Descriptors of each queue's ring, a power of two.
    ring: Option<PowerOfTwo<64, 65536>>,
    /// Pieces of memory, 2 KiB each, of each queue.
    chunks: Option<Within<128, 1_048_576>>,
    /// Have the card write into our memory, where it can.
    zero_copy: Option<bool>,
    /// Only the kernel's own, slow XDP.
    generic: bool,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct AfPacket {
    /// Size of a block, a power of two.
    block_size: Option<BlockSize>,
    /// Blocks of each worker's ring on each interface.
    blocks: Option<Within<2, 65536>>,
    /// A block that is not full is looked at after this time.
    block_timeout: Option<Delay>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct OrderSection {
    /// A frame is seen at most so long after it arrived.
    guard: Option<Delay>,
    /// No frame waits longer than this for others.
    longest: Option<Delay>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Hash {
    /// Ports count.
    ports: bool,
    /// VLANs count.
    vlans: bool,
    /// Whose addresses, where there is a packet in a packet.
    tunnels: TunnelsWord,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum TunnelsWord {
    #[default]
    Outer,
    Inner,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Shunt {
    /// After so many bytes; never by default.
    after: Option<Size>,
    /// Once the connection is encrypted.
    encrypted: bool,
    /// Once a rule has let it pass.
    pass: bool,
    /// How many flows the table holds.
    flows: Option<Within<1, 16_777_216>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum PlanWord {
    #[default]
    None,
    Apply,
    Keep,
}

/// A user or group: its name or its number.
struct Id;

::delivery::described! {
    Id, "Id": {"type": ["string", "integer"], "minimum": 0};
}

/// A key that does not go with what others say.
#[derive(Clone, Debug)]
pub(super) struct Contradiction {
    /// From the top of the file.
    pub(super) key: String,
    pub(super) what: String,
}

fn contradiction(key: &str, what: String) -> Contradiction {
    Contradiction { key: format!("capture.{key}"), what }
}

impl Section {
    /// CPUs of workers.
    pub(super) fn cpus(&self) -> Option<&CpuSet> {
        self.cpus.as_ref().map(|cpus| &cpus.0)
    }

    /// As settings.
    ///
    /// # Errors
    /// When parts of it contradict each other.
    pub(super) fn settings(&self) -> Result<CaptureSettings, Contradiction> {
        let default = CaptureSettings::default();
        let mut settings = CaptureSettings {
            packet: self.af_packet.settings()?,
            xdp: self.af_xdp.settings()?,
            workers: self.workers.map(|workers| workers.0 as usize),
            cpus: self.cpus.clone().map(|cpus| cpus.0),
            management_cpus: self.management_cpus.clone().map(|cpus| cpus.0),
            hand_over: self.hand_over.map_or(default.hand_over, |frames| frames.0 as usize),
            order: self.order.settings()?,
            hash: self.hash.settings(),
            shunt: self.shunt.settings(),
            shed: self.shed.map_or(default.shed, |shed| shed.0),
            exclude: self.exclude.iter().map(|network| network.0).collect(),
            filter: self.filter.clone().map(|filter| filter.0),
            user: self.user.clone(),
            group: self.group.clone(),
            control: self.control.clone().map(|FileName(name)| name.into()),
            drain: self.drain.map_or(default.drain, |patience| patience.0),
            plan: match self.plan {
                PlanWord::None => PlanUse::None,
                PlanWord::Apply => PlanUse::Apply,
                PlanWord::Keep => PlanUse::Keep,
            },
            ..default
        };
        settings.interfaces = self.interfaces.iter().map(|one| one.settings(&settings)).collect();
        self.check(&settings)?;
        Ok(settings)
    }

    fn check(&self, settings: &CaptureSettings) -> Result<(), Contradiction> {
        let names: Vec<&str> = self.interfaces.iter().map(|one| one.name.as_str()).collect();
        for (number, name) in names.iter().enumerate() {
            if names.iter().take(number).any(|before| before == name) {
                let key = format!("interfaces.{number}");
                return Err(contradiction(&key, format!("`{name}` is given twice")));
            }
        }
        if let (Some(workers), Some(cpus)) = (settings.workers, &settings.cpus)
            && workers > cpus.len()
        {
            let cpus = cpus.len();
            let said = format!("{workers} workers, but capture.cpus has only {cpus} CPUs for them");
            return Err(contradiction("workers", said));
        }
        Ok(())
    }
}

impl AfXdp {
    fn settings(&self) -> Result<XdpSettings, Contradiction> {
        let default = XdpSettings::default();
        let ring = self.ring.map_or(default.ring, |ring| ring.0);
        let usual = default.chunks.max(ring.saturating_mul(3));
        let chunks = self.chunks.map_or(usual, |chunks| chunks.0);
        if chunks / 2 < ring {
            let least = ring.saturating_mul(2);
            let said = format!("{chunks} are too few for a ring of {ring}: write {least} or more");
            return Err(contradiction("af-xdp.chunks", said));
        }
        let zero_copy = self.zero_copy.unwrap_or(default.zero_copy);
        Ok(XdpSettings { ring, chunks, zero_copy, generic: self.generic, ..default })
    }
}

impl AfPacket {
    fn settings(&self) -> Result<PacketSettings, Contradiction> {
        let mut settings = PacketSettings::default();
        if let Some(BlockSize(bytes)) = self.block_size {
            settings.block_size = bytes;
        }
        if let Some(Within(blocks)) = self.blocks {
            settings.blocks = blocks;
        }
        if settings.block_size.checked_mul(settings.blocks).is_none() {
            let PacketSettings { block_size, blocks, .. } = settings;
            let most = (u32::MAX / block_size).max(1);
            let said = format!(
                "{blocks} blocks of {block_size} bytes are 4 GiB or more: write {most} or less"
            );
            return Err(contradiction("af-packet.blocks", said));
        }
        if let Some(timeout) = self.block_timeout {
            let wrong = |what| contradiction("af-packet.block-timeout", what);
            settings.block_timeout_ms = timeout.milliseconds().map_err(wrong)?;
        }
        Ok(settings)
    }
}

impl OrderSection {
    fn settings(self) -> Result<OrderSettings, Contradiction> {
        let default = OrderSettings::default();
        let guard_us = self.guard.map_or(default.guard_us, |guard| guard.0);
        let longest_us = self.longest.map_or(default.longest_us, |longest| longest.0);
        if guard_us > longest_us {
            let said = format!(
                "{guard_us} us are more than capture.order.longest, {longest_us} us: nothing waits \
                 for longer than that"
            );
            // What was written is what is to be changed.
            let key = if self.guard.is_some() { "order.guard" } else { "order.longest" };
            return Err(contradiction(key, said));
        }
        Ok(OrderSettings { guard_us, longest_us })
    }
}

impl Hash {
    fn settings(self) -> HashSettings {
        let tunnels = match self.tunnels {
            TunnelsWord::Outer => Tunnels::Outer,
            TunnelsWord::Inner => Tunnels::Inner,
        };
        HashSettings { seed: 0, ports: self.ports, vlans: self.vlans, tunnels }
    }
}

impl Shunt {
    fn settings(&self) -> Shunting {
        let default = Shunting::default();
        Shunting {
            after: self.after.as_ref().and_then(|Size(text)| size::strict(text)),
            encrypted: self.encrypted,
            pass: self.pass,
            flows: self.flows.map_or(default.flows, |flows| flows.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::Sensor;
    use super::*;
    use ::capture::live::Method;

    fn settings(text: &str) -> Result<CaptureSettings, String> {
        let sensor = Sensor::parse(text, "gate.yaml")?;
        sensor.capture().map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_said_is_what_capture_does_anyway() {
        let expected = format!("{:?}", CaptureSettings::default());
        assert_eq!(format!("{:?}", settings("name: a\n").unwrap()), expected);
        let documented = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sensor.yaml");
        let text = std::fs::read_to_string(documented).unwrap();
        assert!(text.contains("\ncapture:\n"), "the section is documented");
        assert_eq!(format!("{:?}", settings(&text).unwrap()), expected);
    }

    /// What the documents have behind a comment sign is understood as well.
    #[test]
    fn all_keys_of_the_documents_are_known() {
        let documented = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sensor.yaml");
        let text = std::fs::read_to_string(documented).unwrap();
        let section: String = text
            .lines()
            .skip_while(|line| *line != "capture:")
            .enumerate()
            .take_while(|(at, line)| *at == 0 || line.is_empty() || line.starts_with(' '))
            .map(|(_, line)| match line.trim_start().strip_prefix('#') {
                // A sentence has a blank behind the sign.
                Some(key) if !key.starts_with(' ') => {
                    let indent = line.len() - line.trim_start().len();
                    format!("{:indent$}{key}\n", "")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        let all = settings(&section).unwrap();
        assert!(all.workers.is_some() && all.cpus.is_some() && all.management_cpus.is_some());
        assert!(all.user.is_some() && all.group.is_some() && all.control.is_some());
        assert!(all.shunt.after.is_some());
    }

    #[test]
    fn what_is_said_holds() {
        let all = settings(
            "capture:\n  \
               interfaces:\n    \
                 - ens1\n    \
                 - {name: \"0000:81:00.1\", method: af-packet, queues: 4, promiscuous: false, snap-length: 256}\n    \
                 - name: resource:intel.com/tap\n      method: af-xdp\n  \
               workers: 3\n  cpus: 2-5,8\n  management-cpus: [0, \"10-11\"]\n  \
               af-xdp: {ring: 8192, zero-copy: false, generic: true}\n  \
               af-packet: {block-size: 4 MiB, blocks: 16, block-timeout: 2 ms}\n  \
               hand-over: 512\n  order: {guard: 1 ms, longest: 20 ms}\n  \
               hash: {ports: true, vlans: true, tunnels: inner}\n  \
               shunt: {after: 1 MiB, encrypted: true, pass: true, flows: 1000}\n  \
               shed: 250\n  filter: not port 9200\n  exclude: [10.0.0.0/8, \"2001:db8::/32\", 192.0.2.7]\n  \
               user: nobody\n  group: 65534\n  control: /run/gate.socket\n  drain: 3\n  plan: apply\n",
        )
        .unwrap();
        let live: Vec<_> = all.interfaces.iter().map(|one| &one.live).collect();
        let told: Vec<_> = live
            .iter()
            .map(|one| (one.name.as_str(), one.method, one.promiscuous, one.packet.snap_length))
            .collect();
        assert_eq!(
            told,
            [
                ("ens1", Method::Auto, true, None),
                ("0000:81:00.1", Method::Packet, false, Some(256)),
                ("resource:intel.com/tap", Method::Xdp, true, None),
            ]
        );
        assert_eq!(all.interfaces[1].queues, Some(4));
        for one in live {
            assert_eq!((one.xdp.ring, one.xdp.chunks), (8192, 24576));
            assert!(!one.xdp.zero_copy && one.xdp.generic);
            assert_eq!((one.packet.block_size, one.packet.blocks), (4 << 20, 16));
            assert_eq!(one.packet.block_timeout_ms, 2);
        }
        assert_eq!(all.workers, Some(3));
        assert_eq!(all.cpus.unwrap().to_string(), "2-5,8");
        assert_eq!(all.management_cpus.unwrap().to_string(), "0,10-11");
        assert_eq!((all.order.guard_us, all.order.longest_us), (1000, 20_000));
        assert_eq!((all.hand_over, all.shed), (512, 250));
        assert!(all.hash.ports && all.hash.vlans && all.hash.tunnels == Tunnels::Inner);
        let shunt = Shunting { after: Some(1 << 20), encrypted: true, pass: true, flows: 1000 };
        assert_eq!(all.shunt, shunt);
        assert_eq!(all.filter.as_deref(), Some("not port 9200"));
        let networks: Vec<_> = all.exclude.iter().map(|one| (one.address, one.length)).collect();
        let network = |address: &str, length| (address.parse().unwrap(), length);
        let expected =
            [network("10.0.0.0", 8), network("2001:db8::", 32), network("192.0.2.7", 32)];
        assert_eq!(networks, expected);
        assert_eq!((all.user.as_deref(), all.group.as_deref()), (Some("nobody"), Some("65534")));
        assert_eq!(all.control.as_deref(), Some(Path::new("/run/gate.socket")));
        assert_eq!((all.drain, all.plan), (Duration::from_secs(3), PlanUse::Apply));
    }

    #[test]
    fn draining_takes_seconds_or_a_span() {
        for (text, expected) in
            [("5", 5000), ("5s", 5000), ("5 s", 5000), ("500 ms", 500), ("3600", 3_600_000)]
        {
            let drain = settings(&format!("capture: {{drain: {text}}}\n")).unwrap().drain;
            assert_eq!(drain, Duration::from_millis(expected), "{text}");
        }
    }

    #[test]
    fn mistakes_are_refused_with_their_place() {
        let check = |text: &str, parts: &[&str]| {
            let said = settings(&format!("capture:\n{text}")).unwrap_err();
            for part in parts {
                assert!(said.contains(part), "{part} in {said}");
            }
            assert!(!said.contains("<input>"), "{said}");
        };
        check("  worker: 2\n", &["worker", "workers", "gate.yaml:2"]);
        check("  workers: 0\n", &["`0` is not from 1 to 256", "gate.yaml:2"]);
        check("  workers: 257\n", &["`257` is not from 1 to 256"]);
        check("  plan: maybe\n", &["maybe", "apply", "gate.yaml:2"]);
        check("  cpus: 5-2\n", &["`5-2` is not a list of CPUs", "gate.yaml:2"]);
        check("  cpus: []\n", &["no CPU"]);
        check("\n  af-xdp: {ring: 1000}\n", &["`1000` is no power of two", "gate.yaml:3"]);
        check(
            "\n  af-xdp: {ring: 1024, chunks: 1500}\n",
            &["1500", "2048", "gate.yaml:3:24: capture.af-xdp.chunks"],
        );
        check("  af-packet: {block-size: 3 MiB}\n", &["power of two", "gate.yaml:2"]);
        check(
            "  af-packet: {block-size: 1 GiB, blocks: 8}\n",
            &["4 GiB", "gate.yaml:2:34: capture.af-packet.blocks"],
        );
        check("  af-packet: {block-timeout: 10}\n", &["`10` is no span of time", "ms"]);
        check("  af-packet: {block-size: 1000 KiB}\n", &["1000 KiB", "gate.yaml:2:27"]);
        check("  order: {guard: 2 s}\n", &["gate.yaml:2:11: capture.order.guard:", "longest"]);
        check("  order: {longest: 1 us}\n", &["gate.yaml:2:11: capture.order.longest:"]);
        check("  drain: 0\n", &["`0` is no time to stop in", "gate.yaml:2"]);
        check("  drain: 2 h\n", &["`2 h` is no time to stop in", "10 s"]);
        check("  hash: {tunnels: both}\n", &["both", "inner", "gate.yaml:2"]);
        check("  shed: 1001\n", &["`1001` is not from 0 to 1000"]);
        check("  exclude: [10.1.0.0/8]\n", &["10.1.0.0/8", "10.0.0.0/8", "gate.yaml:2"]);
        check("  exclude: [10.0.0.0/33]\n", &["`10.0.0.0/33` is no network"]);
        check("  filter: frobnicate it\n", &["`frobnicate it` is no filter", "gate.yaml:2"]);
        check("  interfaces: [{nam: x}]\n", &["nam", "name", "gate.yaml:2"]);
        check("  interfaces:\n    - {method: auto}\n", &["name", "gate.yaml:3"]);
        check("  interfaces: [7]\n", &["name of an interface", "gate.yaml:2"]);
        check("  interfaces: [\"\"]\n", &["no interface was named", "gate.yaml:2"]);
        check("  interfaces: [a, b, a]\n", &["gate.yaml:2:22: capture.interfaces: `a`", "twice"]);
        check("  workers: 3\n  cpus: 0-1\n", &["gate.yaml:2:3: capture.workers", "3 workers", "2"]);
    }
}
