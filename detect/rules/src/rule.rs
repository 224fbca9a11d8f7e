//! A rule after parsing: header, what it asks of packets, streams and transactions.

use decode::Direction;
use protocol::{AppProto, BufferId, NumberId};

use crate::address::AddressSet;
use crate::error::Span;
use crate::keyword::{Bit, Check, TxCheck};
use crate::port::PortSet;
use crate::threshold::Threshold;

/// What a rule does when it matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// An event only.
    #[default]
    Alert,
    /// No further rules.
    Pass,
    /// Drop when inline.
    Drop,
    /// Reject the sender.
    Reject,
    /// Reject the receiver.
    RejectDst,
    /// Reject both.
    RejectBoth,
    /// Changes logging or tracking.
    Config,
}

/// How far `pass` and `drop` reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionScope {
    /// This packet.
    Packet,
    /// The rest of the flow.
    Flow,
}

/// Direction sign of the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuleDirection {
    /// `->`
    #[default]
    Forward,
    /// `<>`
    Both,
    /// `=>`: parts from both directions of one transaction.
    Transactional,
}

/// Protocol of the header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderProto {
    /// Text in the rule, lower case, without hook.
    pub name: String,
    /// IP protocols that match, as a bit set of 256 bits; all zero: any.
    pub ip_protocols: [u64; 4],
    /// 4 or 6: only that version.
    pub ip_version: Option<u8>,
    /// `tcp-pkt`: single packets only.
    pub packet_only: bool,
    /// `tcp-stream`: reassembled data only.
    pub stream_only: bool,
    /// `pkthdr`: packets of any decoding state.
    pub packet_header: bool,
    /// `ether` or `arp`: ethertype that must be there (0: any frame).
    pub ethertype: Option<u16>,
    /// Application protocols, any of which the flow must have; empty: no such demand.
    pub app: Vec<AppProto>,
    /// `tcp:flow_start`: the first packet of a flow only.
    pub flow_start: bool,
    /// Hook after a colon: direction and progress of the transaction.
    pub hook: Option<(Direction, u8)>,
}

/// Where a list of content options looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Packet payload or reassembled stream.
    Payload,
    /// A buffer of a transaction.
    Buffer(BufferId),
    /// A buffer of packet headers or addresses: `tcp.hdr`, `ip.src`, ... (id of `keyword::header`).
    Header(u8),
    /// A frame of a protocol's records, e.g. `frame:tls.pdu` (index in the rule's frame names).
    Frame(u16),
}

/// A transform between a buffer and its contents.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Transform {
    /// Prepends a dot.
    Dotprefix,
    /// Removes all white space.
    StripWhitespace,
    /// Runs of white space become one blank.
    CompressWhitespace,
    /// ASCII lower case.
    ToLowercase,
    /// ASCII upper case.
    ToUppercase,
    /// MD5, raw.
    ToMd5,
    /// SHA-1, raw.
    ToSha1,
    /// SHA-256, raw.
    ToSha256,
    /// `%HH` and `+` decoded.
    UrlDecode,
    /// XOR with a key.
    Xor(Vec<u8>),
    /// First capture of an expression.
    Pcre(String),
    /// Header names in lower case.
    HeaderLowercase,
    /// Lines of pseudo headers removed.
    StripPseudoHeaders,
    /// Base64 decoded: bytes (0: all), offset, mode (`rfc4648`, `rfc2045`, `strict`).
    FromBase64 {
        /// How many bytes of the input, 0: all.
        bytes: u32,
        /// From which byte on.
        offset: u32,
        /// 0 rfc4648, 1 rfc2045, 2 strict.
        mode: u8,
    },
    /// Registered domain of a name.
    Domain,
    /// Public suffix of a name.
    Tld,
    /// Gzip inflated, at most so many bytes.
    Gunzip(u32),
    /// Zlib inflated, at most so many bytes.
    ZlibDeflate(u32),
}

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

/// Where a list of contents looks, with transforms.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Buffer.
    pub place: Place,
    /// Transforms, left to right.
    pub transforms: Vec<Transform>,
    /// Direction: the only one that it can have, or the one that was written after the name.
    pub direction: Option<Direction>,
}

/// All options on one naming of a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferMatch {
    /// Where.
    pub target: Target,
    /// What, in rule order.
    pub ops: Vec<ContentOp>,
}

/// `flow`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowSpec {
    /// Only this direction.
    pub direction: Option<Direction>,
    /// `established`
    pub established: bool,
    /// `not_established`
    pub not_established: bool,
    /// `stateless`
    pub stateless: bool,
    /// `only_stream`
    pub only_stream: bool,
    /// `no_stream`
    pub no_stream: bool,
    /// `only_frag`
    pub only_frag: bool,
    /// `no_frag`
    pub no_frag: bool,
}

