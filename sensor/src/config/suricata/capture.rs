//! `af-packet`, `af-xdp` and what else of `suricata.yaml` says how frames are had.

use ::capture::live::{LiveInterface, Method, PacketSettings, XdpSettings};

use crate::config::capture::{CaptureSettings, InterfaceSettings};
use crate::config::tree::Node;
use crate::config::{boolean, integer, size};

use super::{Config, Fatal};

const MODULE: &str = "runmodes";
/// The entry that holds for interfaces without one, and for what other entries leave open.
const DEFAULT: &str = "default";
/// What a packet socket puts before a frame: its own header and an address, rounded up.
const FRAME_HEADER: u64 = 96;
const PAGE: u32 = 4096;

/// Which section says how frames are had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// `af-packet`: packet sockets.
    AfPacket,
    /// `af-xdp`.
    AfXdp,
}

/// An entry of a section with that of `default` behind it.
#[derive(Clone, Copy)]
struct Entry<'a> {
    section: Section,
    interface: &'a str,
    own: Option<&'a Node>,
    default: Option<&'a Node>,
}

/// Settings of capture from these interfaces; from all of the section if there are none.
///
/// # Errors
/// When it says what cannot be done; the log has it.
pub(crate) fn read(
    config: Config<'_>,
    section: Section,
    devices: &[String],
) -> Result<CaptureSettings, Fatal> {
    let mut settings = CaptureSettings::default();
    let mut workers = Some(0);
    let mut filters: Vec<Option<&str>> = Vec::new();
    for entry in entries(config, section, devices) {
        workers = workers.zip(entry.threads(config)).map(|(sum, own)| sum + own);
        filters.push(entry.text("bpf-filter"));
        let interface = match section {
            Section::AfPacket => entry.packet(config, &mut settings)?,
            Section::AfXdp => entry.xdp(config)?,
        };
        settings.interfaces.push(interface);
    }
    if settings.interfaces.is_empty() {
        return Err(config.fail(MODULE, &section.missing(config.root)));
    }
    filters.dedup();
    if let [filter] = filters.as_slice() {
        settings.filter = filter.map(str::to_owned);
    } else {
        let said = "bpf-filter must be the same for all interfaces in this program";
        return Err(config.fail(MODULE, said));
    }
    settings.workers = workers;
    super::affinity::read(config, &mut settings)?;
    settings.user = config.text("run-as.user").map(str::to_owned);
    settings.group = config.text("run-as.group").map(str::to_owned);
    let socket = config.text("unix-command.enabled").is_some_and(|word| !boolean::is_false(word));
    settings.control =
        socket.then(|| crate::control::socket::path_of(config.text("unix-command.filename")));
    Ok(settings)
}

impl Section {
    /// The section that a configuration has: `af-packet` before `af-xdp`, as for Suricata's `-i`.
    pub(crate) fn of(root: &Node) -> Self {
        match (root.get("af-packet"), root.get("af-xdp")) {
            (None, Some(_)) => Self::AfXdp,
            _ => Self::AfPacket,
        }
    }

    /// What is missing when there is no interface, and what to write.
    fn missing(self, root: &Node) -> String {
        let name = self.name();
        let lacks = match root.get(name) {
            None => format!("the configuration has no {name} section"),
            Some(_) => format!("the {name} section of the configuration names none"),
        };
        format!(
            "no interface to capture from: the command line names none, and {lacks}. Name one on \
             the command line, or write '{name}: [{{interface: eth0}}]' into the configuration"
        )
    }

    /// `checksum-checks` of an interface.
    pub(crate) fn checksum_checks<'a>(self, root: &'a Node, interface: &str) -> Option<&'a str> {
        let items = &root.get(self.name())?.children;
        let of = |name: &str| {
            let own = items.iter().find(|item| item.text("interface") == Some(name))?;
            own.text("checksum-checks")
        };
        of(interface).or_else(|| of(DEFAULT))
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AfPacket => "af-packet",
            Self::AfXdp => "af-xdp",
        }
    }
}

fn entries<'a>(
    config: Config<'a>,
    section: Section,
    devices: &'a [String],
) -> impl Iterator<Item = Entry<'a>> {
    let items = config.root.get(section.name()).map_or(&[][..], |node| &node.children);
    let entry = move |interface: &str| {
        items.iter().find(|item| item.text("interface").is_some_and(|name| name == interface))
    };
    let default = entry(DEFAULT);
    let listed = items.iter().filter_map(|item| item.text("interface"));
    let listed = listed.filter(|name| *name != DEFAULT);
    let wanted: Vec<&str> = match devices {
        [] => listed.collect(),
        _ => devices.iter().map(String::as_str).collect(),
    };
    let mut names: Vec<&str> = Vec::new();
    for name in wanted {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().map(move |interface| {
        let own = entry(interface);
        if own.or(default).is_none() {
            let said = format!("{} has nothing on {interface}: defaults hold", section.name());
            config.log.warning(MODULE, said);
        }
        Entry { section, interface, own, default }
    })
}

