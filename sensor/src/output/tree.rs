//! Counters with dotted names as nested objects.

use json::Writer;

/// A group of counters, a counter, or both.
#[derive(Clone, Debug, Default)]
pub(super) struct Branch {
    name: String,
    value: Option<u64>,
    delta: Option<i64>,
    children: Vec<Branch>,
}

impl Branch {
    /// Puts a counter in; groups are in the order in which they are first named.
    pub(super) fn insert(&mut self, name: &str, value: u64, delta: Option<i64>) {
        let branch = name.split('.').fold(self, |branch, part| branch.child(part));
        branch.value = Some(value);
        branch.delta = delta;
    }

    fn child(&mut self, name: &str) -> &mut Self {
        let at = match self.children.iter().position(|child| child.name == name) {
            Some(at) => at,
            None => {
                self.children.push(Self { name: name.to_owned(), ..Self::default() });
                self.children.len() - 1
            }
        };
        &mut self.children[at]
    }

    /// Writes the members of an object. `extra` may put more at the beginning of a group.
    pub(super) fn write(
        &self,
        path: &str,
        writer: &mut Writer<'_>,
        extra: &dyn Fn(&str, &mut Writer<'_>),
    ) {
        for child in &self.children {
            if let Some(value) = child.value {
                writer.field_u64(&child.name, value);
            }
            if let Some(delta) = child.delta {
                writer.key(&format!("{}_delta", child.name)).i64(delta);
            }
            if !child.children.is_empty() {
                let path = match path {
                    "" => child.name.clone(),
                    _ => format!("{path}.{}", child.name),
                };
                writer.key(&child.name).open();
                extra(&path, writer);
                child.write(&path, writer, extra);
                writer.close();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_nest_in_order_of_appearance() {
        let mut root = Branch::default();
        root.insert("decoder.pkts", 3, Some(3));
        root.insert("tcp.syn", 1, None);
        root.insert("decoder.event.ipv4.pkt_too_small", 0, None);
        root.insert("decoder.bytes", 9, Some(-1));
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.open();
        root.write("", &mut writer, &|path, writer| {
            if path == "tcp" {
                writer.key("x").open_array().close_array();
            }
        });
        writer.close();
        let expected = r#"{"decoder":{"pkts":3,"pkts_delta":3,"event":{"ipv4":{"pkt_too_small":0}},"bytes":9,"bytes_delta":-1},"tcp":{"x":[],"syn":1}}"#;
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