/// When a rule runs; names as in Suricata 8's engine analysis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RuleClass {
    /// Addresses only, first packet of each direction of a flow.
    IpOnly,
    /// Addresses only, with a negated address: every packet.
    LikeIpOnly,
    /// `app-layer-protocol` only.
    PdOnly,
    /// Decoder events only.
    DeOnly,
    /// Every packet.
    #[default]
    Packet,
    /// Packet and stream.
    PacketStream,
    /// Stream.
    Stream,
    /// Every packet of flows of a protocol.
    AppLayer,
    /// Transactions.
    AppTx,
}

/// Which content the prefilter searches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastPattern {
    /// Index in [`Rule::buffers`].
    pub buffer: u16,
    /// Index in its `ops` (a [`ContentOp::Content`]).
    pub op: u16,
    /// Slice of the content: offset and length.
    pub offset: u16,
    /// Length of the slice.
    pub len: u16,
}

/// `target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttackTarget {
    /// The packet's source.
    Src,
    /// The packet's destination.
    Dst,
}

/// `filestore`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileStore {
    /// Direction named, if any: to server, to client.
    pub directions: [bool; 2],
    /// 0 the matching file, 1 the transaction, 2 the flow.
    pub scope: u8,
}

/// `tag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Host instead of session.
    pub host: bool,
    /// How many.
    pub count: u32,
    /// 0 packets, 1 seconds, 2 bytes.
    pub unit: u8,
    /// For hosts: the destination instead of the source.
    pub dst: bool,
}

/// `config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigSpec {
    /// `tracking` instead of `logging`.
    pub tracking: bool,
    /// `type`/`scope`: flow instead of transaction.
    pub flow: bool,
}

/// A rule.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// What it does.
    pub action: Action,
    /// `pass:packet`, `drop:flow`: as written.
    pub written_scope: Option<ActionScope>,
    /// Protocol.
    pub protocol: HeaderProto,
    /// Source addresses.
    pub src: AddressSet,
    /// Source ports.
    pub src_ports: PortSet,
    /// Direction sign.
    pub direction: RuleDirection,
    /// Destination addresses.
    pub dst: AddressSet,
    /// Destination ports.
    pub dst_ports: PortSet,
    /// `sid`
    pub sid: u32,
    /// `gid`
    pub gid: u32,
    /// `rev`
    pub rev: u32,
    /// `msg`
    pub msg: String,
    /// Text of the class.
    pub category: String,
    /// Priority, 1 highest.
    pub priority: u32,
    /// `reference`: scheme and value.
    pub references: Vec<(String, String)>,
    /// `metadata`: key and value.
    pub metadata: Vec<(String, String)>,
    /// `target`
    pub target: Option<AttackTarget>,
    /// `noalert`; `alert` takes it back.
    pub noalert: bool,
    /// The keyword `alert` stands in a `pass` rule.
    pub alert_anyway: bool,
    /// `flow`
    pub flow: FlowSpec,
    /// Content lists in rule order, one per naming of a buffer.
    pub buffers: Vec<BufferMatch>,
    /// Checks on packet and flow, in rule order.
    pub checks: Vec<Check>,
    /// Checks on transactions: numbers and keywords of protocols with a syntax of their own.
    pub tx_checks: Vec<TxCheck>,
    /// Bits and integers: conditions and what to do after a match, in rule order.
    pub bits: Vec<Bit>,
    /// `threshold` or `detection_filter`
    pub threshold: Option<Threshold>,
    /// More of them, which Suricata 8 lets pass behind a sticky buffer; all apply.
    pub further_thresholds: Vec<Threshold>,
    /// Sets that the contents use.
    pub datasets: Vec<Dataset>,
    /// `filestore`
    pub filestore: Option<FileStore>,
    /// `tls_store`
    pub tls_store: bool,
    /// `tag`
    pub tag: Option<Tag>,
    /// `bypass`
    pub bypass: bool,
    /// `config`
    pub config: Option<ConfigSpec>,
    /// Names of the variables of `byte_extract` and `byte_math`.
    pub variables: Vec<String>,
    /// Names of frames (`frame:`).
    pub frames: Vec<String>,
    /// The application protocols that header and buffers leave; empty: any or none.
    pub app: Vec<AppProto>,
    /// When it runs.
    pub class: RuleClass,
    /// What the prefilter looks for.
    pub fast_pattern: Option<FastPattern>,
    /// `prefilter` was given: the check it marks.
    pub prefilter: bool,
    /// File it came from.
    pub file: std::sync::Arc<str>,
    /// Line (last physical line of a joined one), from 1.
    pub line: u32,
    /// Its text.
    pub text: String,
    /// Place of the header in the text.
    pub header_span: Span,
}

/// A comparison of a number of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberCheck {
    /// Which number.
    pub number: NumberId,
    /// Comparison.
    pub compare: Compare,
    /// Direction, if only one.
    pub direction: Option<Direction>,
}
