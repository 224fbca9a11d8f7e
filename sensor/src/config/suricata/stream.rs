//! `stream`.

use ::detect::settings::Settings;
use ::flow::{UrgentLimitPolicy, UrgentPolicy};

use super::policy::Policies;
use super::{Config, Fatal};

const MODULE: &str = "stream-tcp";

pub(super) fn read(
    config: Config<'_>,
    policies: &Policies,
    detector: &mut Settings,
) -> Result<(), Fatal> {
    let stream = &mut detector.stream;
    stream.memcap = config.size("stream.memcap", stream.memcap)?;
    stream.prealloc_sessions = config.number("stream.prealloc-sessions", stream.prealloc_sessions);
    stream.midstream = config.truth("stream.midstream", stream.midstream);
    stream.async_oneside = config.truth("stream.async-oneside", stream.async_oneside);
    stream.checksum_validation =
        config.truth("stream.checksum-validation", stream.checksum_validation);
    let inline = config.text("stream.inline").filter(|text| !text.eq_ignore_ascii_case("auto"));
    stream.inline = inline.map_or(config.mode.inline, |_| config.truth("stream.inline", false));
    stream.bypass = config.truth("stream.bypass", stream.bypass);
    stream.drop_invalid = config.truth("stream.drop-invalid", stream.drop_invalid);
    stream.liberal_timestamps =
        config.truth("stream.liberal-timestamps", stream.liberal_timestamps);
    stream.max_syn_queued = config.number("stream.max-syn-queued", stream.max_syn_queued);
    stream.max_synack_queued = config.number("stream.max-synack-queued", stream.max_synack_queued);
    stream.memcap_policy = policies.stream_memcap;
    stream.midstream_policy = policies.midstream;
    stream.reassembly_memcap_policy = policies.reassembly_memcap;
    stream.os_policies = detector.decode.os_policies.clone();
    reassembly(config, detector)
}

fn reassembly(config: Config<'_>, detector: &mut Settings) -> Result<(), Fatal> {
    let stream = &mut detector.stream;
    stream.reassembly_memcap = config.size("stream.reassembly.memcap", stream.reassembly_memcap)?;
    if config.root.get("stream.reassembly.depth").is_none() {
        config.log.notice(MODULE, "stream.reassembly.depth set to unlimited by default");
    }
    stream.depth = config.size32("stream.reassembly.depth", stream.depth)?;
    for (place, key) in ["toserver", "toclient"].into_iter().enumerate() {
        let path = format!("stream.reassembly.{key}-chunk-size");
        if let Some(size) = stream.chunk_size.get_mut(place) {
            *size = config.size32(&path, *size)?;
        }
    }
    let range: u32 = config.number("stream.reassembly.randomize-chunk-range", 10);
    if range >= 100 {
        let said = "stream.reassembly.randomize-chunk-range must be lower than 100";
        return Err(config.fail(MODULE, said));
    }
    // Chunks stay as configured: the same input gives the same records in every run.
    stream.raw = config.truth("stream.reassembly.raw", stream.raw) && config.mode.detection;
    stream.max_regions = config.number("stream.reassembly.max-regions", stream.max_regions);
    stream.check_overlap_different_data =
        config.truth("stream.reassembly.check-overlap-different-data", stream.inline);
    let refuse = |key: &str, value: &str| {
        let said = format!("stream.reassembly.urgent.{key}: invalid value '{value}'");
        config.fail(MODULE, &said)
    };
    if let Some(word) = config.text("stream.reassembly.urgent.policy") {
        stream.urgent = match word.to_ascii_lowercase().as_str() {
            "oob" => UrgentPolicy::Oob,
            "drop" => UrgentPolicy::Drop,
            "inline" => UrgentPolicy::Inline,
            "gap" => UrgentPolicy::Gap,
            _ => return Err(refuse("policy", word)),
        };
    }
    let limit = config.text("stream.reassembly.urgent.oob-limit-policy");
    if let (UrgentPolicy::Oob, Some(word)) = (stream.urgent, limit) {
        stream.urgent_limit = match word.to_ascii_lowercase().as_str() {
            "drop" => UrgentLimitPolicy::Drop,
            "inline" => UrgentLimitPolicy::Inline,
            "gap" => UrgentLimitPolicy::Gap,
            _ => return Err(refuse("oob-limit-policy", word)),
        };
    }
    Ok(())
}
