//! Rules on transactions: each transaction that has news, from the first that is not through.

use decode::Direction;
use protocol::registry::AnyParser;
use protocol::{Parser, RuleState};
use rules::Place;
use rules::keyword::TxCheck;
use rules::keyword::tx_check::{FileHash, Instances};
use smallvec::SmallVec;

use crate::compile::{Compiled, DigestList, Part};
use crate::content::Data;
use crate::group::{Groups, TxGroup};
use crate::inspect::buffers::Which;
use crate::inspect::scene::Scene;
use crate::inspect::{Work, bits, packet};
use crate::queue::{Match, Queue};
use crate::ruleset::Ruleset;

/// Most instances of one buffer or number that are looked at.
const MAX_INSTANCES: usize = 1024;

/// Runs the rules on transactions of the packet's direction.
pub fn transaction_rules(
    rules: &Ruleset,
    groups: &mut Groups,
    group: u32,
    scene: &mut Scene<'_, '_>,
    work: &mut Work,
    queue: &mut Queue,
) {
    let direction = scene.direction();
    let at = direction.index();
    let stream = scene.packet.tcp().is_some() || scene.packet.proto == 6;
    if stream && !scene.facts.app_updated && !scene.facts.last {
        return;
    }
    let Some(flow) = scene.flow.as_deref_mut() else { return };
    let Some(parser) = flow.session.parser() else { return };
    let proto = parser.proto();
    let (first, next) = (parser.first_tx(), parser.next_tx());
    let from = flow.inspection.inspect_from[at].max(first);
    let tx_group = groups.tx(rules, group, proto);
    for tx in from..next {
        inspect_one(rules, &tx_group, tx, scene, work, queue);
    }
    let Some(flow) = scene.flow.as_deref_mut() else { return };
    if let Some(parser) = flow.session.parser_mut() {
        flow.inspection.inspect_from[at] = mark_inspected(parser, direction, from);
    }
}

/// Marks finished transactions of a direction; gives the first that is not finished.
pub fn mark_inspected(parser: &mut AnyParser, direction: Direction, from: u64) -> u64 {
    let at = direction.index();
    let end = parser.end_progress(direction);
    let from = from.max(parser.first_tx());
    let mut first_open = None;
    for tx in from..parser.next_tx() {
        let done = parser.progress(tx, direction) >= end;
        parser.inspected(tx, direction);
        let Some(meta) = parser.meta_mut(tx) else { continue };
        meta.updated[at] = false;
        meta.inspected[at] |= done;
        if !meta.inspected[at] && first_open.is_none() {
            first_open = Some(tx);
        }
    }
    first_open.unwrap_or(parser.next_tx())
}

fn inspect_one(
    rules: &Ruleset,
    group: &TxGroup,
    tx: u64,
    scene: &mut Scene<'_, '_>,
    work: &mut Work,
    queue: &mut Queue,
) {
    let direction = scene.direction();
    let at = direction.index();
    let Some(parser) = scene.flow.as_deref().and_then(|f| f.session.parser()) else { return };
    let Some(meta) = parser.meta(tx) else { return };
    if meta.inspected[at] || !meta.updated[at] && !scene.facts.last {
        return;
    }
    work.buffers.clear();
    let progress = parser.progress(tx, direction);
    collect(rules, group, parser, tx, direction, work);
    let mut candidates = std::mem::take(&mut work.candidates);
    candidates.extend(meta.rules[at].iter().filter(|s| !s.finished).map(|s| s.rule));
    candidates.sort_unstable();
    candidates.dedup();
    for &index in &candidates {
        let Some(rule) = rules.get(index) else { continue };
        judge(rules, index, rule, tx, scene, work, queue);
    }
    candidates.clear();
    work.candidates = candidates;
    let parser = scene.flow.as_deref_mut().and_then(|f| f.session.parser_mut());
    if let Some(meta) = parser.and_then(|p| p.meta_mut(tx)) {
        meta.prefiltered[at] = progress;
    }
}

