//! The threshold file: `threshold`, `event_filter`, `rate_filter` and `suppress` lines.

use rules::address::AddressSet;
use rules::threshold::{
    EntryKind, RateAction, Threshold, ThresholdEntry, ThresholdFile, ThresholdKind, Track,
};
use rules::variables::Variables;

/// Reads the text of the file; gives the lines (from 1) that are wrong, and why, as well.
///
/// A backslash at the end of a line joins it with the next; the number is that of the last one.
pub(crate) fn parse(text: &str, variables: &Variables) -> (ThresholdFile, Vec<(u32, String)>) {
    let mut file = ThresholdFile::default();
    let mut bad = Vec::new();
    let mut joined = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if joined.is_empty() && (line.is_empty() || line.starts_with('#')) {
            continue;
        }
        if let Some(begun) = line.strip_suffix('\\') {
            joined.push_str(begun);
            joined.push(' ');
            continue;
        }
        joined.push_str(line);
        match entry(&joined, variables, number) {
            Ok(entry) => file.entries.push(entry),
            Err(what) => bad.push((number, what)),
        }
        joined.clear();
    }
    (file, bad)
}

fn entry(line: &str, variables: &Variables, number: u32) -> Result<ThresholdEntry, String> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let parts = Parts::split(rest)?;
    let number_of = |name: &str| parts.number(name);
    let (gid, sid) = (number_of("gen_id")?, number_of("sig_id")?);
    let entry = match word {
        "suppress" => suppress(&parts, variables)?,
        "threshold" | "event_filter" => {
            let kind = match parts.text("type")? {
                "limit" => ThresholdKind::Limit,
                "threshold" => ThresholdKind::Threshold,
                "both" => ThresholdKind::Both,
                other => return Err(format!("unknown type '{other}'")),
            };
            EntryKind::Threshold(threshold(&parts, kind)?)
        }
        "rate_filter" => {
            let new_action = match parts.text("new_action")? {
                "alert" => RateAction::Alert,
                "drop" => RateAction::Drop,
                "pass" => RateAction::Pass,
                "reject" => RateAction::Reject,
                "log" | "sdrop" => RateAction::Nothing,
                other => return Err(format!("unknown new_action '{other}'")),
            };
            let timeout = number_of("timeout")?;
            EntryKind::Threshold(threshold(&parts, ThresholdKind::Rate { new_action, timeout })?)
        }
        other => return Err(format!("unknown word '{other}'")),
    };
    if gid == 0 && sid != 0 {
        return Err("gen_id 0 means all rules and goes with sig_id 0 only".to_owned());
    }
    Ok(ThresholdEntry { gid, sid, entry, line: number })
}

fn threshold(parts: &Parts<'_>, kind: ThresholdKind) -> Result<Threshold, String> {
    let track = match parts.text("track")? {
        "by_src" => Track::BySrc,
        "by_dst" => Track::ByDst,
        "by_both" => Track::ByBoth,
        "by_rule" => Track::ByRule,
        "by_flow" => Track::ByFlow,
        other => return Err(format!("unknown track '{other}'")),
    };
    let (count, seconds) = (parts.number("count")?, parts.number("seconds")?);
    if count == 0 {
        return Err("count must be above 0".to_owned());
    }
    Ok(Threshold { kind, track, count, seconds, multiplier: 0 })
}

fn suppress(parts: &Parts<'_>, variables: &Variables) -> Result<EntryKind, String> {
    let Some(track) = parts.find("track") else { return Ok(EntryKind::Suppress(None)) };
    let track = match track {
        "by_src" => Track::BySrc,
        "by_dst" => Track::ByDst,
        "by_either" => Track::ByEither,
        other => return Err(format!("unknown track '{other}'")),
    };
    let addresses = AddressSet::parse(parts.text("ip")?, variables);
    let addresses = addresses.map_err(|error| error.to_string())?;
    Ok(EntryKind::Suppress(Some((track, addresses))))
}

/// `name value` pairs between commas outside of brackets.
struct Parts<'t>(Vec<(&'t str, &'t str)>);

impl<'t> Parts<'t> {
    fn split(text: &'t str) -> Result<Self, String> {
        let mut depth = 0usize;
        let separated = text.split(|c| {
            match c {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        });
        let mut pairs = Vec::new();
        for part in separated {
            let part = part.trim();
            let Some((name, value)) = part.split_once(char::is_whitespace) else {
                return Err(format!("'{part}' is no name with a value"));
            };
            pairs.push((name, value.trim()));
        }
        Ok(Self(pairs))
    }

    fn find(&self, name: &str) -> Option<&'t str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn text(&self, name: &str) -> Result<&'t str, String> {
        self.find(name).ok_or_else(|| format!("{name} is missing"))
    }

    fn number(&self, name: &str) -> Result<u32, String> {
        let text = self.text(name)?;
        text.parse().map_err(|_| format!("'{text}' is no number for {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let mut variables = Variables::default();
        variables.set_address("HOME_NET", "10.0.0.0/8");
        let text = "# comment\n\n\
            threshold gen_id 1, sig_id 2, type limit, track by_src, count 1, seconds 60\n\
            event_filter gen_id 1, sig_id 0, type both, \\\n  track by_both, count 3, seconds 5\n\
            rate_filter gen_id 1, sig_id 3, track by_rule, count 2, seconds 60, new_action drop, timeout 3\n\
            suppress gen_id 1, sig_id 4\n\
            suppress gen_id 1, sig_id 5, track by_either, ip [$HOME_NET,192.0.2.1]\n";
        let (file, bad) = parse(text, &variables);
        assert!(bad.is_empty(), "{bad:?}");
        let lines: Vec<_> = file.entries.iter().map(|entry| (entry.sid, entry.line)).collect();
        assert_eq!(lines, [(2, 3), (0, 5), (3, 6), (4, 7), (5, 8)]);
        let EntryKind::Threshold(second) = &file.entries[1].entry else { panic!("a threshold") };
        assert_eq!((second.kind, second.track), (ThresholdKind::Both, Track::ByBoth));
        assert_eq!(file.entries[3].entry, EntryKind::Suppress(None));
        let EntryKind::Suppress(Some((Track::ByEither, set))) = &file.entries[4].entry else {
            panic!("addresses")
        };
        assert!(set.contains("10.9.9.9".parse().unwrap()));
    }

    #[test]
    fn wrong_lines_are_told() {
        let check = |line: &str, said: &str| {
            let (file, bad) = parse(line, &Variables::default());
            assert!(file.entries.is_empty());
            assert!(bad[0].1.contains(said), "{said} in {bad:?}");
        };
        check("frobnicate gen_id 1, sig_id 1", "unknown word");
        check("suppress gen_id 1", "sig_id is missing");
        check("suppress gen_id 0, sig_id 7", "gen_id 0");
        check("suppress gen_id 1, sig_id x", "no number");
        check("suppress gen_id 1, sig_id 1, track by_src", "ip is missing");
        check(
            "threshold gen_id 1, sig_id 1, type limit, track by_src, count 0, seconds 1",
            "count",
        );
    }
}
