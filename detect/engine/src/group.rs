//! Groups: the rules that packets of one kind can match, with their search sets.
//!
//! A group is made when a flow first needs it, from its classes of addresses and ports, its
//! protocol, direction and whether it is established; groups with the same rules share sets.

use std::collections::HashMap;
use std::rc::Rc;

use decode::Direction;
use protocol::AppProto;
use rules::{Place, RuleClass};
use search::{Pattern, Set, SetBuilder};

use crate::compile::{Compiled, PAYLOAD};
use crate::ruleset::Ruleset;

/// What decides which rules a packet can match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupKey {
    /// 0 no flow, 1 flow not established, 2 established.
    pub flow: u8,
    /// Direction of the packet.
    pub direction: Direction,
    /// IP protocol.
    pub proto: u8,
    /// 4 or 6, 0 without network layer.
    pub ip_version: u8,
    /// Classes of source and destination address.
    pub addresses: [u32; 2],
    /// Classes of source and destination port; none: the packet has no ports.
    pub ports: Option<[u16; 2]>,
}

/// Rules with a fast pattern and a set that finds them, and rules without.
#[derive(Debug, Default)]
pub struct Candidates {
    /// Search set whose ids are rule indices; none: no rule with a pattern.
    pub set: Option<Rc<Set>>,
    /// Rules that are always candidates, in internal order.
    pub always: Rc<[u32]>,
}

/// One target of transaction rules.
#[derive(Debug)]
pub struct TxTarget {
    /// Number of the target.
    pub target: u16,
    /// Buffer.
    pub buffer: protocol::BufferId,
    /// Direction of the buffer.
    pub direction: Direction,
    /// Progress from which it can be looked at.
    pub progress: u8,
    /// A window on a body.
    pub streaming: bool,
    /// Search set.
    pub set: Rc<Set>,
}

/// Transaction rules of one protocol.
#[derive(Debug, Default)]
pub struct TxGroup {
    /// Buffers that are searched, by progress.
    pub targets: Vec<TxTarget>,
    /// Rules without a pattern in a buffer. One in the payload does not count: payload is not
    /// searched for rules on transactions.
    pub always: Rc<[u32]>,
}

/// A group.
#[derive(Debug)]
pub struct Group {
    /// Address-only rules.
    pub address: Rc<[u32]>,
    /// On single packets.
    pub packet: Candidates,
    /// On reassembled data, and on TCP payload that never enters a stream.
    pub stream: Candidates,
    tx: HashMap<AppProto, Rc<TxGroup>>,
    key: GroupKey,
}

/// A worker's groups.
#[derive(Debug, Default)]
pub struct Groups {
    by_key: HashMap<GroupKey, u32>,
    list: Vec<Group>,
    /// How often all were forgotten; part of their numbers, which flows keep.
    epoch: u32,
    /// The same, for statistics.
    renewed: u64,
    sets: HashMap<(u16, Vec<u32>), Rc<Set>>,
    lists: HashMap<Vec<u32>, Rc<[u32]>>,
}

/// Most groups a worker keeps; beyond it all are made anew.
const MAX_GROUPS: usize = 1 << EPOCH_SHIFT;

/// Numbers of groups: the epoch above the place in the list.
const EPOCH_SHIFT: u32 = 13;
const EPOCHS: u32 = (1 << (u32::BITS - EPOCH_SHIFT)) - 1;

/// IP protocol of TCP.
const TCP: u8 = 6;

impl Groups {
    /// The number of the group for `key`, made if need be.
    pub fn find(&mut self, rules: &Ruleset, key: GroupKey) -> u32 {
        if let Some(&number) = self.by_key.get(&key) {
            return number;
        }
        if self.list.len() >= MAX_GROUPS {
            self.forget_all();
        }
        let number = self.epoch << EPOCH_SHIFT | self.list.len() as u32;
        let group = self.build(rules, key);
        self.list.push(group);
        self.by_key.insert(key, number);
        number
    }

    /// A group by number.
    pub fn get(&self, number: u32) -> Option<&Group> {
        self.list.get(self.place(number)?)
    }

    /// How often there were so many that all were forgotten, to be made anew.
    pub const fn renewed(&self) -> u64 {
        self.renewed
    }

    /// Numbers given out so far stand for nothing any more.
    fn forget_all(&mut self) {
        let (epoch, renewed) = ((self.epoch + 1) % EPOCHS, self.renewed + 1);
        *self = Self { epoch, renewed, ..Self::default() };
    }

    /// Place in the list of a number; none if it is of an earlier epoch.
    fn place(&self, number: u32) -> Option<usize> {
        let place = number as usize & (MAX_GROUPS - 1);
        (number >> EPOCH_SHIFT == self.epoch).then_some(place)
    }

    /// How many groups and how many bytes of search sets there are.
    pub fn size(&self) -> (usize, usize) {
        (self.list.len(), self.sets.values().map(|s| s.memory()).sum())
    }

    fn build(&mut self, rules: &Ruleset, key: GroupKey) -> Group {
        let mut packet = Picked::default();
        let mut stream = Picked::default();
        for &index in &rules.packet {
            let Some(rule) = rules.get(index) else { continue };
            if !holds(rules, rule, &key) {
                continue;
            }
            // Without TCP there is no stream: all payload is looked at as a packet.
            if rule.on_stream && key.proto == TCP {
                stream.add(index, rule);
            }
            if rule.on_packet || rule.on_stream && key.proto != TCP {
                packet.add(index, rule);
            }
        }
        let address = rules.ip_only.iter().copied();
        let address = address.filter(|at| rules.get(*at).is_some_and(|r| holds(rules, r, &key)));
        let address = address.collect();
        Group {
            address: self.shared(address),
            packet: self.candidates(rules, PAYLOAD, packet),
            stream: self.candidates(rules, PAYLOAD, stream),
            tx: HashMap::new(),
            key,
        }
    }