/// Searches the buffers that are there and not yet passed; leaves candidates in `work`.
fn collect(
    rules: &Ruleset,
    group: &TxGroup,
    parser: &AnyParser,
    tx: u64,
    direction: Direction,
    work: &mut Work,
) {
    let at = direction.index();
    let done = parser.meta(tx).map_or(0, |m| m.prefiltered[at]);
    let Work { hits, buffers, candidates, .. } = work;
    hits.clear();
    for target in &group.targets {
        let own = target.direction == direction;
        let end = parser.end_progress(direction);
        let passed = if target.streaming { done >= end } else { done > target.progress };
        if parser.progress(tx, target.direction) < target.progress || own && passed {
            continue;
        }
        for index in 0..MAX_INSTANCES {
            let which = Which { tx, target: target.target, direction: target.direction, index };
            let found =
                buffers.with(rules, parser, which, |data| target.set.search_into(data.bytes, hits));
            if found.is_none() {
                break;
            }
        }
    }
    candidates.clear();
    candidates.extend_from_slice(hits.ids());
    candidates.extend_from_slice(&group.always);
}

/// How a rule stands on a transaction.
enum Stand {
    Match,
    /// Parts so far, as bits; more may come.
    Later(u32),
    Never,
}

fn judge(
    rules: &Ruleset,
    index: u32,
    rule: &Compiled,
    tx: u64,
    scene: &mut Scene<'_, '_>,
    work: &mut Work,
    queue: &mut Queue,
) {
    let at = scene.direction().index();
    let Some(parser) = scene.flow.as_deref().and_then(|f| f.session.parser()) else { return };
    let Some(meta) = parser.meta(tx) else { return };
    let known = meta.rules[at].iter().position(|s| s.rule == index);
    let state = known.and_then(|k| meta.rules[at].get(k)).copied();
    if state.is_some_and(|s| s.finished) {
        return;
    }
    let matched = state.map_or(0, |s| s.matched);
    work.scratch.begin_rule();
    let stand = stand(rules, rule, tx, matched, scene, work);
    let new = match stand {
        Stand::Match => RuleState { rule: index, matched: u32::MAX, finished: true },
        Stand::Never => RuleState { rule: index, matched, finished: true },
        Stand::Later(0) if known.is_none() => return,
        Stand::Later(bits) => RuleState { rule: index, matched: bits, finished: false },
    };
    let parser = scene.flow.as_deref_mut().and_then(|f| f.session.parser_mut());
    if let Some(meta) = parser.and_then(|p| p.meta_mut(tx)) {
        match known.and_then(|k| meta.rules[at].get_mut(k)) {
            Some(slot) => *slot = new,
            None => meta.rules[at].push(new),
        }
    }
    if matches!(stand, Stand::Match) {
        let mut found = Match {
            rule: index,
            tx: Some(tx),
            stream: false,
            flow_scope: rule.flow_scope,
            tx_guessed: false,
            context: Vec::new(),
        };
        bits::after_match(rule, scene, work, &mut found);
        store_files(rule, tx, scene);
        queue.push(found);
    }
}

