//! Options on contents: what one naming of a buffer asks of its bytes, after parsing.

/// A value that is known at load or taken from the bytes by an earlier option of the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A number.
    Value(i64),
    /// Variable number n of the rule (see [`Rule::variables`]).
    Variable(u8),
}

/// Order of bytes in a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ByteOrder {
    /// Most significant first.
    #[default]
    Big,
    /// Least significant first.
    Little,
    /// As the DCE RPC header says.
    Dce,
}

/// A `content` with its modifiers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The bytes; lower case when `nocase`.
    pub bytes: Vec<u8>,
    /// Case does not matter.
    pub nocase: bool,
    /// `!`
    pub negated: bool,
    /// First byte of the window.
    pub offset: Option<Operand>,
    /// Length of the window from the offset.
    pub depth: Option<Operand>,
    /// Distance from the previous match.
    pub distance: Option<Operand>,
    /// Window from the previous match.
    pub within: Option<Operand>,
    /// `startswith` was given (`offset` 0 and `depth` are set as well).
    pub startswith: bool,
    /// Must end at the end of the buffer.
    pub endswith: bool,
    /// `fast_pattern` was given; offset and length of the slice, if any.
    pub fast_pattern: Option<Option<(u16, u16)>>,
    /// The engine may skip checking it again after the prefilter (it decides).
    pub replace: Option<Vec<u8>>,
}

impl Content {
    /// True with `distance` or `within`.
    pub const fn is_relative(&self) -> bool {
        self.distance.is_some() || self.within.is_some()
    }
}

/// Number base of a number in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StringBase {
    /// Octal.
    Oct,
    /// Decimal.
    Dec,
    /// Hexadecimal.
    Hex,
}

/// How a number is taken from bytes: common part of the `byte_*` options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extract {
    /// How many bytes.
    pub bytes: Operand,
    /// From where.
    pub offset: Operand,
    /// Counted from the last match.
    pub relative: bool,
    /// Order of bytes.
    pub order: ByteOrder,
    /// The bytes are digits.
    pub string: Option<StringBase>,
    /// Mask; the result is shifted right by the mask's trailing zeros.
    pub mask: Option<u64>,
}

/// Comparison in `byte_test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteTestOp {
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `=`
    Equal,
    /// `<=`
    LessEqual,
    /// `>=`
    GreaterEqual,
    /// `&`: common bits.
    And,
    /// `^`: differing bits.
    Xor,
}

/// Calculation in `byte_math`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MathOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
}

/// A comparison of integers with Suricata 8's syntax (`<n`, `>n`, `a-b`, `!n`, masks...).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `n`
    Equal(u64),
    /// `!n`
    NotEqual(u64),
    /// `<n`
    Less(u64),
    /// `<=n`
    LessEqual(u64),
    /// `>n`
    Greater(u64),
    /// `>=n`
    GreaterEqual(u64),
    /// `a<>b`: between, both bounds excluded.
    Range(u64, u64),
    /// `!a-b`
    NotRange(u64, u64),
    /// `&mask=value`
    Mask(u64, u64),
    /// `&mask!=value`
    NotMask(u64, u64),
}

impl Compare {
    /// Whether `value` satisfies it.
    pub const fn matches(&self, value: u64) -> bool {
        match *self {
            Self::Equal(n) => value == n,
            Self::NotEqual(n) => value != n,
            Self::Less(n) => value < n,
            Self::LessEqual(n) => value <= n,
            Self::Greater(n) => value > n,
            Self::GreaterEqual(n) => value >= n,
            Self::Range(a, b) => value > a && value < b,
            Self::NotRange(a, b) => value <= a || value >= b,
            Self::Mask(mask, n) => value & mask == n,
            Self::NotMask(mask, n) => value & mask != n,
        }
    }
}

/// Where a captured group of an expression goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capture {
    /// A variable of the flow.
    Flow(String),
    /// A variable of the packet.
    Packet(String),
    /// A packet variable whose name is the text of this group and whose value is the next group's.
    PacketKey,
    /// The value that belongs to the `PacketKey` before.
    PacketValue,
    /// A member of `alert.context`.
    Alert(String),
}

/// A regular expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pcre {
    /// The expression between the slashes.
    pub pattern: Vec<u8>,
    /// `!`
    pub negated: bool,
    /// `i`
    pub caseless: bool,
    /// `s`
    pub dotall: bool,
    /// `m`
    pub multiline: bool,
    /// `x`
    pub extended: bool,
    /// `A`
    pub anchored: bool,
    /// `E`
    pub dollar_end_only: bool,
    /// `G`
    pub ungreedy: bool,
    /// `O`: the configured limits instead of the built-in ones.
    pub configured_limits: bool,
    /// `R`: from the last match on.
    pub relative: bool,
    /// Where captures go, in group order.
    pub captures: Vec<Capture>,
}

