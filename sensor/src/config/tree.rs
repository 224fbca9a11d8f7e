//! The configuration as Suricata sees it: named nodes with an optional text and ordered children.

/// A node. Types appear only when a consumer asks for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// The text; a mapping in a sequence has its first key here.
    pub(crate) value: Option<String>,
    /// Set on the command line: a file does not change the value.
    pub(crate) is_final: bool,
    /// A sequence.
    pub(crate) is_sequence: bool,
    /// A mapping in a sequence, which takes its value from its first key.
    pub(crate) is_item: bool,
    pub(crate) children: Vec<Node>,
}

impl Node {
    /// A node without value and children.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The child of that name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The node at a dotted path below this one.
    pub(crate) fn get(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |node, name| node.child(name))
    }

    /// The text at a dotted path; none if there is no such node or it has no text.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.value.as_deref()
    }

    /// Whether the text at a dotted path says yes; none if there is no text.
    pub(crate) fn truth(&self, path: &str) -> Option<bool> {
        self.text(path).map(super::boolean::is_true)
    }

    /// Whether the text at a dotted path says no.
    pub(crate) fn is_false(&self, path: &str) -> bool {
        self.text(path).is_some_and(super::boolean::is_false)
    }

    /// The child of that name, made at the end if there is none.
    pub(crate) fn child_or_new(&mut self, name: &str) -> &mut Self {
        let at = match self.children.iter().position(|child| child.name == name) {
            Some(at) => at,
            None => {
                self.children.push(Self::new(name));
                self.children.len() - 1
            }
        };
        &mut self.children[at]
    }

    /// The node at a dotted path, made with everything on the way to it.
    pub(crate) fn get_or_new(&mut self, path: &str) -> &mut Self {
        path.split('.').fold(self, |node, name| node.child_or_new(name))
    }

    /// The child of that name moved to the end, made if there is none.
    pub(crate) fn child_at_end(&mut self, name: &str) -> &mut Self {
        let node = match self.children.iter().position(|child| child.name == name) {
            Some(at) => self.children.remove(at),
            None => Self::new(name),
        };
        let at = self.children.len();
        self.children.push(node);
        &mut self.children[at]
    }

    /// Sets a value from the command line.
    pub(crate) fn set_final(&mut self, path: &str, value: &str) {
        let node = self.get_or_new(path);
        node.value = Some(value.to_owned());
        node.is_final = true;
    }

    /// Removes what does not come from the command line.
    pub(crate) fn prune(&mut self) {
        self.children.retain_mut(|child| {
            child.prune();
            child.is_final || !child.children.is_empty()
        });
        if !self.is_final {
            self.value = None;
        }
    }

    /// The name and options of an item in a list of named things (`outputs`, `types`): `- fast`,
    /// `- fast: {..}`. The options are none for a bare word.
    pub(crate) fn item(&self) -> Option<(&str, Option<&Self>)> {
        let first = || self.children.first().map(|child| child.name.as_str());
        let name = self.value.as_deref().or_else(first)?;
        Some((name, self.child(name)))
    }

    /// Texts of a list, or the one text of a node that is no list.
    pub(crate) fn texts(&self) -> Vec<&str> {
        if self.children.is_empty() {
            return self.value.as_deref().into_iter().collect();
        }
        self.children.iter().filter_map(|child| child.value.as_deref()).collect()
    }

    /// Calls `visit` with the dotted path and value of every node below, in tree order.
    pub(crate) fn walk(&self, prefix: &str, visit: &mut dyn FnMut(&str, Option<&str>)) {
        for child in &self.children {
            let path = match prefix {
                "" => child.name.clone(),
                _ => format!("{prefix}.{}", child.name),
            };
            visit(&path, child.value.as_deref());
            child.walk(&path, visit);
        }
    }
}
