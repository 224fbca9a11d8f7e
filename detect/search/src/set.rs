//! Sets of patterns: what callers build, share and search with.

#[cfg(target_arch = "x86_64")]
use crate::avx2::Avx2;
use crate::engine::{Engine, EngineKind};
use crate::filter::Filter;
use crate::group::Group;
use crate::hits::Hits;
use crate::pass::Pass;
use crate::pattern::{Gatherer, Literals, Pattern};
use crate::scalar::Scalar;
use crate::short;
#[cfg(target_arch = "x86_64")]
use crate::vbmi::Vbmi;

/// Collects the patterns of a set.
#[derive(Clone, Debug, Default)]
pub struct SetBuilder {
    singles: Gatherer,
    short: Gatherer,
    long: Gatherer,
    len: usize,
    min_len: Option<usize>,
}

impl SetBuilder {
    /// A builder without patterns.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pattern. An empty one, and one too long for its own offset and depth, is counted
    /// but never matches.
    pub fn add(&mut self, pattern: Pattern<'_>) -> &mut Self {
        self.len += 1;
        let len = pattern.bytes.len();
        match len {
            0 => return self,
            1 => self.singles.add(&pattern),
            2 | 3 => self.short.add(&pattern),
            _ => self.long.add(&pattern),
        }
        self.min_len = Some(self.min_len.map_or(len, |min| min.min(len)));
        self
    }

    /// Builds the set for the best engine that this processor has.
    pub fn build(self) -> Set {
        let kind = [EngineKind::Vbmi, EngineKind::Avx2].into_iter().find(|k| k.is_available());
        self.build_with(kind.unwrap_or(EngineKind::Scalar))
    }

    /// Builds the set for a given engine; one that this processor lacks is replaced by the
    /// scalar engine.
    pub fn build_with(self, kind: EngineKind) -> Set {
        Set {
            kind: if kind.is_available() { kind } else { EngineKind::Scalar },
            singles: self.singles.finish(),
            passes: Passes::new(self.long.finish(), self.short.finish(), kind),
            len: self.len,
            min_len: self.min_len.unwrap_or(0),
        }
    }
}

/// Up to this many long literals, short ones share their pass: above, they would let too many
/// positions survive.
const MAX_SHARED: usize = 300;

/// The passes over a haystack.
#[derive(Clone, Debug)]
struct Passes {
    /// Long literals, with the short ones if both are few.
    wide: Option<Box<Pass<4>>>,
    /// Short literals otherwise.
    narrow: Option<Box<Pass<{ short::WIDTH }>>>,
}

impl Passes {
    fn new(long: Literals, short: Literals, kind: EngineKind) -> Self {
        let (long_count, short_count) = (long.as_slice().len(), short.as_slice().len());
        let long = (!long.is_empty()).then(|| Group::new::<4>(long, MAX_HEADS));
        if short.is_empty() || (long.is_some() && long_count + short_count <= MAX_SHARED) {
            let short = (!short.is_empty()).then(|| Group::new::<4>(short, short::HEADS));
            let wide = (long.is_some() || short.is_some()).then(|| {
                let (long, long_windows) = long.unzip();
                let (short, short_windows) = short.unzip();
                let filter = Filter::new(
                    &long_windows.unwrap_or_default(),
                    &short_windows.unwrap_or_default(),
                    kind,
                );
                Pass::new(filter, long, short)
            });
            return Self { wide, narrow: None };
        }
        let wide = long
            .map(|(group, windows)| Pass::new(Filter::new(&windows, &[], kind), Some(group), None));
        let (group, windows) = Group::new::<{ short::WIDTH }>(short, short::HEADS);
        let narrow = Pass::new(Filter::new(&[], &windows, kind), None, Some(group));
        Self { wide, narrow: Some(narrow) }
    }
}

/// The most heads of the index of long patterns.
const MAX_HEADS: usize = 1 << 16;

/// An immutable set of patterns.
#[derive(Clone, Debug)]
pub struct Set {
    kind: EngineKind,
    singles: Literals,
    passes: Passes,
    len: usize,
    min_len: usize,
}

impl Set {
    /// Builds a set of patterns for a given engine.
    pub fn build_with<'a>(
        patterns: impl IntoIterator<Item = Pattern<'a>>,
        kind: EngineKind,
    ) -> Self {
        let mut builder = SetBuilder::new();
        for pattern in patterns {
            builder.add(pattern);
        }
        builder.build_with(kind)
    }

    /// Calls `found` with the id of every pattern that occurs in the haystack, at least once each;
    /// offset and depth of a pattern count from the start of the haystack.
    #[inline]
    pub fn search(&self, haystack: &[u8], mut found: impl FnMut(u32)) {
        if haystack.len() < self.min_len {
            return;
        }
        match self.kind {
            EngineKind::Scalar => self.search_with::<Scalar>(haystack, &mut found),
            #[cfg(target_arch = "x86_64")]
            EngineKind::Avx2 => self.search_with::<Avx2>(haystack, &mut found),
            #[cfg(target_arch = "x86_64")]
            EngineKind::Vbmi => self.search_with::<Vbmi>(haystack, &mut found),
            #[cfg(not(target_arch = "x86_64"))]
            _ => self.search_with::<Scalar>(haystack, &mut found),
        }
    }

    /// Adds the id of every pattern that occurs in the haystack to `hits`.
    #[inline]
    pub fn search_into(&self, haystack: &[u8], hits: &mut Hits) {
        self.search(haystack, |id| {
            hits.insert(id);
        });
    }

    /// How many patterns were added.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no pattern was added.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The length of the shortest pattern: a shorter haystack cannot match; 0 for an empty set.
    pub fn min_len(&self) -> usize {
        self.min_len
    }

    /// The engine in use.
    pub fn engine(&self) -> EngineKind {
        self.kind
    }

    /// The bytes of memory in use.
    pub fn memory(&self) -> usize {
        size_of::<Self>()
            + self.singles.memory()
            + self.passes.wide.as_ref().map_or(0, |pass| pass.memory())
            + self.passes.narrow.as_ref().map_or(0, |pass| pass.memory())
    }

    fn search_with<E: Engine>(&self, haystack: &[u8], found: &mut impl FnMut(u32)) {
        short::search_bytes(&self.singles, haystack, found);
        E::run(|| {
            if let Some(pass) = &self.passes.wide {
                pass.search::<E>(haystack, found);
            }
            if let Some(pass) = &self.passes.narrow {
                pass.search::<E>(haystack, found);
            }
        });
    }
}
