//! `dataset` and `datarep`: is a buffer in a set, and with which reputation.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Keyword, OptionText};
use crate::keyword::integer;
use crate::rule::{Compare, ContentOp, Dataset, DatasetCommand, DatasetFormat, DatasetType};

pub(crate) const DATASET: Keyword =
    Keyword::new("dataset", "detect-dataset", dataset).doc("is the buffer in a set");
pub(crate) const DATAREP: Keyword =
    Keyword::new("datarep", "detect-datarep", datarep).doc("reputation of the buffer in a set");

fn dataset(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    needs_buffer(builder, option)?;
    let bad = || {
        RuleError::new(format!("invalid dataset: '{}'", option.value))
            .advice("dataset:set|unset|isset|isnotset,<name>[,type ...][,load ...]")
    };
    let mut parts = option.value.split(',').map(str::trim);
    let command = match parts.next() {
        Some("set") => DatasetCommand::Set,
        Some("unset") => DatasetCommand::Unset,
        Some("isset") => DatasetCommand::IsSet,
        Some("isnotset") => DatasetCommand::IsNotSet,
        _ => return Err(bad()),
    };
    let mut set = empty(command, parts.next().unwrap_or(""))?;
    for part in parts {
        if !parameter(&mut set, part)? {
            builder.warn(format!("unknown parameter of a set: '{part}'"));
        }
    }
    check(builder, &mut set)?;
    push(builder, set)
}

fn datarep(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    needs_buffer(builder, option)?;
    let bad = || {
        RuleError::new(format!("invalid datarep: '{}'", option.value))
            .advice("datarep:<name>,<|>|==,<value>[,load <file>,type <type>]")
    };
    let mut parts = option.value.split(',').map(str::trim);
    let mut set = empty(DatasetCommand::IsSet, parts.next().unwrap_or(""))?;
    let op = parts.next().ok_or_else(bad)?;
    let value: u16 = parts.next().and_then(integer::decimal).ok_or_else(bad)?;
    let value = u64::from(value);
    set.reputation = Some(match op {
        "<" => Compare::Less(value),
        ">" => Compare::Greater(value),
        "==" => Compare::Equal(value),
        _ => return Err(bad()),
    });
    for part in parts {
        if !parameter(&mut set, part)? {
            builder.warn(format!("unknown parameter of a set: '{part}'"));
        }
    }
    check(builder, &mut set)?;
    push(builder, set)
}

fn needs_buffer(builder: &Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    if builder.in_buffer() || builder.in_base64() {
        return Ok(());
    }
    refuse(format!("{}s are only supported for sticky buffers", option.name))
        .map_err(|e: RuleError| e.advice("name a buffer before it"))
}

fn empty(command: DatasetCommand, name: &str) -> Result<Dataset> {
    if name.is_empty() || name.len() > 63 || name.contains(char::is_whitespace) {
        return refuse(format!("'{name}' can't be the name of a set"));
    }
    Ok(Dataset {
        command,
        name: name.to_owned(),
        kind: None,
        load: None,
        state: None,
        save: None,
        memcap: None,
        hashsize: None,
        reputation: None,
        format: DatasetFormat::default(),
        value_key: None,
        context_key: None,
        array_key: None,
        remove_key: false,
    })
}

/// Takes a parameter; false for an unknown one.
fn parameter(set: &mut Dataset, part: &str) -> Result<bool> {
    let bad = || RuleError::new(format!("invalid parameter of a set: '{part}'"));
    let (key, value) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
    let value = value.trim();
    if value.is_empty() && key != "remove_key" {
        return Err(bad());
    }
    match key {
        "type" => {
            set.kind = Some(match value {
                "string" => DatasetType::String,
                "md5" => DatasetType::Md5,
                "sha256" => DatasetType::Sha256,
                "ipv4" => DatasetType::Ipv4,
                "ip" | "ipv6" => DatasetType::Ip,
                _ => return refuse(format!("unknown type of set '{value}'")),
            });
        }
        "load" => set.load = Some(value.to_owned()),
        "state" => set.state = Some(value.to_owned()),
        "save" => set.save = Some(value.to_owned()),
        "memcap" => set.memcap = Some(integer::with_unit(value).ok_or_else(bad)?),
        "hashsize" => set.hashsize = Some(integer::decimal(value).ok_or_else(bad)?),
        "format" => {
            set.format = match value {
                "csv" => DatasetFormat::Csv,
                "json" => DatasetFormat::Json,
                "ndjson" => DatasetFormat::Ndjson,
                _ => return Err(bad()),
            };
        }
        "value_key" => set.value_key = Some(value.to_owned()),
        "context_key" => set.context_key = Some(value.to_owned()),
        "array_key" => set.array_key = Some(value.to_owned()),
        "remove_key" => set.remove_key = true,
        _ => return Ok(false),
    }
    Ok(true)
}

fn check(builder: &Builder<'_>, set: &mut Dataset) -> Result<()> {
    if set.state.is_some() && (set.load.is_some() || set.save.is_some()) {
        return refuse("state can't be used together with load or save");
    }
    if set.format == DatasetFormat::Csv && (set.context_key.is_some() || set.value_key.is_some()) {
        return refuse("context_key and value_key need format json or ndjson");
    }
    if set.format != DatasetFormat::Csv && (set.context_key.is_none() || set.value_key.is_none()) {
        return refuse("format json and ndjson need context_key and value_key");
    }
    let settings = builder.settings;
    if !settings.dataset_write && (set.state.is_some() || set.save.is_some()) {
        return refuse("Rules with a dataset save or state are not allowed by the configuration");
    }
    for path in [&set.state, &set.save].into_iter().flatten() {
        if settings.dataset_absolute_paths {
            break;
        }
        if path.starts_with('/') {
            return refuse(format!("Absolute paths not allowed: {path}"));
        }
        if path.split('/').any(|part| part == "..") {
            return refuse(format!("Directory traversal not allowed: {path}"));
        }
    }
    let declared = settings.datasets.iter().find(|(name, _)| *name == set.name).map(|d| d.1);
    let known = declared.or_else(|| builder.names.datasets.get(&set.name).copied());
    match (known, set.kind) {
        (Some(known), Some(kind)) if known != kind => {
            refuse(format!("dataset {} already has another type", set.name))
        }
        (None, None) => refuse(format!("dataset {} not defined", set.name))
            .map_err(|e: RuleError| e.advice("say its type: `type string`")),
        (known, kind) => {
            set.kind = kind.or(known);
            Ok(())
        }
    }
}

fn push(builder: &mut Builder<'_>, set: Dataset) -> Result<()> {
    let Ok(number) = u16::try_from(builder.rule.datasets.len()) else {
        return refuse("too many sets in one rule");
    };
    if let Some(kind) = set.kind {
        builder.names.datasets.insert(set.name.clone(), kind);
    }
    builder.rule.datasets.push(set);
    builder.push_op(ContentOp::Dataset(number));
    Ok(())
}
