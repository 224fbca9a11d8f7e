//! Settings of volume control: budgets, samples and folding, all off unless they are given.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::Volume;
use crate::duration::{Delay, Size};

/// Rates, bursts and shares are no larger.
const MOST: u64 = 1_000_000_000;
/// Fields that alerts may be folded by.
const OF_ALERTS: &[&str] = &[
    "gid",
    "signature_id",
    "signature",
    "rev",
    "action",
    "category",
    "severity",
    "src_ip",
    "src_port",
    "dest_ip",
    "dest_port",
    "proto",
    "app_proto",
    "direction",
    "flow_id",
    "tx_id",
    "vlan",
    "in_iface",
    "xff",
    "community_id",
    "sensor_id",
    "pcap_filename",
];
/// Fields that flows may be folded by.
const OF_FLOWS: &[&str] = &[
    "src_ip",
    "src_port",
    "dest_ip",
    "dest_port",
    "proto",
    "app_proto",
    "ip_v",
    "icmp_type",
    "icmp_code",
    "spi",
    "state",
    "reason",
    "action",
    "alerted",
    "vlan",
    "in_iface",
    "community_id",
    "sensor_id",
    "pcap_filename",
];
/// What alerts are folded by unless settings say it.
const ALERTS_BY: [&str; 5] = ["gid", "signature_id", "action", "src_ip", "dest_ip"];
/// What flows are folded by unless settings say it.
const FLOWS_BY: [&str; 5] = ["src_ip", "dest_ip", "dest_port", "proto", "app_proto"];

/// What is done about records that are too many.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct VolumeSettings {
    /// For event types how many records may pass.
    pub(super) budgets: BTreeMap<String, Budget>,
    /// For event types which share of the flows passes.
    pub(super) sample: BTreeMap<String, Share>,
    /// Alerts that say the same become one.
    pub(super) fold_alerts: Option<Fold>,
    /// Flows that are alike become one.
    pub(super) fold_flows: Option<Fold>,
}

/// How many records of a type may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Budget {
    /// So many in a time.
    pub(super) rate: Rate,
    /// So many at once; what the rate has in its unit by default.
    burst: Option<u64>,
    /// What becomes of others.
    #[serde(default)]
    pub(super) over: Over,
}

impl Budget {
    pub(super) fn burst(&self) -> u64 {
        self.burst.unwrap_or(self.rate.count)
    }
}

/// What becomes of records over a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Over {
    /// They go.
    #[default]
    Drop,
    /// One of two stays, of four, of eight …, and says so.
    Sample,
}

/// Records in a time: `1000/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) count: u64,
    pub(super) per: Duration,
}

/// One of so many: `1/10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share(pub(super) u64);

/// How records become one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Fold {
    /// Records of so long a time become one.
    #[serde(deserialize_with = "delay")]
    #[schemars(with = "Delay")]
    pub(super) within: Duration,
    /// Fields that have to agree.
    by: Option<Vec<String>>,
    /// How many different records are remembered.
    pub(super) keys: usize,
    /// Bytes that may be held for them.
    #[serde(deserialize_with = "size")]
    #[schemars(with = "Size")]
    pub(super) memory: u64,
}

impl Default for Fold {
    fn default() -> Self {
        Self { within: Duration::from_secs(60), by: None, keys: 65_536, memory: 64 << 20 }
    }
}

impl Fold {
    /// What alerts have to agree in.
    pub(super) fn by_of_alerts(&self) -> Vec<String> {
        self.by.clone().unwrap_or_else(|| ALERTS_BY.map(str::to_owned).to_vec())
    }

    /// What flows have to agree in.
    pub(super) fn by_of_flows(&self) -> Vec<String> {
        self.by.clone().unwrap_or_else(|| FLOWS_BY.map(str::to_owned).to_vec())
    }

    fn check(&self, known: &[&str]) -> Result<(), String> {
        if self.within.is_zero() || self.within > Duration::from_secs(86_400) {
            return Err("within has to be more than nothing and at most 1 d".to_owned());
        }
        if self.keys == 0 || self.memory < 1 << 20 {
            return Err("keys has to be 1 or more, memory 1 MiB or more".to_owned());
        }
        let Some(by) = &self.by else { return Ok(()) };
        if by.is_empty() {
            return Err("by needs a field".to_owned());
        }
        // A name that no record has would make one of what has nothing in common.
        match by.iter().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(format!("by: {name} is none of {}", known.join(", "))),
            None => Ok(()),
        }
    }
}

