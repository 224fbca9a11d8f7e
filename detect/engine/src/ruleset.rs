//! Rules ready to run: immutable, shared by all workers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use protocol::AppProto;
use rules::error::RuleError;
use rules::keyword::{Check, TxCheck};
use rules::threshold::{ThresholdEntry, ThresholdFile};
use rules::{Place, Rule, RuleClass, RuleDirection, Target};

use crate::classes::{AddressClasses, PortClasses};
use crate::compile::{Compiled, Targets, compile};
use crate::content::Resources;
use crate::content::dataset::Datasets;
use crate::order::{ActionOrder, OrderKey};
use crate::reputation::Reputation;

/// Settings of the engine; names and defaults are those of `suricata.yaml` when keys are absent.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// `packet-alert-max`.
    pub packet_alert_max: usize,
    /// `action-order`.
    pub action_order: ActionOrder,
    /// `detect.inspection-recursion-limit`, 0: none.
    pub recursion_limit: u32,
    /// `pcre.match-limit` and `pcre.match-limit-recursion`.
    pub pcre_limits: (u32, u32),
    /// `detect.guess-applayer-tx`.
    pub guess_tx: bool,
    /// `detect.stream-tx-log-limit`.
    pub stream_tx_log_limit: u8,
    /// `detect.thresholds.memcap`, bytes.
    pub threshold_memcap: usize,
    /// Inline (IPS) mode.
    pub inline: bool,
    /// `host.memcap`, bytes.
    pub host_memcap: usize,
    /// `ippair.memcap`, bytes.
    pub pair_memcap: usize,
    /// Seed of the hashes of hosts and pairs; the same for all workers of a process.
    pub seed: u64,
    /// Reputation of addresses, for `iprep`.
    pub reputation: Option<Arc<Reputation>>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            packet_alert_max: 15,
            action_order: ActionOrder::default(),
            recursion_limit: 3000,
            pcre_limits: (3500, 1500),
            guess_tx: false,
            stream_tx_log_limit: 4,
            threshold_memcap: 16 << 20,
            inline: false,
            host_memcap: 16 << 20,
            pair_memcap: 16 << 20,
            seed: 0,
            reputation: None,
        }
    }
}

/// What loaded rules need of the rooms below, so that nothing is computed in vain.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// Bodies of messages or files.
    pub bodies: bool,
    /// JA3 and JA3S.
    pub ja3: bool,
    /// JA4.
    pub ja4: bool,
    /// HASSH.
    pub hassh: bool,
    /// Hashes of files: MD5, SHA-1, SHA-256.
    pub hashes: [bool; 3],
    /// Types of files.
    pub magic: bool,
    /// A file may be stored after rules have looked at it.
    pub file_store: bool,
    /// Tags of hosts: every packet is then counted on those in force.
    pub host_tags: bool,
    /// Reassembled data.
    pub raw_stream: bool,
    /// The event for overlaps with different data.
    pub overlap_event: bool,
}

/// Counts for statistics and messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuleCounts {
    /// Address-only rules.
    pub ip_only: usize,
    /// Rules on packets and payload.
    pub payload: usize,
    /// Rules on application layers.
    pub app_layer: usize,
    /// Rules on decoder events.
    pub decoder_event: usize,
}

/// Rules in internal order with everything that is found out before the first packet.
#[derive(Debug)]
pub struct Ruleset {
    rules: Vec<Compiled>,
    targets: Vec<Target>,
    tx: HashMap<AppProto, Vec<u32>>,
    /// Classes of addresses.
    pub addresses: AddressClasses,
    /// Classes of source ports.
    pub src_ports: PortClasses,
    /// Classes of destination ports.
    pub dst_ports: PortClasses,
    /// Address-only rules.
    pub ip_only: Vec<u32>,
    /// Rules on decoder events.
    pub de_only: Vec<u32>,
    /// Rules on the outcome of protocol detection.
    pub pd_only: Vec<u32>,
    /// Rules on packets and streams.
    pub packet: Vec<u32>,
    /// Entries of the threshold file that concern each rule: by index.
    pub thresholds: HashMap<u32, Vec<ThresholdEntry>>,
    /// Entries of the threshold file for rules that are not there.
    pub idle_thresholds: Vec<ThresholdEntry>,
    /// Data sets.
    pub datasets: Arc<Datasets>,
    /// Settings.
    pub settings: EngineSettings,
    /// Needs.
    pub needs: Needs,
    /// Counts.
    pub counts: RuleCounts,
    /// Names of flow bits, variables and so on.
    pub names: Arc<rules::Names>,
}

