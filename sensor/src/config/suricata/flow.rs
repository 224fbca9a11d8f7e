//! `flow`, `flow-timeouts` and what belongs to the flow key.

use ::flow::settings::{FlowSettings, ProtocolTimeouts, RateTracking};

use crate::config::integer;

use super::{Config, Fatal};

const MODULE: &str = "flow";

pub(super) fn read(config: Config<'_>, settings: &mut FlowSettings) -> Result<(), Fatal> {
    for key in ["memcap", "hash-size", "prealloc"] {
        let path = format!("flow.{key}");
        if config.root.get(&path).is_some_and(|node| node.value.is_none()) {
            return Err(config.fail(MODULE, &format!("Invalid value for {path}: NULL")));
        }
    }
    settings.memcap = config.size("flow.memcap", settings.memcap)?;
    if let Some(text) = config.text("flow.hash-size") {
        let size = integer::decimal(text).and_then(|size| u32::try_from(size).ok());
        settings.hash_size = size.ok_or_else(|| {
            config.fail(MODULE, &format!("Invalid value for flow.hash-size: '{text}'"))
        })?;
    }
    settings.prealloc = decimal(config, "flow.prealloc", settings.prealloc);
    if u64::from(settings.hash_size).saturating_mul(64) > settings.memcap {
        let said = "allocating flow hash failed: max flow memcap is smaller than projected hash \
                    size. Calculate (total hash size * 64) and use that as the minimum flow.memcap.";
        return Err(config.fail(MODULE, said));
    }
    let recovery = decimal(config, "flow.emergency-recovery", settings.emergency_recovery);
    match (1..=100).contains(&recovery) {
        true => settings.emergency_recovery = recovery,
        false => config.log.error(
            MODULE,
            "flow.emergency-recovery must be in the range of 1 and 100 (as percentage)",
        ),
    }
    settings.vlan_tracking = config.truth("vlan.use-for-tracking", true);
    // Frames of capture files come from no device, whatever `livedev.use-for-tracking` says.
    settings.livedev_tracking = false;
    settings.recursion_tracking = config.truth("decoder.recursion-level.use-for-tracking", true);
    settings.midstream = config.truth("stream.midstream", false);
    settings.async_oneside = config.truth("stream.async-oneside", false);
    rate_tracking(config, settings)?;
    let timeouts = &mut settings.timeouts;
    for (group, pair) in [
        ("default", &mut timeouts.default),
        ("tcp", &mut timeouts.tcp),
        ("udp", &mut timeouts.udp),
        ("icmp", &mut timeouts.icmp),
    ] {
        let [normal, emergency] = pair;
        group_timeouts(config, group, "", normal);
        group_timeouts(config, group, "emergency-", emergency);
        settle_emergency(config, group, normal, emergency);
    }
    Ok(())
}

fn rate_tracking(config: Config<'_>, settings: &mut FlowSettings) -> Result<(), Fatal> {
    if config.root.get("flow.rate-tracking").is_none() {
        return Ok(());
    }
    let bytes = config.size("flow.rate-tracking.bytes", 0)?;
    let interval = config.number("flow.rate-tracking.interval", 0u32);
    if bytes > 0 && interval > 0 {
        settings.rate_tracking = Some(RateTracking { bytes, interval });
    }
    Ok(())
}

fn group_timeouts(config: Config<'_>, group: &str, prefix: &str, timeouts: &mut ProtocolTimeouts) {
    for (key, seconds) in [
        ("new", &mut timeouts.new),
        ("established", &mut timeouts.established),
        ("closed", &mut timeouts.closed),
        ("bypassed", &mut timeouts.bypassed),
    ] {
        let path = format!("flow-timeouts.{group}.{prefix}{key}");
        *seconds = decimal(config, &path, *seconds);
    }
}

/// A timeout must not be longer in an emergency than otherwise.
fn settle_emergency(
    config: Config<'_>,
    group: &str,
    normal: &ProtocolTimeouts,
    emergency: &mut ProtocolTimeouts,
) {
    for (key, normal, emergency) in [
        ("new", normal.new, &mut emergency.new),
        ("established", normal.established, &mut emergency.established),
        ("closed", normal.closed, &mut emergency.closed),
        ("bypassed", normal.bypassed, &mut emergency.bypassed),
    ] {
        if *emergency > normal {
            let said = format!(
                "emergency timeout value for flow-timeouts.{group}.{key} ({emergency}) is \
                 higher than the normal one ({normal}); using {}",
                normal / 10
            );
            config.log.warning(MODULE, said);
            *emergency = normal / 10;
        }
    }
}

fn decimal<T: TryFrom<u64> + Copy>(config: Config<'_>, path: &str, default: T) -> T {
    let Some(text) = config.text(path) else { return default };
    let value = integer::decimal(text).and_then(|value| T::try_from(value).ok());
    value.unwrap_or_else(|| {
        config.log.error(MODULE, format!("malformed integer value for {path}: '{text}'"));
        default
    })
}
