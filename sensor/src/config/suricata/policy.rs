//! `exception-policy` and the policies of single conditions.

use ::flow::policy::{Policy, PolicyError, Target, Word, resolve};

use super::{Config, Fatal};

const MODULE: &str = "exception-policy";

/// The policies of all conditions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Policies {
    pub(super) stream_memcap: Policy,
    pub(super) reassembly_memcap: Policy,
    pub(super) midstream: Policy,
    pub(super) app_error: Policy,
    pub(super) flow_memcap: Policy,
}

pub(super) fn read(config: Config<'_>) -> Result<Policies, Fatal> {
    let master = word(config, "exception-policy")?;
    if let (Some(_), Some(text)) = (master, config.text("exception-policy")) {
        config.log.info(MODULE, format!("master exception-policy set to: {text}"));
    }
    let midstream_on = config.truth("stream.midstream", false);
    let one = |path: &str, target: Target| -> Result<Policy, Fatal> {
        let own = word(config, path)?;
        let (policy, odd) = resolve(target, own, master, config.mode.inline, midstream_on);
        match odd {
            Some(PolicyError::NoFlowActions(_)) if own.is_some() => {
                let said = format!("{path}: {}", PolicyError::NoFlowActions(policy));
                config.log.warning(MODULE, said);
            }
            Some(error @ PolicyError::Midstream(_)) if own.is_some() => {
                config.warn_or_fail(MODULE, &format!("{path}: {error}"))?;
            }
            _ => {}
        }
        Ok(policy)
    };
    // Checked here; the decoder sheds fragments whatever the policy.
    one("defrag.memcap-policy", Target::DefragMemcap)?;
    Ok(Policies {
        stream_memcap: one("stream.memcap-policy", Target::StreamMemcap)?,
        reassembly_memcap: one("stream.reassembly.memcap-policy", Target::StreamReassemblyMemcap)?,
        midstream: one("stream.midstream-policy", Target::StreamMidstream)?,
        app_error: one("app-layer.error-policy", Target::AppLayerError)?,
        flow_memcap: one("flow.memcap-policy", Target::FlowMemcap)?,
    })
}

fn word(config: Config<'_>, path: &str) -> Result<Option<Word>, Fatal> {
    let Some(text) = config.text(path) else { return Ok(None) };
    let word = Word::parse(text);
    if word.is_none() {
        let said = format!(
            "\"{text}\" is not a valid {path} value. Valid options are drop-flow, pass-flow, \
             bypass, reject, rejectboth, drop-packet, pass-packet, ignore or auto."
        );
        config.warn_or_fail(MODULE, &said)?;
        return Ok(Some(Word::Is(Policy::Ignore)));
    }
    Ok(word)
}
