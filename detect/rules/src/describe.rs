//! What keywords there are, for listings and documentation.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::catalogue::Catalogue;
use crate::keyword::registry::KEYWORDS;

/// The names of Suricata 8's keywords with their properties, in its order.
const LISTING: &str = include_str!("keyword/listing.txt");

static KNOWN: LazyLock<HashMap<&'static str, &'static str>> =
    LazyLock::new(|| LISTING.lines().filter_map(|line| line.split_once(';')).collect());

/// A keyword as listings show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Other names.
    pub aliases: Vec<&'static str>,
    /// What it is for; empty for a keyword that is not supported.
    pub doc: String,
    /// Properties in Suricata 8's words, joined by colons.
    pub features: String,
    /// Rules may use it.
    pub supported: bool,
}

/// Whether Suricata 8 has a keyword of that name.
pub fn is_known(name: &str) -> bool {
    KNOWN.contains_key(name)
}

/// All keywords: first those of Suricata 8 in its order, then any others.
pub fn keywords(catalogue: &Catalogue) -> Vec<Description> {
    let mut list: Vec<Description> = LISTING
        .lines()
        .filter_map(|line| line.split_once(';'))
        .map(|(name, features)| Description {
            name: name.to_owned(),
            aliases: Vec::new(),
            doc: String::new(),
            features: features.to_owned(),
            supported: false,
        })
        .collect();
    let mut places: HashMap<String, usize> =
        list.iter().enumerate().map(|(at, known)| (known.name.clone(), at)).collect();
    let mut describe = |name: &str, aliases: &[&'static str], doc: &str, features: &str| {
        let names = std::iter::once(name).chain(aliases.iter().copied());
        let known = names.clone().find_map(|name| places.get(name).copied());
        let at = known.unwrap_or_else(|| {
            list.push(Description {
                name: name.to_owned(),
                aliases: Vec::new(),
                doc: String::new(),
                features: features.to_owned(),
                supported: false,
            });
            list.len() - 1
        });
        places.insert(name.to_owned(), at);
        if let Some(entry) = list.get_mut(at) {
            entry.aliases = aliases.to_vec();
            entry.doc = doc.to_owned();
            entry.supported = true;
        }
    };
    for keyword in KEYWORDS {
        describe(keyword.name, keyword.aliases, keyword.doc, "none");
    }
    for spec in catalogue.buffers() {
        describe(spec.name, spec.aliases, spec.doc, "No option:sticky buffer");
        if !spec.modifier.is_empty() {
            let doc = format!("moves the content before to {}", spec.name);
            describe(spec.modifier, &[], &doc, "No option:content modifier");
        }
    }
    for spec in catalogue.numbers() {
        describe(spec.name, spec.aliases, spec.doc, "none");
    }
    list
}

/// The keyword of a name or another name.
pub fn keyword(catalogue: &Catalogue, name: &str) -> Option<Description> {
    let named = |known: &Description| known.name == name || known.aliases.contains(&name);
    keywords(catalogue).into_iter().find(named)
}