fn stand(
    rules: &Ruleset,
    rule: &Compiled,
    tx: u64,
    mut matched: u32,
    scene: &mut Scene<'_, '_>,
    work: &mut Work,
) -> Stand {
    let direction = scene.direction();
    let subject = scene.subject();
    if !rule.rule.checks.iter().all(|check| check.matches(&subject)) {
        return Stand::Later(matched);
    }
    let Some(parser) = scene.flow.as_deref().and_then(|f| f.session.parser()) else {
        return Stand::Never;
    };
    let bits_of_tx = parser.meta(tx).map(|m| m.bits.clone()).unwrap_or_default();
    if !bits::conditions(rule, scene, work, Some(&bits_of_tx)) {
        return Stand::Later(matched);
    }
    if let Some((side, progress)) = rule.rule.protocol.hook
        && parser.progress(tx, side) < progress
    {
        return Stand::Later(matched);
    }
    for (number, part) in rule.parts.iter().enumerate() {
        // Parts beyond the bits of the state are looked at each time.
        let bit = 1u32.checked_shl(number as u32).unwrap_or(0);
        if matched & bit != 0 {
            continue;
        }
        let side = bits::direction_or(part.direction, direction);
        let progress = part.progress[side.index()];
        match part.place {
            Place::Buffer(_) => {
                let Some(progress) = progress else { return Stand::Never };
                let now = parser.progress(tx, side);
                if now < progress {
                    return Stand::Later(matched);
                }
                let end = now >= parser.end_progress(side);
                // Windows on bodies and files go on until the end of the message.
                let passed = end || now > progress && !part.streaming;
                if buffer_part(rules, part, parser, (tx, side), passed, work) {
                    matched |= bit;
                } else {
                    return if passed { Stand::Never } else { Stand::Later(matched) };
                }
            }
            Place::Payload => {
                if payload_part(part, scene, work) {
                    matched |= bit;
                } else {
                    return Stand::Later(matched);
                }
            }
            Place::Header(_) => {
                if !packet::header_parts(rule, scene, work) {
                    return Stand::Later(matched);
                }
            }
            Place::Frame(_) => return Stand::Never,
        }
    }
    let mut lists = rule.lists.iter();
    let now = scene.packet.timestamp.seconds();
    let mut holds = |check| check_holds(check, parser, (tx, direction, now), &mut lists);
    if rule.rule.tx_checks.iter().all(&mut holds) { Stand::Match } else { Stand::Later(matched) }
}

/// Whether some instance of the buffer satisfies the part.
fn buffer_part(
    rules: &Ruleset,
    part: &Part,
    parser: &AnyParser,
    (tx, direction): (u64, Direction),
    passed: bool,
    work: &mut Work,
) -> bool {
    let Work { buffers, scratch, .. } = work;
    for index in 0..MAX_INSTANCES {
        let which = Which { tx, target: part.target, direction, index };
        let found = buffers.with(rules, parser, which, |data| part.program.run(data, scratch));
        match found {
            Some(_) if part.program.absent() == Some(false) => return false,
            Some(true) => return true,
            Some(false) => {}
            None if index == 0 => return passed && part.program.absent().is_some(),
            None => return false,
        }
    }
    false
}

/// Whether payload or stream satisfies a part of a rule on transactions.
fn payload_part(part: &Part, scene: &Scene<'_, '_>, work: &mut Work) -> bool {
    let pieces: SmallVec<[&[u8]; 4]> = scene.pieces.iter().map(|(_, bytes)| *bytes).collect();
    if pieces.iter().any(|bytes| packet::run(part, &Data::whole(bytes), work)) {
        return true;
    }
    scene.payload
        && !scene.facts.in_stream
        && packet::run(part, &Data::whole(scene.packet.payload()), work)
}

