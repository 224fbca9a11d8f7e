//! The server's page of metrics, in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

use super::{Desk, Shared};
use crate::receipt;
use crate::rollout::State;

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The page as it is now.
pub(super) fn page(shared: &Shared, now: u64) -> String {
    let mut page = Page(String::new());
    {
        let desk = shared.desk();
        receipts(&mut page, &desk, now);
        channels(&mut page, &desk, now);
        rollouts(&mut page, &desk, now);
        page.family("receipts_shed_total", "counter", "Receipts that found no place.");
        page.sample("receipts_shed_total", &[], desk.shed());
    }
    let figures = &shared.figures;
    page.family("requests_total", "counter", "Answers by the hundreds of their status.");
    for (class, counter) in figures.answers.iter().enumerate().skip(2) {
        let class = format!("{class}xx");
        page.sample("requests_total", &[("code", &class)], counter.load(Relaxed));
    }
    for (name, help, value) in [
        ("bundles_sent_total", "Bundles that were asked for.", figures.bundles.load(Relaxed)),
        ("clients_late_total", "Clients that took too long.", figures.late.load(Relaxed)),
        ("clients_evicted_total", "Clients that found no place.", figures.evicted.load(Relaxed)),
    ] {
        page.family(name, "counter", help);
        page.sample(name, &[], value);
    }
    page.0
}

fn receipts(page: &mut Page, desk: &Desk, now: u64) {
    let (mut states, mut bundles) = (BTreeMap::new(), BTreeMap::new());
    let mut oldest: BTreeMap<&str, u64> = BTreeMap::new();
    for kept in desk.receipts() {
        let receipt = &kept.receipt;
        let channel = receipt.channel.as_str();
        for state in receipt::State::ALL {
            *states.entry((channel, state.word())).or_insert(0u64) +=
                u64::from(receipt.state == state);
        }
        let bundle = receipt.bundle.map_or_else(|| "none".to_owned(), |hash| hash.to_string());
        let version = receipt.version.unwrap_or(0).to_string();
        *bundles.entry((channel, bundle, version)).or_insert(0u64) += 1;
        let age = now.saturating_sub(kept.heard);
        let seen = oldest.entry(channel).or_insert(0);
        *seen = age.max(*seen);
    }
    page.family("receipts", "gauge", "Sensors by the state of their last receipt.");
    for ((channel, state), count) in states {
        page.sample("receipts", &[("channel", channel), ("state", state)], count);
    }
    page.family("sensors", "gauge", "Sensors by the bundle that they have in force.");
    for ((channel, bundle, version), count) in &bundles {
        let labels = [("channel", *channel), ("bundle", bundle), ("version", version)];
        page.sample("sensors", &labels, *count);
    }
    page.family("silence_seconds", "gauge", "For how long a sensor was not heard, at most.");
    for (channel, age) in oldest {
        page.sample("silence_seconds", &[("channel", channel)], age);
    }
}

fn channels(page: &mut Page, desk: &Desk, now: u64) {
    let channels = desk.layout().channels();
    page.family("channel_info", "gauge", "The bundle that a channel names.");
    for channel in &channels {
        let (bundle, version) = (channel.bundle.to_string(), channel.version.to_string());
        let labels =
            [("channel", channel.channel.as_str()), ("bundle", &bundle), ("version", &version)];
        page.sample("channel_info", &labels, 1);
    }
    page.family("bundle_age_seconds", "gauge", "How long ago a channel's bundle was made.");
    for channel in &channels {
        if let Ok(manifest) = desk.layout().manifest(&channel.bundle) {
            let age = now.saturating_sub(manifest.created);
            page.sample("bundle_age_seconds", &[("channel", &channel.channel)], age);
        }
    }
}

fn rollouts(page: &mut Page, desk: &Desk, now: u64) {
    page.family("rollout", "gauge", "1 for the state in which a channel's roll-out is.");
    for rollout in desk.rollouts() {
        for state in [State::Running, State::Stopped, State::Back, State::Done] {
            let labels = [("channel", rollout.channel.as_str()), ("state", state.word())];
            page.sample("rollout", &labels, u64::from(rollout.state == state));
        }
    }
    page.family("rollout_stage", "gauge", "The stage of a roll-out, from 1.");
    for rollout in desk.rollouts() {
        page.sample("rollout_stage", &[("channel", &rollout.channel)], rollout.stage as u64 + 1);
    }
    page.family("rollout_percent", "gauge", "The share of sensors that its stage reaches.");
    for rollout in desk.rollouts() {
        let percent = u64::from(rollout.percent());
        page.sample("rollout_percent", &[("channel", &rollout.channel)], percent);
    }
    page.family("rollout_sensors", "gauge", "Sensors of a roll-out by what became of them.");
    for rollout in desk.rollouts() {
        let failed = rollout.failures(now).len() as u64;
        let reached = rollout.reached().count() as u64;
        let has = rollout.reached().filter(|(_, sensor)| sensor.has).count() as u64;
        let known = rollout.sensors.len() as u64;
        for (state, count) in
            [("known", known), ("reached", reached), ("in-force", has), ("failed", failed)]
        {
            let labels = [("channel", rollout.channel.as_str()), ("state", state)];
            page.sample("rollout_sensors", &labels, count);
        }
    }
}

/// Text that grows.
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let line = format!(
            "# HELP bateleur_rules_server_{name} {help}\n# TYPE bateleur_rules_server_{name} {kind}\n"
        );
        self.0.push_str(&line);
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        self.0.push_str("bateleur_rules_server_");
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            // Names and sums: nothing in them has to be escaped.
            let begin = if at == 0 { '{' } else { ',' };
            // Writing to a text does not fail.
            let _ = write!(self.0, "{begin}{label}=\"{text}\"");
        }
        self.0.push_str(if labels.is_empty() { " " } else { "} " });
        let _ = writeln!(self.0, "{value}");
    }
}
