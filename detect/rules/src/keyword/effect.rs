//! What a match does besides alerting: `bypass`, `config`, `filestore`, `prefilter`, ...

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::rule::{ConfigSpec, FileStore};

pub(crate) const BYPASS: Keyword = Keyword::new("bypass", "detect-bypass", bypass)
    .doc("the flow is not inspected any more after the match")
    .no_value();
pub(crate) const PREFILTER: Keyword = Keyword::new("prefilter", "detect-prefilter", prefilter)
    .doc("the keyword before serves as prefilter")
    .no_value();
pub(crate) const CONFIG: Keyword = Keyword::new("config", "detect-config", config)
    .doc("changes logging or tracking")
    .features(Features::NONE.firewall());
pub(crate) const FILESTORE: Keyword =
    Keyword::new("filestore", "detect-filestore", filestore).doc("stores files").optional_value();
pub(crate) const TLS_STORE: Keyword = Keyword::new("tls_store", "detect-tls-store", tls_store)
    .aliases(&["tls.store"])
    .doc("stores certificates")
    .no_value();
pub(crate) const NFQ_SET_MARK: Keyword =
    Keyword::new("nfq_set_mark", "detect-mark", nfq_set_mark).doc("accepted, no effect");
pub(crate) const REQUIRES: Keyword = Keyword::new("requires", "detect-requires", requires)
    .doc("what the sensor must be for the rule to load")
    .features(Features::META);

fn bypass(builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
    if std::mem::replace(&mut builder.rule.bypass, true) {
        return refuse("bypass is given twice");
    }
    if builder.rule.filestore.is_some() {
        return refuse("bypass can't work with filestore");
    }
    Ok(())
}

fn prefilter(builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
    if !builder.facts.last_can_prefilter && !builder.last_is_content() {
        return refuse("prefilter is not supported for the keyword before it")
            .map_err(|e: RuleError| e.advice("put it right behind e.g. dsize, flags or ttl"));
    }
    if builder.last_is_content() {
        // The content before it becomes the fast pattern.
        if !builder.has_fast_pattern()
            && let Some(content) = builder.last_content()
        {
            content.fast_pattern = Some(None);
        }
        return Ok(());
    }
    builder.rule.prefilter = true;
    Ok(())
}

fn config(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || {
        RuleError::new(format!("invalid config: '{}'", option.value))
            .advice("config:logging disable, type tx|flow, scope tx|flow")
    };
    let (mut tracking, mut kind, mut scope) = (None, None, None);
    for part in option.value.split(',').map(str::trim) {
        let (key, value) = part.split_once(char::is_whitespace).ok_or_else(bad)?;
        let flow = match value.trim() {
            "flow" => true,
            "tx" | "disable" => false,
            _ => return Err(bad()),
        };
        match (key, value.trim()) {
            ("logging", "disable") => tracking = Some(false),
            ("tracking", "disable") => tracking = Some(true),
            ("type", "flow" | "tx") => kind = Some(flow),
            ("scope", "flow" | "tx") => scope = Some(flow),
            _ => return Err(bad()),
        }
    }
    let tracking = tracking.ok_or_else(bad)?;
    let kind = kind.ok_or_else(bad)?;
    if tracking && (!kind || builder.rule.protocol.hook.is_none()) {
        return refuse("config: tracking works for flows at a hook before the flow only");
    }
    let flow = kind || scope.ok_or_else(bad)?;
    builder.rule.config = Some(ConfigSpec { tracking, flow });
    Ok(())
}

fn filestore(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || {
        RuleError::new(format!("invalid filestore: '{}'", option.value))
            .advice("filestore[:request|response|both[,file|tx|flow]]")
    };
    if builder.rule.bypass {
        return refuse("filestore can't work with bypass");
    }
    builder.facts.files = true;
    builder.facts.ip_only = false;
    if !builder.settings.file_store {
        builder.warn("not configuring filestore, it's not enabled in the configuration");
        builder.restrict(super::file::PROTOCOLS)?;
        builder.rule.filestore = Some(FileStore::default());
        return Ok(());
    }
    let mut store = FileStore::default();
    if !option.value.is_empty() {
        let mut parts = option.value.split(',').map(str::trim);
        store.directions = match parts.next() {
            Some("request" | "to_server") => [true, false],
            Some("response" | "to_client") => [false, true],
            Some("both") => [true, true],
            _ => return Err(bad()),
        };
        store.scope = match parts.next() {
            None | Some("file") => 0,
            Some("tx") => 1,
            Some("ssn" | "flow") => 2,
            Some(_) => return Err(bad()),
        };
    }
    builder.restrict(super::file::PROTOCOLS)?;
    builder.rule.filestore = Some(store);
    Ok(())
}

fn tls_store(builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
    builder.facts.ip_only = false;
    builder.restrict(&[protocol::AppProto::Tls])?;
    builder.rule.tls_store = true;
    Ok(())
}

fn nfq_set_mark(_builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let word = |text: &str| super::integer::c_unsigned(text).is_some();
    let good = match option.value.split_once('/') {
        Some((mark, mask)) => word(mark) && word(mask),
        None => word(option.value),
    };
    if good { Ok(()) } else { refuse(format!("invalid mark: '{}'", option.value)) }
}

/// Evaluated before the other options; see `requires`.
fn requires(_builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
    Ok(())
}