/// Command of `dataset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatasetCommand {
    /// Add; matches when it was not there.
    Set,
    /// Remove; matches when it was there.
    Unset,
    /// Is there.
    IsSet,
    /// Is not there.
    IsNotSet,
}

/// Type of the values of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatasetType {
    /// Text, base64 in files.
    String,
    /// MD5.
    Md5,
    /// SHA-256.
    Sha256,
    /// IPv4 addresses.
    Ipv4,
    /// Addresses of both versions.
    Ip,
}

impl DatasetType {
    /// The type that a word stands for.
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "string" => Self::String,
            "md5" => Self::Md5,
            "sha256" => Self::Sha256,
            "ipv4" => Self::Ipv4,
            "ip" | "ipv6" => Self::Ip,
            _ => return None,
        })
    }
}

/// Form of the file of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatasetFormat {
    /// One value a line.
    #[default]
    Csv,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Ndjson,
}

/// `dataset` or `datarep`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// What to do; for `datarep` [`DatasetCommand::IsSet`] with `reputation`.
    pub command: DatasetCommand,
    /// Name of the set.
    pub name: String,
    /// Type, when the rule says.
    pub kind: Option<DatasetType>,
    /// `load`
    pub load: Option<String>,
    /// `state`
    pub state: Option<String>,
    /// `save`
    pub save: Option<String>,
    /// `memcap`, bytes.
    pub memcap: Option<u64>,
    /// `hashsize`
    pub hashsize: Option<u32>,
    /// Comparison of `datarep`.
    pub reputation: Option<Compare>,
    /// `format`
    pub format: DatasetFormat,
    /// `value_key`
    pub value_key: Option<String>,
    /// `context_key`
    pub context_key: Option<String>,
    /// `array_key`
    pub array_key: Option<String>,
    /// `remove_key`
    pub remove_key: bool,
}

impl Dataset {
    /// A set of which only the name is known.
    pub fn new(name: impl Into<String>, command: DatasetCommand) -> Self {
        Self {
            command,
            name: name.into(),
            kind: None,
            load: None,
            state: None,
            save: None,
            memcap: None,
            hashsize: None,
            reputation: None,
            format: DatasetFormat::default(),
            value_key: None,
            context_key: None,
            array_key: None,
            remove_key: false,
        }
    }
}

/// One option on a list of contents, in rule order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentOp {
    /// `content`
    Content(Content),
    /// `pcre`
    Pcre(Box<Pcre>),
    /// `isdataat`
    IsDataAt {
        /// Position.
        at: Operand,
        /// From the last match.
        relative: bool,
        /// `!`
        negated: bool,
    },
    /// `bsize`, and `dsize` where it bounds a buffer.
    Size(Compare),
    /// `byte_test`
    ByteTest {
        /// The number.
        extract: Extract,
        /// `!`
        negated: bool,
        /// Comparison.
        op: ByteTestOp,
        /// With what.
        value: Operand,
    },
    /// `byte_jump`
    ByteJump {
        /// The number.
        extract: Extract,
        /// Factor.
        multiplier: u32,
        /// Round up to a multiple of 4.
        align: bool,
        /// 0 from behind the number, 1 from the beginning, 2 from the end.
        from: u8,
        /// Added at the end.
        post_offset: Operand,
    },
    /// `byte_extract`
    ByteExtract {
        /// The number.
        extract: Extract,
        /// Factor.
        multiplier: u32,
        /// Round up to a multiple of 2 or 4; 0: no.
        align: u8,
        /// Variable that takes it.
        variable: u8,
    },
    /// `byte_math`
    ByteMath {
        /// The number.
        extract: Extract,
        /// Calculation.
        op: MathOp,
        /// Second operand.
        value: Operand,
        /// Variable that takes the result.
        variable: u8,
    },
    /// `base64_decode`: what follows in `then` looks at the decoded bytes.
    Base64Decode {
        /// How many bytes of text at most, 0: all.
        bytes: u32,
        /// From where.
        offset: u32,
        /// From the last match.
        relative: bool,
    },
    /// The options after `base64_data`.
    Base64Data(Vec<ContentOp>),
    /// `dataset`, `datarep`: number in [`Rule::datasets`].
    Dataset(u16),
    /// `absent`: true alone, or with `or_else`.
    Absent {
        /// The other options may hold instead.
        or_else: bool,
    },
    /// `asn1`
    Asn1(crate::keyword::asn1::Asn1),
    /// `rpc`
    Rpc(crate::keyword::rpc::Rpc),
    /// `urilen` and other bounds on a buffer's length go by [`ContentOp::Size`]; `entropy`:
    /// minimal and maximal entropy in thousandths.
    Entropy(crate::keyword::entropy::Entropy),
}
