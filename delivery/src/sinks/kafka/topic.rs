//! Names of topics, made from a template.

/// The longest name that Kafka takes.
const LONGEST: usize = 249;

/// A template of topics' names; `{event_type}` and `{sensor}` are filled in.
#[derive(Clone, Debug)]
pub(super) struct Template {
    /// Text before each place for the event's type, and after the last.
    texts: Vec<String>,
    /// The name in the making.
    name: String,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When names made from it can't be good.
    pub(super) fn new(template: &str, sensor: &str) -> Result<Self, String> {
        let mut sensor_text = String::new();
        push_legal(&mut sensor_text, sensor);
        let filled = template.replace("{sensor}", &sensor_text);
        let texts: Vec<String> = filled.split("{event_type}").map(str::to_owned).collect();
        let mut letters = texts.iter().flat_map(|text| text.chars());
        if let Some(letter) = letters.find(|letter| !is_legal(*letter)) {
            return Err(format!(
                "topic: {letter:?} can't be in a topic's name; there are letters, digits, '.', \
                 '_', '-', {{event_type}} and {{sensor}}"
            ));
        }
        let length = texts.iter().map(String::len).sum::<usize>();
        if template.is_empty() || filled == "." || filled == ".." || length > LONGEST {
            return Err(format!("topic: a name has 1 to {LONGEST} letters and is not . or .."));
        }
        let name = if let [whole] = texts.as_slice() { whole.clone() } else { String::new() };
        Ok(Self { texts, name })
    }

    /// The name for records of a type.
    pub(super) fn name(&mut self, event_type: &str) -> &str {
        let Some((first, others)) = self.texts.split_first() else { return &self.name };
        if !others.is_empty() {
            self.name.clear();
            self.name.push_str(first);
            for text in others {
                push_legal(&mut self.name, if event_type.is_empty() { "none" } else { event_type });
                self.name.push_str(text);
            }
            self.name.truncate(LONGEST);
        }
        &self.name
    }
}

fn push_legal(name: &mut String, text: &str) {
    name.extend(text.chars().map(|letter| if is_legal(letter) { letter } else { '_' }));
}

fn is_legal(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled() {
        #[track_caller]
        fn check(template: &str, event_type: &str, wanted: &str) {
            let mut template = Template::new(template, "site 1").expect("good");
            assert_eq!(template.name(event_type), wanted);
            assert_eq!(template.name(event_type), wanted, "a second time");
        }
        check("bateleur", "dns", "bateleur");
        check("bateleur-{event_type}", "dns", "bateleur-dns");
        check("{event_type}", "http", "http");
        check("{sensor}.{event_type}.{event_type}", "tls", "site_1.tls.tls");
        check("{event_type}-v1", "", "none-v1");
        check("x-{event_type}", "a b/ü", "x-a_b__");
        check("{event_type}", &"a".repeat(300), &"a".repeat(249));
    }

    #[test]
    fn bad_templates_are_refused() {
        for template in ["", ".", "..", "a b", "bateleur-{type}", &"a".repeat(250)] {
            let error = Template::new(template, "s").expect_err(template);
            assert!(error.starts_with("topic: "), "{error}");
        }
    }
}
