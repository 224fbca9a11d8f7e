//! Names of the fields in the Elastic Common Schema.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::event::{EVENTS, Event};
use crate::fields::leaves;

/// Where a field goes that the common schema has no name for.
const OWN: &str = "suricata.eve.";

/// A table with tabs: field of EVE, field of ECS, type; of one type of record or of all. Fields
/// that ECS does not know go below `suricata.eve`.
pub fn ecs(of: Option<&Event>) -> String {
    let mut rows: BTreeMap<String, (String, String)> = BTreeMap::new();
    for event in EVENTS.iter().filter(|event| of.is_none_or(|of| of.name == event.name)) {
        for leaf in leaves(event) {
            let path = leaf.query_path();
            if is_group(&leaf) || path.contains('*') {
                continue;
            }
            let name = match leaf.field.ecs {
                "" => format!("{OWN}{path}"),
                name => name.to_owned(),
            };
            rows.insert(path, (name, leaf.field.kind.name()));
        }
    }
    let mut out = format!("# version {}\n# eve\tecs\ttype\n", crate::VERSION);
    for (path, (name, kind)) in rows {
        // Writing to a string can't fail.
        let _ = writeln!(out, "{path}\t{name}\t{kind}");
    }
    out
}

/// True for objects that only hold others.
fn is_group(leaf: &crate::fields::Leaf) -> bool {
    !leaf.field.kind.members().is_empty()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn rows_have_names_of_the_common_schema_or_below_ours() {
        let table = ecs(None);
        let rows: HashMap<&str, &str> = table
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once('\t'))
            .map(|(eve, rest)| (eve, rest.split('\t').next().unwrap_or_default()))
            .collect();
        for (eve, ecs) in [
            ("timestamp", "@timestamp"),
            ("src_ip", "source.ip"),
            ("alert.signature_id", "rule.id"),
            ("dns.queries.rrname", "dns.question.name"),
            ("flow_id", "suricata.eve.flow_id"),
        ] {
            assert_eq!(rows.get(eve), Some(&ecs), "{eve}");
        }
        assert!(!rows.contains_key("http"), "objects have no field of their own");
    }
}