/// Compiled rules of one set that another takes over.
#[derive(Debug, Default)]
pub struct Unchanged<'r> {
    rules: Vec<&'r Compiled>,
    targets: &'r [Target],
}

/// A rule that could not be compiled.
#[derive(Debug)]
pub struct CompileFailure {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Why.
    pub error: RuleError,
}

impl Ruleset {
    /// Compiles `rules`; those that fail are returned beside the ruleset.
    pub fn new(
        rules: Vec<Box<Rule>>,
        thresholds: &ThresholdFile,
        names: Arc<rules::Names>,
        settings: EngineSettings,
        resources: &mut Resources,
    ) -> (Self, Vec<CompileFailure>) {
        Self::taking_over(&Unchanged::default(), rules, thresholds, names, settings, resources)
    }

    /// Compiles `rules`, and takes over those that are kept as they were compiled.
    pub fn taking_over(
        kept: &Unchanged<'_>,
        rules: Vec<Box<Rule>>,
        thresholds: &ThresholdFile,
        names: Arc<rules::Names>,
        settings: EngineSettings,
        resources: &mut Resources,
    ) -> (Self, Vec<CompileFailure>) {
        let mut targets = Targets::taking_over(kept.targets);
        let mut failures = Vec::new();
        let mut compiled = Vec::with_capacity(kept.rules.len() + rules.len());
        compiled.extend(kept.rules.iter().map(|rule| rule.again()));
        let order = settings.action_order;
        for mut rule in rules {
            let key = OrderKey::new(&rule, &order);
            // What is made of them runs; they themselves are much of a rule's memory.
            let buffers = std::mem::take(&mut rule.buffers);
            let rule: Arc<Rule> = Arc::from(rule);
            match compile(&rule, &buffers, (false, key), &mut targets, resources) {
                Ok(first) => compiled.push(first),
                Err(error) => {
                    failures.push(CompileFailure { rule, error });
                    continue;
                }
            }
            if rule.direction == RuleDirection::Both
                && let Ok(second) = compile(&rule, &buffers, (true, key), &mut targets, resources)
            {
                compiled.push(second);
            }
        }
        compiled.sort_by_key(|rule| (rule.key, rule.reversed));
        let mut ruleset = Self {
            tx: HashMap::new(),
            addresses: AddressClasses::new(
                compiled.iter().flat_map(|c| [&c.rule.src, &c.rule.dst]),
            ),
            src_ports: PortClasses::new(compiled.iter().map(|c| c.header_ports().0)),
            dst_ports: PortClasses::new(compiled.iter().map(|c| c.header_ports().1)),
            targets: targets.list,
            ip_only: Vec::new(),
            de_only: Vec::new(),
            pd_only: Vec::new(),
            packet: Vec::new(),
            thresholds: HashMap::new(),
            idle_thresholds: Vec::new(),
            datasets: resources.datasets(),
            settings,
            needs: Needs::default(),
            counts: RuleCounts::default(),
            names,
            rules: compiled,
        };
        ruleset.number_headers();
        ruleset.sort_into_classes();
        ruleset.attach_thresholds(thresholds);
        (ruleset, failures)
    }