impl<'a> Entry<'a> {
    fn text(&self, key: &str) -> Option<&'a str> {
        let of = |node: Option<&'a Node>| node.and_then(|node| node.text(key));
        of(self.own).or_else(|| of(self.default))
    }

    /// Whether it says yes; none if it says nothing.
    fn truth(&self, key: &str) -> Option<bool> {
        self.text(key).map(boolean::is_true)
    }

    fn number(&self, config: Config<'_>, key: &str) -> Option<u64> {
        let text = self.text(key)?;
        let number = integer::any_base(text).and_then(|number| u64::try_from(number).ok());
        if number.is_none() {
            let said = format!("{}: {key}: '{text}' is no number: left out", self.interface);
            config.log.warning(MODULE, said);
        }
        number
    }

    /// Workers for this interface; none: as many as there are CPUs. Every worker serves all
    /// interfaces here, so that their sum is as many as Suricata 8 would start.
    fn threads(&self, config: Config<'_>) -> Option<usize> {
        if self.text("threads").is_none_or(|text| text.eq_ignore_ascii_case("auto")) {
            return None;
        }
        let threads = self.number(config, "threads").filter(|threads| *threads > 0)?;
        Some(usize::try_from(threads).unwrap_or(usize::MAX).min(256))
    }

    fn packet(
        &self,
        config: Config<'_>,
        settings: &mut CaptureSettings,
    ) -> Result<InterfaceSettings, Fatal> {
        self.refuse_inline(config)?;
        self.cluster(config, settings)?;
        // Rings of version 3 are the only ones here; nobody captures less with them.
        for key in ["tpacket-v3", "use-mmap"] {
            if self.truth(key) == Some(false) {
                let said = format!("{}: {key} is always on in this program", self.interface);
                config.log.warning(MODULE, said);
            }
        }
        for key in ["ebpf-lb-file", "ebpf-filter-file", "xdp-filter-file"] {
            if let Some(file) = self.text(key) {
                let said =
                    format!("{}: {key}: {file} is not loaded by this program", self.interface);
                config.log.warning(MODULE, said);
            }
        }
        let packet = self.ring(config)?;
        let live = LiveInterface { packet, ..self.live(Method::Packet) };
        Ok(InterfaceSettings { live, queues: None })
    }

    fn xdp(&self, config: Config<'_>) -> Result<InterfaceSettings, Fatal> {
        self.refuse_inline(config)?;
        let generic = match self.text("force-xdp-mode") {
            None | Some("none" | "drv") => false,
            Some("skb") => true,
            Some(word) => return Err(self.unknown(config, "force-xdp-mode", word)),
        };
        let zero_copy = match self.text("force-bind-mode") {
            None | Some("none" | "zero") => true,
            Some("copy") => false,
            Some(word) => return Err(self.unknown(config, "force-bind-mode", word)),
        };
        let xdp = XdpSettings { generic, zero_copy, ..XdpSettings::default() };
        let live = LiveInterface { xdp, ..self.live(Method::Xdp) };
        Ok(InterfaceSettings { live, queues: None })
    }

    fn live(&self, method: Method) -> LiveInterface {
        let promiscuous = self.truth("disable-promisc") != Some(true);
        LiveInterface { method, promiscuous, ..LiveInterface::new(self.interface) }
    }

    fn refuse_inline(&self, config: Config<'_>) -> Result<(), Fatal> {
        match self.text("copy-mode") {
            None | Some("none") => Ok(()),
            Some(mode) => {
                let name = self.interface;
                let said = format!("{name}: copy-mode {mode}: this program sends no frames on");
                Err(config.fail(MODULE, &said))
            }
        }
    }

    /// Which frames come to which worker is decided by our own hash, whatever the kind of cluster:
    /// it keeps flows together as all kinds are meant to.
    fn cluster(&self, config: Config<'_>, settings: &mut CaptureSettings) -> Result<(), Fatal> {
        if let Some(number) = self.number(config, "cluster-id") {
            let number = u16::try_from(number).map_err(|_| {
                config.fail(MODULE, &format!("{}: cluster-id beyond 65535", self.interface))
            })?;
            settings.group_number = settings.group_number.or(Some(number));
        }
        match self.text("cluster-type") {
            None | Some("cluster_flow" | "cluster_ebpf") => Ok(()),
            Some(
                word @ ("cluster_cpu"
                | "cluster_qm"
                | "cluster_random"
                | "cluster_rollover"
                | "cluster_round_robin"),
            ) => {
                let name = self.interface;
                let said = format!("{name}: {word}: flows are dealt out by their addresses");
                config.log.info(MODULE, said);
                Ok(())
            }
            Some(word) => Err(self.unknown(config, "cluster-type", word)),
        }
    }

    /// `ring-size` counts frames of each worker; the ring has the blocks that hold so many.
    fn ring(&self, config: Config<'_>) -> Result<PacketSettings, Fatal> {
        let mut packet = PacketSettings::default();
        if let Some(text) = self.text("block-size") {
            let asked = size::strict(text).and_then(|bytes| u32::try_from(bytes).ok());
            let Some(asked) = asked.filter(|bytes| (1..=1 << 30).contains(bytes)) else {
                return Err(self.unknown(config, "block-size", text));
            };
            packet.block_size = asked.next_power_of_two().max(PAGE);
            if packet.block_size != asked {
                let (name, bytes) = (self.interface, packet.block_size);
                let said = format!("{name}: block-size is {bytes}, the next power of two");
                config.log.warning(MODULE, said);
            }
        }
        let most = u32::MAX / packet.block_size;
        if let Some(frames) = self.number(config, "ring-size") {
            let longest = config.number("default-packet-size", 1514_i64);
            let frame = u64::try_from(longest).unwrap_or(1514).saturating_add(FRAME_HEADER);
            let blocks = frames.saturating_mul(frame).div_ceil(packet.block_size.into());
            packet.blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        }
        packet.blocks = packet.blocks.clamp(2, most.max(2));
        if let Some(timeout) = self.number(config, "block-timeout") {
            packet.block_timeout_ms = u32::try_from(timeout).unwrap_or(u32::MAX);
        }
        Ok(packet)
    }

    fn unknown(&self, config: Config<'_>, key: &str, word: &str) -> Fatal {
        let (section, name) = (self.section.name(), self.interface);
        config.fail(MODULE, &format!("{section}: {name}: invalid {key} '{word}'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::suricata::Mode;
    use crate::config::yaml::Loader;
    use crate::log::Log;

    fn settings(section: Section, devices: &[&str], text: &str) -> Result<CaptureSettings, Fatal> {
        let log = Log::errors();
        let mut loader = Loader::new(Node::default(), &log);
        loader.text(&format!("%YAML 1.1\n---\n{text}")).unwrap();
        let root = loader.finish();
        let devices: Vec<String> = devices.iter().map(|name| (*name).to_owned()).collect();
        read(Config { root: &root, log: &log, mode: &Mode::default() }, section, &devices)
    }

    const PACKET: &str = "\
af-packet:
  - interface: eth0
    threads: 4
    cluster-id: 98
    cluster-type: cluster_qm
    defrag: yes
    use-mmap: yes
    tpacket-v3: yes
    ring-size: 100000
    block-size: 65536
    block-timeout: 20
  - interface: eth1
    threads: 2
    disable-promisc: yes
  - interface: default
    ring-size: 2048
    bpf-filter: tcp
";

    #[test]
    fn packet_sockets_are_read_with_the_defaults_behind_them() {
        let all = settings(Section::AfPacket, &[], PACKET).unwrap();
        let live: Vec<_> = all.interfaces.iter().map(|one| &one.live).collect();
        assert_eq!([&live[0].name, &live[1].name], ["eth0", "eth1"]);
        assert!(live.iter().all(|one| one.method == Method::Packet));
        assert!(live[0].promiscuous && !live[1].promiscuous);
        // 100000 frames of 1514 bytes and their headers, in blocks of 64 KiB.
        assert_eq!((live[0].packet.block_size, live[0].packet.blocks), (65536, 2457));
        assert_eq!(live[0].packet.block_timeout_ms, 20);
        assert_eq!((live[1].packet.block_size, live[1].packet.blocks), (1 << 20, 4));
        assert_eq!((all.workers, all.group_number), (Some(6), Some(98)));
        assert_eq!(all.filter.as_deref(), Some("tcp"));
    }

    #[test]
    fn a_missing_interface_is_told_with_what_to_write() {
        let check = |text: &str, part: &str| {
            let log = Log::errors();
            let mut loader = Loader::new(Node::default(), &log);
            loader.text(&format!("%YAML 1.1\n---\n{text}")).unwrap();
            let said = Section::AfPacket.missing(&loader.finish());
            assert!(said.contains(part) && said.contains("interface: eth0"), "{said}");
        };
        check("vars: {}\n", "has no af-packet section");
        check("af-packet: [{interface: default}]\n", "the af-packet section");
    }

    #[test]
    fn checksum_checks_are_those_of_the_interface() {
        let check = |interface: &str, expected: Option<&str>| {
            let log = Log::errors();
            let mut loader = Loader::new(Node::default(), &log);
            let text = "%YAML 1.1\n---\naf-packet:\n  - {interface: eth0, checksum-checks: no}\n  \
                        - {interface: default, checksum-checks: auto}\n";
            loader.text(text).unwrap();
            let root = loader.finish();
            assert_eq!(Section::AfPacket.checksum_checks(&root, interface), expected);
            assert_eq!(Section::AfXdp.checksum_checks(&root, interface), None);
        };
        check("eth0", Some("no"));
        check("eth1", Some("auto"));
    }

    #[test]
    fn the_command_line_chooses_interfaces() {
        let names = |all: &CaptureSettings| {
            all.interfaces.iter().map(|one| one.live.name.clone()).collect::<Vec<_>>()
        };
        let all = settings(Section::AfPacket, &["eth1", "eth9", "eth1"], PACKET).unwrap();
        assert_eq!(names(&all), ["eth1", "eth9"]);
        // One is told nothing of threads: there are as many as CPUs.
        assert_eq!(all.workers, None);
        let all = settings(Section::AfXdp, &["eth1"], PACKET).unwrap();
        assert_eq!(names(&all), ["eth1"]);
        assert!(settings(Section::AfXdp, &[], PACKET).is_err());
        assert!(settings(Section::AfPacket, &[], "af-packet: [{interface: default}]\n").is_err());
    }

    #[test]
    fn af_xdp_is_read() {
        let check = |words: &str, expected: Option<(bool, bool)>| {
            let text = format!("af-xdp:\n  - {{interface: eth0, threads: auto{words}}}\n");
            let found = settings(Section::AfXdp, &[], &text).ok();
            let xdp = found.map(|all| all.interfaces[0].live.xdp.clone());
            assert_eq!(xdp.map(|xdp| (xdp.generic, xdp.zero_copy)), expected, "{words}");
        };
        check("", Some((false, true)));
        check(", force-xdp-mode: drv, force-bind-mode: zero", Some((false, true)));
        check(", force-xdp-mode: skb", Some((true, true)));
        check(", force-bind-mode: copy", Some((false, false)));
        check(", force-xdp-mode: fast", None);
        check(", force-bind-mode: fast", None);
    }

    #[test]
    fn what_cannot_be_done_ends_the_start() {
        let check = |entry: &str, fine: bool| {
            let text = format!("af-packet: [{{interface: eth0, {entry}}}]\n");
            assert_eq!(settings(Section::AfPacket, &[], &text).is_ok(), fine, "{entry}");
        };
        check("cluster-type: cluster_flow", true);
        check("cluster-type: cluster_magic", false);
        check("cluster-id: 70000", false);
        check("cluster-id: many", true);
        check("copy-mode: none", true);
        check("copy-mode: ips", false);
        check("block-size: 40000", true);
        check("block-size: huge", false);
        check("block-size: 0", false);
        check("ring-size: 99999999999", true);
        check("threads: none", true);
        let two = "af-packet:\n  - {interface: a, bpf-filter: tcp}\n  - {interface: b}\n";
        assert!(settings(Section::AfPacket, &[], two).is_err());
        assert!(settings(Section::AfPacket, &["b"], two).unwrap().filter.is_none());
    }

    #[test]
    fn the_process_is_told_who_it_is() {
        let all = settings(
            Section::AfPacket,
            &["eth0"],
            "run-as: {user: suri, group: suri}\nunix-command: {enabled: auto, filename: a.socket}\n",
        )
        .unwrap();
        assert_eq!((all.user.as_deref(), all.group.as_deref()), (Some("suri"), Some("suri")));
        assert_eq!(all.control.unwrap().to_str(), Some("/var/run/suricata/a.socket"));
        let all = settings(Section::AfPacket, &["eth0"], "unix-command: {enabled: no}\n").unwrap();
        assert_eq!(all.control, None);
    }
}
