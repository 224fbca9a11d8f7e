//! What protocols offer to rules: buffers, numbers, events and hooks, by name.

use std::collections::HashMap;

use decode::Direction;
use protocol::{AppProto, BufferId, BufferSpec, NumberSpec};

/// Finds an event of a protocol by name.
pub type EventFinder = fn(AppProto, &str) -> Option<u8>;
/// Finds a hook of a protocol by name: direction and progress.
pub type HookFinder = fn(AppProto, &str) -> Option<(Direction, u8)>;

/// Buffers, numbers, events and hooks of all protocols.
#[derive(Clone, Debug)]
pub struct Catalogue {
    buffers: Vec<&'static BufferSpec>,
    numbers: Vec<&'static NumberSpec>,
    sticky: HashMap<&'static str, &'static BufferSpec>,
    modifiers: HashMap<&'static str, &'static BufferSpec>,
    letters: HashMap<char, &'static BufferSpec>,
    by_id: HashMap<BufferId, &'static BufferSpec>,
    by_number: HashMap<&'static str, &'static NumberSpec>,
    event: EventFinder,
    hook: HookFinder,
}

impl Catalogue {
    /// From tables.
    pub fn new(
        buffers: impl IntoIterator<Item = &'static BufferSpec>,
        numbers: impl IntoIterator<Item = &'static NumberSpec>,
        event: EventFinder,
        hook: HookFinder,
    ) -> Self {
        let buffers: Vec<_> = buffers.into_iter().collect();
        let numbers: Vec<_> = numbers.into_iter().collect();
        let mut this = Self {
            sticky: HashMap::new(),
            modifiers: HashMap::new(),
            letters: HashMap::new(),
            by_id: HashMap::new(),
            by_number: HashMap::new(),
            buffers,
            numbers,
            event,
            hook,
        };
        for &spec in &this.buffers {
            this.by_id.insert(spec.id, spec);
            for &name in std::iter::once(&spec.name).chain(spec.aliases) {
                this.sticky.insert(name, spec);
            }
            if !spec.modifier.is_empty() {
                this.modifiers.insert(spec.modifier, spec);
            }
            if spec.pcre_letter != '\0' {
                this.letters.insert(spec.pcre_letter, spec);
            }
        }
        for &spec in &this.numbers {
            for &name in std::iter::once(&spec.name).chain(spec.aliases) {
                this.by_number.insert(name, spec);
            }
        }
        this
    }

    /// All buffers, in order of registration.
    pub fn buffers(&self) -> &[&'static BufferSpec] {
        &self.buffers
    }

    /// All numbers, in order of registration.
    pub fn numbers(&self) -> &[&'static NumberSpec] {
        &self.numbers
    }

    /// Buffer of a sticky name.
    pub fn sticky(&self, name: &str) -> Option<&'static BufferSpec> {
        self.sticky.get(name).copied()
    }

    /// Buffer of an old content modifier.
    pub fn modifier(&self, name: &str) -> Option<&'static BufferSpec> {
        self.modifiers.get(name).copied()
    }

    /// Buffer of a letter of the old `pcre` options.
    pub fn pcre_letter(&self, letter: char) -> Option<&'static BufferSpec> {
        self.letters.get(&letter).copied()
    }

    /// Buffer of an identifier.
    pub fn buffer(&self, id: BufferId) -> Option<&'static BufferSpec> {
        self.by_id.get(&id).copied()
    }

    /// Number of a keyword.
    pub fn number(&self, name: &str) -> Option<&'static NumberSpec> {
        self.by_number.get(name).copied()
    }

    /// Event of a protocol.
    pub fn event(&self, proto: AppProto, name: &str) -> Option<u8> {
        (self.event)(proto, name)
    }

    /// Hook of a protocol.
    pub fn hook(&self, proto: AppProto, name: &str) -> Option<(Direction, u8)> {
        (self.hook)(proto, name)
    }
}

impl Catalogue {
    /// What the parsers of crate `protocol` offer.
    pub fn of_protocols() -> Self {
        use protocol::registry;
        let event: EventFinder = |proto, name| {
            let events = registry::events(proto);
            let at = events.iter().position(|known| known.eq_ignore_ascii_case(name))?;
            u8::try_from(at).ok()
        };
        Self::new(registry::buffers(), registry::numbers(), event, registry::hook)
    }
}
