//! From matches to alerts and verdict: thresholds, suppression, actions, the limit of a packet.

use std::net::IpAddr;

use flow::FlowAction;
use rules::Action;
use rules::threshold::{EntryKind, RateAction, Threshold, ThresholdKind, Track};

use crate::compile::{Compiled, is_silent};
use crate::inspect::scene::Scene;
use crate::inspect::{EngineCounters, Work};
use crate::queue::{Alert, Match, Queue};
use crate::ruleset::Ruleset;
use crate::tag::{MAX_TAGS, TagState};
use crate::threshold::{Endpoints, Verdict as Outcome};

/// Most buffers of a flow whose entropy is kept.
const MAX_ENTROPIES: usize = 64;

/// Counters of a rule's threshold and of its rate filter are kept apart.
const OWN_SLOT: u8 = 0;
const RATE_SLOT: u8 = 1;
const FURTHER_SLOT: u8 = 2;

/// Works off the queue in internal order.
pub fn finish(
    rules: &Ruleset,
    scene: &mut Scene<'_, '_>,
    work: &mut Work,
    queue: &mut Queue,
    counters: &mut EngineCounters,
) {
    count_tags(rules, scene, work);
    if !work.scratch.entropies.is_empty() {
        keep_entropies(scene, work);
    }
    if queue.matches.is_empty() {
        return;
    }
    queue.sort();
    let mut matches = std::mem::take(&mut queue.matches);
    for found in matches.drain(..) {
        let Some(rule) = rules.get(found.rule) else { continue };
        let outcome = thresholds(rules, rule, &found, scene, work);
        let action = match outcome.new_action {
            Some(RateAction::Alert) => Action::Alert,
            Some(RateAction::Drop) => Action::Drop,
            Some(RateAction::Pass) => Action::Pass,
            Some(RateAction::Reject) => Action::Reject,
            Some(RateAction::Nothing) | None => rule.rule.action,
        };
        if outcome.verdict == Outcome::Nothing {
            counters.suppressed += 1;
            continue;
        }
        set_tag(rule, scene, work);
        let by_threshold = outcome.new_action.is_some() && rule.rule.action != action;
        act(rules, action, &found, by_threshold, scene, work);
        let silent = outcome.verdict == Outcome::Silent
            || is_silent(&rule.rule)
            || action == Action::Pass && !rule.rule.alert_anyway;
        if silent {
            counters.suppressed += u64::from(action != Action::Pass);
        } else if queue.alerts.len() < rules.settings.packet_alert_max {
            counters.alert += 1;
            if let Some(flow) = scene.flow.as_deref_mut() {
                *flow.alerted = true;
            }
            let rejects = matches!(action, Action::Reject | Action::RejectDst | Action::RejectBoth);
            let blocked = rejects || action == Action::Drop && rules.settings.inline;
            let found = guess_tx(rules, rule, found, scene);
            queue.alerts.push(Alert { found, blocked, action, direction: scene.direction() });
        } else {
            counters.overflow += 1;
        }
        if action == Action::Pass {
            break;
        }
    }
    // The room is used again for the next packet.
    queue.matches = matches;
}

struct Thresholded {
    verdict: Outcome,
    new_action: Option<RateAction>,
}

fn thresholds(
    rules: &Ruleset,
    rule: &Compiled,
    found: &Match,
    scene: &Scene<'_, '_>,
    work: &mut Work,
) -> Thresholded {
    let packet = scene.packet;
    let mut result = Thresholded { verdict: Outcome::Alert, new_action: None };
    let entries = rules.thresholds.get(&found.rule).map_or(&[][..], Vec::as_slice);
    if !packet.is_ip() || rule.rule.threshold.is_none() && entries.is_empty() {
        return result;
    }
    let ends =
        Endpoints { src: packet.src, dst: packet.dst, flow: scene.flow.as_ref().map(|f| f.id) };
    let id = (rule.rule.gid, rule.rule.sid);
    let mut own = rule.rule.threshold;
    let mut rate = None;
    for entry in entries {
        match &entry.entry {
            EntryKind::Suppress(None) => result.verdict = Outcome::Silent,
            EntryKind::Suppress(Some((track, set))) => {
                if suppressed(*track, set, ends.src, ends.dst) {
                    result.verdict = Outcome::Silent;
                }
            }
            EntryKind::Threshold(t) => match t.kind {
                // A rule's own threshold keeps out a rate filter, and wins over entries for all.
                ThresholdKind::Rate { .. } if rule.rule.threshold.is_none() => {
                    rate = Some(*t);
                }
                ThresholdKind::Rate { .. } => {}
                _ if entry.sid != 0 || own.is_none() => own = Some(*t),
                _ => {}
            },
        }
    }
    if result.verdict == Outcome::Silent {
        return result;
    }
    let now = packet.timestamp;
    let mut check = |slot, threshold: &Threshold| {
        work.remembered.with(|m| m.thresholds.check(id, slot, threshold, &ends, now))
    };
    if let Some(threshold) = own {
        result.verdict = check(OWN_SLOT, &threshold);
    }
    // Each is asked when those before it alert. Those that track the same share a counter.
    for threshold in &rule.rule.further_thresholds {
        if result.verdict != Outcome::Alert {
            break;
        }
        let same = own.is_some_and(|own| own.track == threshold.track);
        result.verdict = check(if same { OWN_SLOT } else { FURTHER_SLOT }, threshold);
    }
    if let Some(threshold) = rate
        && check(RATE_SLOT, &threshold) == Outcome::NewAction
        && let ThresholdKind::Rate { new_action, .. } = threshold.kind
    {
        result.new_action = Some(new_action);
    }
    result
}

