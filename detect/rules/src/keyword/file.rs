//! `filesize`, `filename`, `fileext`, `filemagic`, `filemd5` and its kind.

use decode::Direction;
use protocol::AppProto;

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::{FileHash, TxCheck, content, integer};
use crate::rule::{Content, ContentOp};

/// Protocols that carry files.
pub(crate) const PROTOCOLS: &[AppProto] = &[
    AppProto::Http1,
    AppProto::Http2,
    AppProto::Smtp,
    AppProto::FtpData,
    AppProto::Ftp,
    AppProto::Smb,
    AppProto::Nfs,
];

pub(crate) const FILESIZE: Keyword = Keyword::new("filesize", "detect-filesize", filesize)
    .doc("size of a file")
    .features(Features { directed: true, ..Features::NONE });
pub(crate) const FILENAME: Keyword = Keyword::new("filename", "detect-filename", filename)
    .doc("name of a file")
    .quotes_optional()
    .negatable();
pub(crate) const FILEEXT: Keyword = Keyword::new("fileext", "detect-fileext", fileext)
    .doc("extension of a file's name")
    .quotes_optional()
    .negatable();
pub(crate) const FILEMAGIC: Keyword = Keyword::new("filemagic", "detect-filemagic", filemagic)
    .doc("what libmagic says of a file")
    .quoted()
    .negatable();
pub(crate) const FILEMD5: Keyword = Keyword::new("filemd5", "detect-filemd5", filemd5)
    .doc("MD5 of a file is in a list")
    .negatable();
pub(crate) const FILESHA1: Keyword = Keyword::new("filesha1", "detect-filesha1", filesha1)
    .doc("SHA-1 of a file is in a list")
    .negatable();
pub(crate) const FILESHA256: Keyword = Keyword::new("filesha256", "detect-filesha256", filesha256)
    .doc("SHA-256 of a file is in a list")
    .negatable();

fn filesize(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let (direction, value) = direction(option.value);
    let compare = integer::compare(value, 64, &[])?;
    builder.facts.files = true;
    builder.note_direction(direction);
    builder.push_tx_check(TxCheck::FileSize { compare, direction }, PROTOCOLS)
}

/// A direction before the value, for `=>` rules: `to_client, <100`.
pub(crate) fn direction(value: &str) -> (Option<Direction>, &str) {
    for (word, direction) in
        [("to_server", Direction::ToServer), ("to_client", Direction::ToClient)]
    {
        if let Some(rest) = value.strip_prefix(word) {
            let rest = rest.trim_start();
            return (Some(direction), rest.strip_prefix(',').unwrap_or(rest).trim_start());
        }
    }
    (None, value)
}

fn filename(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let mut content = bytes(option)?;
    content.nocase = true;
    content.bytes.make_ascii_lowercase();
    on_buffer(builder, "file.name", content, "filename")
}

fn fileext(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let mut content = bytes(option)?;
    content.bytes.insert(0, b'.');
    content.bytes.make_ascii_lowercase();
    content.nocase = true;
    content.endswith = true;
    on_buffer(builder, "file.name", content, "fileext")
}

fn filemagic(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let mut content = bytes(option)?;
    content.nocase = true;
    content.bytes.make_ascii_lowercase();
    on_buffer(builder, "file.magic", content, "filemagic")
}

fn bytes(option: &OptionText<'_>) -> Result<Content> {
    let bytes = content::pattern(option.value, "file keyword")?;
    Ok(Content { bytes, negated: option.negated, ..Content::default() })
}

/// The old keywords are contents of the buffers that came after them.
fn on_buffer(
    builder: &mut Builder<'_>,
    buffer: &str,
    content: Content,
    keyword: &str,
) -> Result<()> {
    let Some(spec) = builder.catalogue().sticky(buffer) else {
        return refuse(format!("keyword {keyword} is not supported"));
    };
    builder.facts.files = true;
    builder.push_op_to(spec, ContentOp::Content(content))
}

fn filemd5(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    hash(builder, option, FileHash::Md5)
}

fn filesha1(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    hash(builder, option, FileHash::Sha1)
}

fn filesha256(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    hash(builder, option, FileHash::Sha256)
}

fn hash(builder: &mut Builder<'_>, option: &OptionText<'_>, hash: FileHash) -> Result<()> {
    let (direction, list) = direction(option.value);
    if list.is_empty() {
        return Err(RuleError::new(format!("{} without a file of digests", option.name)));
    }
    builder.facts.files = true;
    builder.note_direction(direction);
    let check =
        TxCheck::FileHash { hash, negated: option.negated, list: list.to_owned(), direction };
    builder.push_tx_check(check, PROTOCOLS)
}