fn check_holds<'l>(
    check: &TxCheck,
    parser: &AnyParser,
    (tx, packet, now): (u64, Direction, u64),
    lists: &mut impl Iterator<Item = &'l DigestList>,
) -> bool {
    match check {
        TxCheck::Number(c) => {
            let side = bits::direction_or(c.direction, packet);
            numbers(parser, tx, c.number, side).any(|v| c.compare.matches(v))
        }
        TxCheck::NumberSet(c) => {
            let side = bits::direction_or(c.direction, packet);
            numbers(parser, tx, c.number, side).any(|v| c.matches(v))
        }
        TxCheck::Instances(c) => {
            let side = bits::direction_or(c.direction, packet);
            let values: SmallVec<[u64; 8]> = numbers(parser, tx, c.number, side).collect();
            let count = values.iter().filter(|v| c.compare.matches(**v)).count();
            match c.instances {
                Instances::Any => count > 0,
                Instances::All => count > 0 && count == values.len(),
                Instances::AllOrNone => count == values.len(),
                Instances::Count(wanted) => wanted.matches(count as u64),
                Instances::At(place) => {
                    let place = if place < 0 {
                        values.len() as i64 + i64::from(place)
                    } else {
                        i64::from(place)
                    };
                    usize::try_from(place)
                        .ok()
                        .and_then(|p| values.get(p))
                        .is_some_and(|v| c.compare.matches(*v))
                }
            }
        }
        TxCheck::Event { protos, event } => {
            protos.contains(&parser.proto())
                && event.is_some_and(|e| parser.meta(tx).is_some_and(|m| m.events.contains(&e)))
        }
        // No transaction of a protocol that is parsed so far carries FTP commands.
        TxCheck::FtpBounce { .. } => false,
        TxCheck::Progress { direction, progress } => parser.progress(tx, *direction) >= *progress,
        TxCheck::CertificateTime { not_before, not_after, expired } => {
            let time = |id| parser.number(tx, id, Direction::ToClient, 0).map(u64::cast_signed);
            let Some(after) = time(*not_after) else { return false };
            let before = time(*not_before);
            // A certificate can be over without a first second; to be valid it needs one.
            (*expired || before.is_some())
                && TxCheck::certificate_holds(
                    *expired,
                    before.unwrap_or(after),
                    after,
                    now.cast_signed(),
                )
        }
        TxCheck::FileSize { compare, direction } => {
            let side = bits::direction_or(*direction, packet);
            parser.files(tx, side).iter().any(|file| file_size_holds(file, compare))
        }
        TxCheck::FileHash { hash, negated, direction, .. } => {
            let side = bits::direction_or(*direction, packet);
            let Some(list) = lists.next() else { return false };
            parser.files(tx, side).iter().any(|file| in_list(file, *hash, list, *negated))
        }
    }
}

fn numbers(
    parser: &AnyParser,
    tx: u64,
    number: protocol::NumberId,
    side: Direction,
) -> impl Iterator<Item = u64> + '_ {
    (0..MAX_INSTANCES).map_while(move |index| parser.number(tx, number, side, index))
}

/// `filemd5` and its kin look at complete files.
fn in_list(file: &protocol::file::File, hash: FileHash, list: &DigestList, negated: bool) -> bool {
    let hashes = file.hashes();
    let digest = match hash {
        FileHash::Md5 => hashes.md5.as_ref().map(|d| &d[..]),
        FileHash::Sha1 => hashes.sha1.as_ref().map(|d| &d[..]),
        FileHash::Sha256 => hashes.sha256.as_ref().map(|d| &d[..]),
    };
    file.state == protocol::file::FileState::Closed
        && digest.is_some_and(|d| list.contains(d) != negated)
}

/// `filesize` looks at files that have ended; of cut ones only a lower bound can hold.
fn file_size_holds(file: &protocol::file::File, compare: &rules::rule::Compare) -> bool {
    use protocol::file::FileState;
    use rules::rule::Compare;
    match file.state {
        FileState::Open => false,
        FileState::Closed => compare.matches(file.size),
        FileState::Truncated | FileState::Error => {
            matches!(compare, Compare::Greater(_) | Compare::GreaterEqual(_))
                && compare.matches(file.size)
        }
    }
}

/// `filestore`: marks the files that the rule is about.
fn store_files(rule: &Compiled, tx: u64, scene: &mut Scene<'_, '_>) {
    let Some(store) = rule.rule.filestore else { return };
    let direction = scene.direction();
    let Some(flow) = scene.flow.as_deref_mut() else { return };
    let sides = if store.directions == [false, false] {
        let mut own = [false; 2];
        own[direction.index()] = true;
        own
    } else {
        store.directions
    };
    if store.scope == 2 {
        for (store, side) in flow.inspection.store_files.iter_mut().zip(sides) {
            *store |= side;
        }
        return;
    }
    let Some(parser) = flow.session.parser_mut() else { return };
    for side in Direction::BOTH {
        if sides[side.index()] {
            parser.mark_store(tx, side, rule.rule.sid, store.scope == 1);
        }
    }
}
