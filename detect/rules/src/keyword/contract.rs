//! The contract of a keyword: what a member of this folder must say about itself.
//!
//! A member is a file with one or more `pub(crate) const KEYWORD: Keyword`, named in
//! `registry`. Its `setup` reads the value and tells the [`Builder`] what it means: an option on
//! contents (`Builder::push_op`), a check on packets (`Builder::push_check` with a variant of
//! `Check`), a check on transactions (`Builder::push_tx_check`), a bit, or a field of the rule.
//! Names of buffers and numbers of protocols need no member: they come from the registry of the
//! protocols.

use crate::builder::Builder;
use crate::error::{Result, Span};

/// Whether a keyword takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueRule {
    /// `keyword;`
    None,
    /// `keyword:value;`
    Required,
    /// Either.
    Optional,
}

/// Whether the value stands in double quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuoteRule {
    /// Never.
    Forbidden,
    /// As one likes.
    Optional,
    /// Always.
    Required,
}

/// Properties that decide the class of the rule, and that listings show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Does not keep a rule from being IP-only.
    pub ip_only: bool,
    /// Does not keep a rule from being for decoder events only.
    pub decoder_only: bool,
    /// Can serve as prefilter (`prefilter;` behind it).
    pub prefilter: bool,
    /// Moves the last content.
    pub content_modifier: bool,
    /// Names a buffer for what follows.
    pub sticky: bool,
    /// Allowed in firewall rules.
    pub firewall: bool,
    /// Changes the bytes between buffer and contents.
    pub transform: bool,
    /// Looks at the packet itself: not with application buffers or reassembled data only.
    pub packet: bool,
    /// Takes `to_server` or `to_client` in `=>` rules.
    pub directed: bool,
}

impl Features {
    /// None of them.
    pub const NONE: Self = Self {
        ip_only: false,
        decoder_only: false,
        prefilter: false,
        content_modifier: false,
        sticky: false,
        firewall: false,
        transform: false,
        packet: false,
        directed: false,
    };
    /// About the rule itself: fits any class.
    pub const META: Self = Self { ip_only: true, decoder_only: true, ..Self::NONE };
    /// Fits IP-only rules.
    pub const IP_ONLY: Self = Self { ip_only: true, ..Self::NONE };
    /// A check on packets.
    pub const PACKET: Self = Self { packet: true, ..Self::NONE };
    /// A check on packets that can serve as prefilter.
    pub const PACKET_PREFILTER: Self = Self { packet: true, prefilter: true, ..Self::NONE };
    /// Names a buffer.
    pub const STICKY: Self = Self { sticky: true, ..Self::NONE };
    /// A transform.
    pub const TRANSFORM: Self = Self { transform: true, ..Self::NONE };

    /// Also allowed in firewall rules.
    #[must_use]
    pub const fn firewall(mut self) -> Self {
        self.firewall = true;
        self
    }

    /// Can also serve as prefilter.
    #[must_use]
    pub const fn prefilter(mut self) -> Self {
        self.prefilter = true;
        self
    }
}

/// What a keyword's `setup` is given.
#[derive(Clone, Copy, Debug)]
pub struct OptionText<'t> {
    /// Name as written.
    pub name: &'t str,
    /// Value without blanks around it, without quotes and without the `!`; empty when none.
    pub value: &'t str,
    /// A `!` stood before the value (only for keywords with `negatable`).
    pub negated: bool,
    /// Place of the whole option.
    pub span: Span,
    /// Place of the value.
    pub value_span: Span,
}

/// Reads the value of an option into the rule.
pub type Setup = fn(&mut Builder<'_>, &OptionText<'_>) -> Result<()>;

/// A keyword.
#[derive(Clone, Copy, Debug)]
pub struct Keyword {
    /// Its name.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// One line for the documentation.
    pub doc: &'static str,
    /// Component that Suricata 8 names in messages, e.g. `detect-within`.
    pub module: &'static str,
    /// Whether it takes a value.
    pub value: ValueRule,
    /// Whether the value is quoted.
    pub quotes: QuoteRule,
    /// Whether `!` may stand before the value.
    pub negatable: bool,
    /// Properties.
    pub features: Features,
    /// The reader of the value.
    pub setup: Setup,
}

impl Keyword {
    /// `keyword:value;` without quotes and negation.
    pub const fn new(name: &'static str, module: &'static str, setup: Setup) -> Self {
        Self {
            name,
            aliases: &[],
            doc: "",
            module,
            value: ValueRule::Required,
            quotes: QuoteRule::Forbidden,
            negatable: false,
            features: Features::NONE,
            setup,
        }
    }

    /// With other names.
    #[must_use]
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// With its line of documentation.
    #[must_use]
    pub const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    /// Without value.
    #[must_use]
    pub const fn no_value(mut self) -> Self {
        self.value = ValueRule::None;
        self
    }

    /// With or without value.
    #[must_use]
    pub const fn optional_value(mut self) -> Self {
        self.value = ValueRule::Optional;
        self
    }

    /// Value in quotes.
    #[must_use]
    pub const fn quoted(mut self) -> Self {
        self.quotes = QuoteRule::Required;
        self
    }

    /// Value in quotes or not.
    #[must_use]
    pub const fn quotes_optional(mut self) -> Self {
        self.quotes = QuoteRule::Optional;
        self
    }

    /// `!` allowed.
    #[must_use]
    pub const fn negatable(mut self) -> Self {
        self.negatable = true;
        self
    }

    /// With properties.
    #[must_use]
    pub const fn features(mut self, features: Features) -> Self {
        self.features = features;
        self
    }
}