fn suppressed(track: Track, set: &rules::AddressSet, src: IpAddr, dst: IpAddr) -> bool {
    match track {
        Track::BySrc => set.contains(src),
        Track::ByDst => set.contains(dst),
        _ => set.contains(src) || set.contains(dst),
    }
}

/// What the action does to packet and flow.
fn act(
    rules: &Ruleset,
    action: Action,
    found: &Match,
    by_threshold: bool,
    scene: &mut Scene<'_, '_>,
    work: &mut Work,
) {
    let verdict = &mut work.verdict;
    let drops = match action {
        Action::Drop => true,
        Action::Reject => {
            verdict.reject[0] = true;
            rules.settings.inline
        }
        Action::RejectDst => {
            verdict.reject[1] = true;
            rules.settings.inline
        }
        Action::RejectBoth => {
            verdict.reject = [true; 2];
            rules.settings.inline
        }
        Action::Pass => {
            verdict.pass = true;
            if let (true, Some(flow)) = (found.flow_scope, scene.flow.as_deref_mut()) {
                *flow.action = FlowAction::Pass;
            }
            return;
        }
        Action::Alert | Action::Config => false,
    };
    if !drops {
        return;
    }
    if verdict.drop.is_none() {
        verdict.drop = Some(found.rule);
        verdict.drop_by_threshold = by_threshold;
    }
    if let (true, Some(flow)) = (found.flow_scope, scene.flow.as_deref_mut()) {
        *flow.action = FlowAction::Drop;
    }
}

/// Alerts of packet and stream rules show a transaction when the rule is bound to its protocol
/// (UDP), or when that is asked for and only one is live.
fn guess_tx(
    rules: &Ruleset,
    rule: &Compiled,
    mut found: Match,
    scene: &mut Scene<'_, '_>,
) -> Match {
    if found.tx.is_some() {
        return found;
    }
    let udp = matches!(scene.packet.transport, decode::Transport::Udp(_));
    let bound = udp && !rule.rule.app.is_empty();
    if !bound && !rules.settings.guess_tx {
        return found;
    }
    let limit = rules.settings.stream_tx_log_limit;
    let Some(parser) = scene.flow.as_deref_mut().and_then(|f| f.session.parser_mut()) else {
        return found;
    };
    use protocol::Parser;
    let (first, next) = (parser.first_tx(), parser.next_tx());
    let Some(tx) = next.checked_sub(1).filter(|tx| *tx >= first) else { return found };
    if !bound && next - first != 1 {
        return found;
    }
    if let Some(meta) = parser.meta_mut(tx)
        && meta.guessed_logs < limit
    {
        meta.guessed_logs += 1;
        found.tx = Some(tx);
        found.tx_guessed = !bound;
    }
    found
}

/// Entropies show in all records of the flow from now on, whether the rules matched or not.
fn keep_entropies(scene: &mut Scene<'_, '_>, work: &mut Work) {
    let measured = work.scratch.entropies.drain(..);
    let Some(flow) = scene.flow.as_deref_mut() else { return };
    let kept = &mut flow.inspection.entropies;
    for (buffer, entropy) in measured {
        if let Some((_, old)) = kept.iter_mut().find(|(known, _)| *known == buffer) {
            *old = entropy;
        } else if kept.len() < MAX_ENTROPIES {
            kept.push((buffer, entropy));
        }
    }
}

fn set_tag(rule: &Compiled, scene: &mut Scene<'_, '_>, work: &mut Work) {
    let Some(tag) = rule.rule.tag else { return };
    let state = TagState::new(tag, rule.rule.sid, scene.packet.timestamp);
    if tag.host {
        let address = if tag.dst { scene.packet.dst } else { scene.packet.src };
        work.remembered.with(|memory| memory.host_tags.set(address, state));
        return;
    }
    let Some(flow) = scene.flow.as_deref_mut() else { return };
    let tags = &mut flow.inspection.tags;
    match tags.iter().position(|t| t.sid == state.sid) {
        Some(at) => tags[at] = state,
        None if tags.len() < MAX_TAGS => tags.push(state),
        None => {}
    }
}

/// Counts the packet on the tags in force and notes when one wants it logged.
fn count_tags(rules: &Ruleset, scene: &mut Scene<'_, '_>, work: &mut Work) {
    if scene.packet.origin.is_pseudo() {
        return;
    }
    let (now, len) = (scene.packet.timestamp, scene.packet.bytes.len());
    let mut tagged = None;
    if let Some(flow) = scene.flow.as_deref_mut()
        && !flow.inspection.tags.is_empty()
    {
        flow.inspection.tags.retain_mut(|tag| match tag.count(now, len) {
            Some(_) => {
                tagged = tagged.or(Some(tag.sid));
                true
            }
            None => false,
        });
    }
    if rules.needs.host_tags {
        let ends = (scene.packet.src, scene.packet.dst);
        let host = work.remembered.with(|memory| memory.host_tags.count(ends, now, len));
        tagged = tagged.or(host);
    }
    work.verdict.tagged = tagged;
}
