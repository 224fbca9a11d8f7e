//! Where the keys of `sensor.yaml` stand, for messages about what they say.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser};

/// Lines and columns by paths of keys such as `rules.files.0`.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(BTreeMap<String, (usize, usize)>);

/// A map or list that has begun.
enum Open {
    /// Its path, and the key whose value comes next.
    Map(String, Option<String>),
    /// Its path, and the number of the next item.
    List(String, usize),
}

impl Places {
    /// Of a text, as far as it is YAML.
    pub(super) fn of(text: &str) -> Self {
        let mut places = BTreeMap::new();
        let mut open: Vec<Open> = Vec::new();
        for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
            let place = (span.start.line(), span.start.col() + 1);
            match event {
                Event::Scalar(word, ..) => {
                    // The first of two words in a map is a key.
                    if let Some(Open::Map(path, next @ None)) = open.last_mut() {
                        let path = below(path, &word);
                        places.insert(path.clone(), place);
                        *next = Some(path);
                    } else {
                        item(&mut open, &mut places, place);
                    }
                }
                Event::Alias(_) => drop(item(&mut open, &mut places, place)),
                Event::MappingStart(..) => {
                    let path = item(&mut open, &mut places, place);
                    open.push(Open::Map(path, None));
                }
                Event::SequenceStart(..) => {
                    let path = item(&mut open, &mut places, place);
                    open.push(Open::List(path, 0));
                }
                Event::MappingEnd | Event::SequenceEnd => drop(open.pop()),
                _ => {}
            }
        }
        Self(places)
    }

    /// Line and column of a key or item, or of what would hold it.
    pub(super) fn find(&self, path: &str) -> Option<(usize, usize)> {
        let mut path = path;
        loop {
            if let Some(place) = self.0.get(path) {
                return Some(*place);
            }
            path = path.rsplit_once('.')?.0;
        }
    }
}

/// The path of the value that begins here. Items of lists stand where they begin, values of maps
/// where their keys do.
fn item(
    open: &mut [Open],
    places: &mut BTreeMap<String, (usize, usize)>,
    place: (usize, usize),
) -> String {
    match open.last_mut() {
        Some(Open::Map(_, next)) => next.take().unwrap_or_default(),
        Some(Open::List(path, number)) => {
            let path = below(path, &number.to_string());
            *number += 1;
            places.insert(path.clone(), place);
            path
        }
        None => String::new(),
    }
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_items_have_places() {
        let places = Places::of(
            "# a gate\nname: a\nnetworks:\n  home: [10.0.0.0/8, 192.168.0.0/16]\n  ports: {X: \"80\"}\n\
             rules:\n  files:\n    - a.rules\n    - b.rules\n",
        );
        let check = |path: &str, expected: Option<(usize, usize)>| {
            assert_eq!(places.find(path), expected, "{path}");
        };
        check("name", Some((2, 1)));
        check("networks.home", Some((4, 3)));
        check("networks.home.1", Some((4, 22)));
        check("networks.ports.X", Some((5, 11)));
        check("networks.ports.Y", Some((5, 3)));
        check("rules.files.0", Some((8, 7)));
        check("rules.files.1", Some((9, 7)));
        check("limits", None);
        assert_eq!(Places::of("[").find("a"), None);
        assert_eq!(Places::of("").find("a"), None);
    }
}
