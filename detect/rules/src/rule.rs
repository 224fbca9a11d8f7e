//! A rule after parsing: header, what it asks of packets, streams and transactions.

use decode::Direction;
use protocol::{AppProto, BufferId, NumberId, registry};

pub use crate::option::{
    ByteOrder, ByteTestOp, Capture, Compare, Content, ContentOp, Dataset, DatasetCommand,
    DatasetFormat, DatasetType, Extract, MathOp, Operand, Pcre, StringBase,
};

use smallvec::SmallVec;

use crate::address::AddressSet;
use crate::error::Span;
use crate::keyword::{Bit, Check, TxCheck};
use crate::port::PortSet;
use crate::text::RuleText;
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
    /// Places of the values of `metadata` in the text: see [`Rule::metadata`].
    pub metadata_spans: SmallVec<[Span; 1]>,
    /// `target`
    pub target: Option<AttackTarget>,
    /// `noalert`; `alert` takes it back.
    pub noalert: bool,
    /// The keyword `alert` stands in a `pass` rule.
    pub alert_anyway: bool,
    /// `flow`
    pub flow: FlowSpec,
    /// Content lists in rule order, one per naming of a buffer. The engine takes them: it runs
    /// what it makes of them, and rules are many.
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
    /// File it came from, when it was read; see [`Rule::line`].
    pub file: std::sync::Arc<str>,
    /// Line (last physical line of a joined one), from 1, when it was read; later loads that take it
    /// over may find it elsewhere.
    pub line: u32,
    /// Its text.
    pub text: RuleText,
    /// Place of the header in the text.
    pub header_span: Span,
    /// There was something to warn about when it was read.
    pub is_odd: bool,
}

impl Rule {
    /// Keys and values of `metadata`. A word without value is no pair; Suricata 8 leaves it out
    /// as well. They are read when asked for: most rules never alert.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = self.text.as_str();
        self.metadata_spans
            .iter()
            .filter_map(|span| text.get(span.start as usize..span.end as usize))
            .flat_map(|list| list.split(','))
            .filter_map(|part| part.trim_ascii().split_once(char::is_whitespace))
            .map(|(key, value)| (key, value.trim_ascii()))
    }

    /// The protocols without which it can't match, if this version has a parser for none of them:
    /// it asks for parts of their transactions, which nobody takes apart, so it never fires. Empty
    /// for all other rules.
    pub fn without_parser(&self) -> &[AppProto] {
        let is_parsed = |proto: &AppProto| registry::PARSED.contains(proto);
        match self.class == RuleClass::AppTx && !self.app.iter().any(is_parsed) {
            true => &self.app,
            false => &[],
        }
    }

    /// Gives back room that its lists reserved while they grew; there are many rules.
    pub(crate) fn shrink(&mut self) {
        self.buffers.shrink_to_fit();
        for list in &mut self.buffers {
            list.ops.shrink_to_fit();
        }
        self.references.shrink_to_fit();
        self.checks.shrink_to_fit();
        self.tx_checks.shrink_to_fit();
        self.bits.shrink_to_fit();
        self.app.shrink_to_fit();
        self.protocol.app.shrink_to_fit();
    }
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