    fn candidates(&mut self, rules: &Ruleset, target: u16, picked: Picked) -> Candidates {
        Candidates {
            set: (!picked.needles.is_empty()).then(|| self.set(rules, target, picked.needles)),
            always: self.shared(picked.always),
        }
    }

    /// The rules of `proto` on transactions in group `number`, made if need be.
    pub fn tx(&mut self, rules: &Ruleset, number: u32, proto: AppProto) -> Rc<TxGroup> {
        let place = self.place(number);
        let Some(group) = place.and_then(|p| self.list.get(p)) else { return Rc::default() };
        if let Some(found) = group.tx.get(&proto) {
            return Rc::clone(found);
        }
        let made = Rc::new(self.build_tx(rules, group.key, proto));
        if let Some(group) = place.and_then(|p| self.list.get_mut(p)) {
            group.tx.insert(proto, Rc::clone(&made));
        }
        made
    }

    fn build_tx(&mut self, rules: &Ruleset, key: GroupKey, proto: AppProto) -> TxGroup {
        let mut by_target: HashMap<(u16, Direction), Vec<u32>> = HashMap::new();
        let mut always = Vec::new();
        for &index in rules.tx_rules(proto) {
            let Some(rule) = rules.get(index) else { continue };
            if !rule.directions[key.direction.index()] || !holds(rules, rule, &key) {
                continue;
            }
            match &rule.needle {
                Some(needle) if matches!(needle.place, Place::Buffer(_)) => {
                    let direction = needle.direction.unwrap_or(key.direction);
                    by_target.entry((needle.target, direction)).or_default().push(index);
                }
                _ => always.push(index),
            }
        }
        let mut targets = Vec::with_capacity(by_target.len());
        for ((target, direction), list) in by_target {
            let Some(Place::Buffer(buffer)) = rules.target(target).map(|t| t.place) else {
                continue;
            };
            let Some(spec) = protocol::registry::buffer(buffer) else { continue };
            let progress = match direction {
                Direction::ToServer => spec.to_server,
                Direction::ToClient => spec.to_client,
            };
            let Some(progress) = progress else { continue };
            let set = self.set(rules, target, list);
            let streaming = spec.streaming;
            targets.push(TxTarget { target, buffer, direction, progress, streaming, set });
        }
        targets.sort_by_key(|t| (t.progress, t.target, t.direction));
        TxGroup { targets, always: self.shared(always) }
    }

    fn shared(&mut self, list: Vec<u32>) -> Rc<[u32]> {
        if let Some(known) = self.lists.get(&list) {
            return Rc::clone(known);
        }
        let shared: Rc<[u32]> = list.clone().into();
        self.lists.insert(list, Rc::clone(&shared));
        shared
    }

    fn set(&mut self, rules: &Ruleset, target: u16, list: Vec<u32>) -> Rc<Set> {
        let key = (target, list);
        if let Some(known) = self.sets.get(&key) {
            return Rc::clone(known);
        }
        let mut builder = SetBuilder::new();
        for &index in &key.1 {
            let Some(needle) = rules.get(index).and_then(|r| r.needle.as_ref()) else { continue };
            builder.add(Pattern {
                bytes: &needle.bytes,
                nocase: needle.nocase,
                offset: needle.offset,
                depth: needle.depth,
                id: index,
            });
        }
        let set = Rc::new(builder.build());
        self.sets.insert(key, Rc::clone(&set));
        set
    }
}

/// Rules picked for one kind of data.
#[derive(Default)]
struct Picked {
    needles: Vec<u32>,
    always: Vec<u32>,
}

impl Picked {
    fn add(&mut self, index: u32, rule: &Compiled) {
        match &rule.needle {
            Some(needle) if needle.place == Place::Payload => self.needles.push(index),
            _ => self.always.push(index),
        }
    }
}

/// True when a rule's header and flow state hold for all packets of a kind.
pub fn holds(rules: &Ruleset, compiled: &Compiled, key: &GroupKey) -> bool {
    let rule = &compiled.rule;
    let protocol = &rule.protocol;
    if key.ip_version == 0 && !protocol.packet_header && protocol.ethertype.is_none() {
        return false;
    }
    let any = protocol.ip_protocols == [0; 4];
    let bit = protocol.ip_protocols[usize::from(key.proto >> 6)] >> (key.proto & 63) & 1 == 1;
    if !(any || bit) || protocol.ip_version.is_some_and(|v| v != key.ip_version) {
        return false;
    }
    let (src, dst) = (key.addresses[0], key.addresses[1]);
    if !rules.addresses.holds(src, compiled.addresses[0])
        || !rules.addresses.holds(dst, compiled.addresses[1])
    {
        return false;
    }
    let ports_hold = match (key.ports, compiled.ports) {
        (_, [None, None]) => true,
        (None, _) => false,
        (Some([s, d]), [src, dst]) => {
            src.is_none_or(|n| rules.src_ports.holds(s, n))
                && dst.is_none_or(|n| rules.dst_ports.holds(d, n))
        }
    };
    ports_hold && flow_holds(compiled, key)
}

fn flow_holds(compiled: &Compiled, key: &GroupKey) -> bool {
    let flow = &compiled.rule.flow;
    if key.flow == 0 {
        let wants = flow.direction.is_some() || flow.established || flow.not_established;
        return !wants && compiled.rule.class != RuleClass::AppLayer;
    }
    flow.direction.is_none_or(|d| d == key.direction)
        && (!flow.established || key.flow == 2)
        && (!flow.not_established || key.flow == 1)
}