impl VolumeSettings {
    /// Event types that are named.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.budgets.keys().chain(self.sample.keys()).map(String::as_str)
    }

    /// Event types that something is done about.
    pub(super) fn all_types(&self) -> BTreeSet<&str> {
        let alerts = self.fold_alerts.iter().map(|_| "alert");
        let flows = self.fold_flows.iter().flat_map(|_| ["flow", "netflow"]);
        self.types().chain(alerts).chain(flows).collect()
    }

    /// Checks what the parts do not see.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn check(&self) -> Result<(), String> {
        for (kind, budget) in &self.budgets {
            if !(1..=MOST).contains(&budget.burst()) {
                return Err(format!("budgets: {kind}: burst has to be from 1 to {MOST}"));
            }
        }
        let wrong = |what: &str, why| format!("{what}: {why}");
        if let Some(fold) = &self.fold_alerts {
            fold.check(OF_ALERTS).map_err(|why| wrong("fold-alerts", why))?;
        }
        if let Some(fold) = &self.fold_flows {
            fold.check(OF_FLOWS).map_err(|why| wrong("fold-flows", why))?;
        }
        Ok(())
    }

    /// Volume control that does this; none when nothing is to be done.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn build(&self) -> Result<Option<Volume>, String> {
        self.check().map_err(|why| format!("volume: {why}"))?;
        Ok((*self != Self::default()).then(|| Volume::new(self)))
    }
}

fn number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_plain.then(|| text.parse().ok())??;
    (1..=MOST).contains(&number).then_some(number)
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        let read = || {
            let (count, unit) = text.split_once('/')?;
            let seconds = match unit.trim() {
                "s" => 1,
                "min" => 60,
                "h" => 3600,
                _ => return None,
            };
            Some(Self { count: number(count.trim())?, per: Duration::from_secs(seconds) })
        };
        let wrong = || format!("{text} is no rate such as 1000/s, 60/min or 10/h");
        read().ok_or_else(|| serde::de::Error::custom(wrong()))
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        let of = text.trim().strip_prefix("1/").and_then(number);
        let wrong = || format!("{text} is no share such as 1/10");
        of.map(Self).ok_or_else(|| serde::de::Error::custom(wrong()))
    }
}

crate::described! {
    Rate, "Rate": {
        "description": "Records in a time, such as 1000/s, 60/min or 10/h.",
        "type": "string", "pattern": "^\\s*[0-9]+\\s*/\\s*(s|min|h)\\s*$",
    };
    Share, "Share": {
        "description": "One of so many, such as 1/10.",
        "type": "string", "pattern": "^\\s*1/[0-9]+\\s*$",
    };
}

fn delay<'de, D: Deserializer<'de>>(source: D) -> Result<Duration, D::Error> {
    Ok(Delay::deserialize(source)?.0)
}

fn size<'de, D: Deserializer<'de>>(source: D) -> Result<u64, D::Error> {
    Ok(Size::deserialize(source)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<VolumeSettings, String> {
        let settings: VolumeSettings =
            serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        settings.check().map(|()| settings)
    }

    #[test]
    fn all_of_it_is_read() {
        let settings = read(
            "budgets: {http: {rate: 1000/s, burst: 5000, over: sample}, alert: {rate: 60/min}}\n\
             sample: {dns: 1/10}\n\
             fold-alerts: {within: 30 s, by: [signature_id, src_ip], keys: 10, memory: 1 MiB}\n\
             fold-flows: {}\n",
        )
        .unwrap();
        let http = settings.budgets["http"];
        assert_eq!((http.rate.count, http.burst(), http.over), (1000, 5000, Over::Sample));
        let alert = settings.budgets["alert"];
        assert_eq!((alert.rate.per.as_secs(), alert.burst(), alert.over), (60, 60, Over::Drop));
        assert_eq!(settings.sample["dns"], Share(10));
        let alerts = settings.fold_alerts.as_ref().unwrap();
        assert_eq!(alerts.by_of_alerts(), ["signature_id", "src_ip"]);
        assert_eq!((alerts.within.as_secs(), alerts.keys, alerts.memory), (30, 10, 1 << 20));
        let flows = settings.fold_flows.as_ref().unwrap();
        assert_eq!((flows.by_of_flows().len(), flows.keys), (5, 65_536));
        let types: Vec<_> = settings.all_types().into_iter().collect();
        assert_eq!(types, ["alert", "dns", "flow", "http", "netflow"]);
        assert!(settings.build().unwrap().is_some());
        assert!(VolumeSettings::default().build().unwrap().is_none(), "nothing costs nothing");
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let check = |text: &str, want: &str| {
            let error = read(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        };
        check("budgets: {http: {rate: 1000}}", "no rate such as 1000/s");
        check("budgets: {http: {rate: 0/s}}", "no rate");
        check("budgets: {http: {rate: 5/week}}", "no rate");
        check("budgets: {http: {rate: 5/s, burst: 0}}", "http: burst has to be");
        check("budgets: {http: {rate: 5/s, over: wait}}", "wait");
        check("budgets: {http: {}}", "rate");
        check("sample: {dns: 10}", "no share such as 1/10");
        check("sample: {dns: 1/0}", "no share");
        check("sample: {dns: 2/5}", "no share");
        check("fold-alerts: {within: 60}", "unit");
        check("fold-alerts: {within: 2 d}", "at most 1 d");
        check("fold-alerts: {by: []}", "needs a field");
        check("fold-alerts: {by: [signature]}\nfold-flows: {by: [signature]}", "fold-flows: by");
        check("fold-flows: {keys: 0}", "keys has to be");
        check("fold-flow: {}", "fold-flow");
    }
}
