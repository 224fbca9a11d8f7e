//! `dataset` and `datarep`: is a buffer in a set, and with which reputation.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Keyword, OptionText};
use crate::keyword::integer;
use crate::rule::{Compare, ContentOp, Dataset, DatasetCommand, DatasetFormat, DatasetType};

/// Longest name of a set.
const MAX_NAME: usize = 255;

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
        parameter(builder, &mut set, part)?;
    }
    check_objects(&set)?;
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
        parameter(builder, &mut set, part)?;
    }
    // Files of reputations have one form.
    set.format = DatasetFormat::Csv;
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
    if name.is_empty() || name.len() > MAX_NAME || name.contains(char::is_whitespace) {
        return refuse(format!("'{name}' can't be the name of a set"));
    }
    Ok(Dataset::new(name, command))
}

/// Takes a parameter. What Suricata 8 only tells of is passed over: unknown words, words without
/// a value, words that were there before, sizes that are none.
fn parameter(builder: &mut Builder<'_>, set: &mut Dataset, part: &str) -> Result<()> {
    let (key, value) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
    let value = value.trim();
    if value.is_empty() && key != "remove_key" {
        builder.warn(format!("unknown parameter of a set: '{part}'"));
        return Ok(());
    }
    let file = match key {
        "load" => Some(&mut set.load),
        "state" => Some(&mut set.state),
        "save" => Some(&mut set.save),
        _ => None,
    };
    if let Some(file) = file {
        if file.is_some() {
            builder.warn(format!("'{key}' can only appear once"));
        } else {
            *file = Some(value.to_owned());
        }
        return Ok(());
    }
    match key {
        "type" => {
            let bad = || RuleError::new(format!("bad type {value}"));
            set.kind = Some(DatasetType::of(value).ok_or_else(bad)?);
        }
        "memcap" | "hashsize" => size(builder, set, key, value),
        "format" => match value {
            "csv" => set.format = DatasetFormat::Csv,
            "json" => set.format = DatasetFormat::Json,
            "ndjson" => set.format = DatasetFormat::Ndjson,
            _ => builder.warn(format!("unknown format {value}")),
        },
        "value_key" => set.value_key = Some(value.to_owned()),
        "context_key" => set.context_key = Some(value.to_owned()),
        "array_key" => set.array_key = Some(value.to_owned()),
        "remove_key" => set.remove_key = true,
        _ => builder.warn(format!("unknown parameter of a set: '{part}'")),
    }
    Ok(())
}

fn size(builder: &mut Builder<'_>, set: &mut Dataset, key: &str, value: &str) {
    let Some(number) = integer::with_unit(value) else {
        builder.warn(format!("invalid value for {key}: {value}, resetting to default"));
        return;
    };
    if key == "memcap" {
        set.memcap = Some(number);
    } else {
        set.hashsize = Some(u32::try_from(number).unwrap_or(u32::MAX));
    }
}

/// What goes with a file of objects.
fn check_objects(set: &Dataset) -> Result<()> {
    if set.format == DatasetFormat::Csv {
        return Ok(());
    }
    let action = match set.command {
        DatasetCommand::Set => Some("set"),
        DatasetCommand::Unset => Some("unset"),
        DatasetCommand::IsSet | DatasetCommand::IsNotSet => None,
    };
    if let Some(action) = action {
        return refuse(format!("json format is not supported for '{action}' command"));
    }
    if set.save.is_some() || set.state.is_some() {
        return refuse("json format is not supported with 'save' or 'state' option");
    }
    if set.value_key.is_none() {
        return refuse("json format needs a 'value_key' parameter");
    }
    if set.context_key.is_none() {
        return refuse("json format needs a 'context_key' parameter");
    }
    Ok(())
}

fn check(builder: &mut Builder<'_>, set: &mut Dataset) -> Result<()> {
    if set.state.is_some() && (set.load.is_some() || set.save.is_some()) {
        builder.warn("'state' can not be mixed with 'load' and 'save'");
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
