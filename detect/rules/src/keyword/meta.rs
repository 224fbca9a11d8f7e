//! What a rule says about itself: `msg`, `sid`, `rev`, `classtype`, `reference`, `metadata`...

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::integer;
use crate::rule::{Action, AttackTarget};

pub(crate) const MSG: Keyword = Keyword::new("msg", "detect-msg", msg)
    .doc("text of the alert")
    .quoted()
    .features(Features::META.firewall());
pub(crate) const SID: Keyword = Keyword::new("sid", "detect-sid", sid)
    .doc("number of the rule")
    .features(Features::META.firewall());
pub(crate) const REV: Keyword =
    Keyword::new("rev", "detect-rev", rev).doc("revision of the rule").features(Features::META);
pub(crate) const GID: Keyword = Keyword::new("gid", "detect-gid", gid)
    .doc("group of the rule's number")
    .features(Features::META);
pub(crate) const CLASSTYPE: Keyword = Keyword::new("classtype", "detect-classtype", classtype)
    .doc("class of the rule")
    .features(Features::META);
pub(crate) const PRIORITY: Keyword = Keyword::new("priority", "detect-priority", priority)
    .doc("priority of the rule")
    .features(Features::META);
pub(crate) const REFERENCE: Keyword = Keyword::new("reference", "detect-reference", reference)
    .doc("where to read more")
    .features(Features::META);
pub(crate) const METADATA: Keyword = Keyword::new("metadata", "detect-metadata", metadata)
    .doc("keys and values for the reader")
    .features(Features::META);
pub(crate) const TARGET: Keyword = Keyword::new("target", "detect-target", target)
    .doc("which side is the target of the attack")
    .features(Features::META);
pub(crate) const NOALERT: Keyword = Keyword::new("noalert", "detect-noalert", noalert)
    .doc("no alert")
    .no_value()
    .features(Features::META);
pub(crate) const ALERT: Keyword = Keyword::new("alert", "detect-noalert", alert)
    .doc("alert, whatever the action")
    .no_value()
    .features(Features::META);

fn msg(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    if std::mem::replace(&mut builder.facts.msg, true) {
        return refuse("duplicated 'msg' keyword detected");
    }
    builder.rule.msg = unescape(option.value);
    Ok(())
}

/// Takes the backslash from `\"`, `\;`, `\:` and `\\`.
fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match (c, characters.peek()) {
            ('\\', Some(&next @ ('"' | ';' | ':' | '\\'))) => {
                plain.push(next);
                characters.next();
            }
            _ => plain.push(c),
        }
    }
    plain
}

fn sid(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    if std::mem::replace(&mut builder.facts.sid, true) {
        return refuse("duplicated 'sid' keyword detected");
    }
    builder.rule.sid = positive(option)?;
    Ok(())
}

fn rev(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    if std::mem::replace(&mut builder.facts.rev, true) {
        return refuse("duplicated 'rev' keyword detected");
    }
    builder.rule.rev = positive(option)?;
    Ok(())
}

fn positive(option: &OptionText<'_>) -> Result<u32> {
    let bad = || RuleError::new(format!("invalid {} '{}'", option.name, option.value));
    integer::decimal(option.value).filter(|n| *n > 0).ok_or_else(bad)
}

fn gid(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || RuleError::new(format!("invalid gid '{}'", option.value));
    builder.rule.gid = integer::decimal(option.value).ok_or_else(bad)?;
    Ok(())
}

fn classtype(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let name = option.value;
    let known = builder.settings.classifications.get(name);
    let (category, priority) = match known {
        Some(class) => (class.description.clone(), class.priority),
        None => {
            builder.warn(format!("unknown classtype: \"{name}\", using default priority 3"));
            (String::new(), 3)
        }
    };
    let text = if known.is_some() { category } else { name.to_owned() };
    if builder.facts.class_priority.is_none_or(|known| priority < known) {
        builder.rule.category = text;
        builder.facts.class_priority = Some(priority);
    }
    Ok(())
}

fn priority(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || RuleError::new(format!("invalid priority '{}'", option.value));
    builder.rule.priority = integer::decimal(option.value).ok_or_else(bad)?;
    builder.facts.priority = true;
    Ok(())
}

fn reference(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let Some((scheme, value)) = option.value.split_once(',') else {
        return refuse(format!("invalid reference: '{}'", option.value))
            .map_err(|e: RuleError| e.advice("reference:<scheme>,<value>"));
    };
    let (scheme, value) = (scheme.trim(), value.trim());
    if scheme.is_empty() || value.is_empty() {
        return refuse("reference without scheme or value");
    }
    if builder.settings.references.prefix(scheme).is_none() {
        builder.warn(format!("unknown reference key \"{scheme}\""));
    }
    builder.rule.references.push((scheme.to_owned(), value.to_owned()));
    Ok(())
}

fn metadata(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    builder.rule.metadata_spans.push(option.value_span);
    Ok(())
}

fn target(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let target = match option.value {
        "src_ip" => AttackTarget::Src,
        "dest_ip" => AttackTarget::Dst,
        _ => {
            return refuse("only one of \"src_ip\" and \"dest_ip\" is allowed in target")
                .map_err(|e: RuleError| e.advice("target:src_ip or target:dest_ip"));
        }
    };
    if builder.rule.target.replace(target).is_some_and(|before| before != target) {
        return refuse("cannot change the target of a rule");
    }
    Ok(())
}

fn noalert(builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
    builder.rule.noalert = true;
    Ok(())
}

fn alert(builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
    builder.rule.noalert = false;
    builder.rule.alert_anyway = builder.rule.action != Action::Alert;
    Ok(())
}