    /// Those of `rules`, which a loader took over, as they are compiled here: for a set with the
    /// same order of actions.
    pub fn unchanged(&self, rules: &[Arc<Rule>]) -> Unchanged<'_> {
        let wanted: HashSet<*const Rule> = rules.iter().map(Arc::as_ptr).collect();
        let is_wanted = |rule: &&Compiled| wanted.contains(&Arc::as_ptr(&rule.rule));
        Unchanged { rules: self.rules.iter().filter(is_wanted).collect(), targets: &self.targets }
    }

    /// A rule by index.
    pub fn get(&self, index: u32) -> Option<&Compiled> {
        self.rules.get(index as usize)
    }

    /// All rules in internal order.
    pub fn rules(&self) -> &[Compiled] {
        &self.rules
    }

    /// A target by number.
    pub fn target(&self, number: u16) -> Option<&Target> {
        self.targets.get(usize::from(number))
    }

    /// All targets by number.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Rules on transactions of a protocol.
    pub fn tx_rules(&self, proto: AppProto) -> &[u32] {
        self.tx.get(&proto).map_or(&[], Vec::as_slice)
    }

    fn number_headers(&mut self) {
        for c in &mut self.rules {
            let (src, dst) =
                if c.reversed { (&c.rule.dst, &c.rule.src) } else { (&c.rule.src, &c.rule.dst) };
            c.addresses = [self.addresses.number(src), self.addresses.number(dst)];
            let (sp, dp) = c.header_ports();
            c.ports = [
                (!sp.is_any()).then(|| self.src_ports.number(sp)),
                (!dp.is_any()).then(|| self.dst_ports.number(dp)),
            ];
        }
    }

    fn sort_into_classes(&mut self) {
        for (index, c) in self.rules.iter().enumerate() {
            let index = index as u32;
            let list = match c.rule.class {
                RuleClass::IpOnly => {
                    self.counts.ip_only += 1;
                    &mut self.ip_only
                }
                RuleClass::DeOnly => {
                    self.counts.decoder_event += 1;
                    &mut self.de_only
                }
                RuleClass::PdOnly => {
                    self.counts.app_layer += 1;
                    &mut self.pd_only
                }
                RuleClass::AppTx => {
                    self.counts.app_layer += 1;
                    for &proto in &c.rule.app {
                        self.tx.entry(proto).or_default().push(index);
                    }
                    need(&mut self.needs, c);
                    continue;
                }
                RuleClass::AppLayer => {
                    self.counts.app_layer += 1;
                    &mut self.packet
                }
                _ => {
                    self.counts.payload += usize::from(c.has_payload);
                    &mut self.packet
                }
            };
            list.push(index);
            need(&mut self.needs, c);
        }
    }

    fn attach_thresholds(&mut self, file: &ThresholdFile) {
        let mut by_id: HashMap<(u32, u32), Vec<u32>> = HashMap::new();
        if !file.entries.is_empty() {
            for (c, index) in self.rules.iter().zip(0..) {
                by_id.entry((c.rule.gid, c.rule.sid)).or_default().push(index);
            }
        }
        for entry in &file.entries {
            let concerned: Vec<u32> = match (entry.gid, entry.sid) {
                (gid @ 1.., sid @ 1..) => by_id.get(&(gid, sid)).cloned().unwrap_or_default(),
                _ => {
                    let rules = self.rules.iter().zip(0..);
                    let concerned = rules.filter(|(c, _)| entry.concerns(c.rule.gid, c.rule.sid));
                    concerned.map(|(_, index)| index).collect()
                }
            };
            if concerned.is_empty() && entry.sid != 0 {
                self.idle_thresholds.push(entry.clone());
            }
            for index in concerned {
                self.thresholds.entry(index).or_default().push(entry.clone());
            }
        }
    }
}

impl Compiled {
    /// Source and destination ports in the direction of this half of the rule.
    fn header_ports(&self) -> (&rules::PortSet, &rules::PortSet) {
        if self.reversed {
            (&self.rule.dst_ports, &self.rule.src_ports)
        } else {
            (&self.rule.src_ports, &self.rule.dst_ports)
        }
    }
}

/// Adds what a rule needs.
fn need(needs: &mut Needs, c: &Compiled) {
    for part in c.parts.iter() {
        match part.place {
            Place::Buffer(id) => {
                if let Some(spec) = protocol::registry::buffer(id) {
                    needs.bodies |= spec.streaming;
                    needs.ja3 |= spec.name.starts_with("ja3");
                    needs.magic |= id == protocol::file::FILE_MAGIC;
                    needs.ja4 |= spec.name.starts_with("ja4");
                    needs.hassh |= spec.name.starts_with("ssh.hassh");
                }
            }
            Place::Payload => needs.raw_stream |= c.on_stream || c.rule.class == RuleClass::AppTx,
            _ => {}
        }
    }
    needs.raw_stream |= c.on_stream;
    for check in &c.rule.tx_checks {
        if let TxCheck::FileHash { hash, .. } = check {
            needs.hashes[*hash as usize] = true;
            needs.bodies = true;
        }
        needs.bodies |= matches!(check, TxCheck::FileSize { .. });
    }
    needs.host_tags |= c.rule.tag.is_some_and(|tag| tag.host);
    needs.file_store |= c.rule.filestore.is_some();
    needs.bodies |= c.rule.filestore.is_some();
    needs.overlap_event |= c.rule.checks.iter().any(|check| {
        let code = decode::event::StreamEvent::ReassemblyOverlapDifferentData.code();
        matches!(check, Check::Event(event) if event.0 == code)
    });
}
