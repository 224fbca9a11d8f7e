//! Records of files.

use decode::Direction;
use json::Writer;
use protocol::file::{File, FileState};
use protocol::registry::AnyParser;
use protocol::{LogOptions, Parser};

use crate::event::envelope::{self, Endpoints, Envelope};
use crate::event::xff;
use crate::settings::{EveSettings, FilesSettings};

/// Which file of which transaction.
pub struct FileRecord<'a> {
    /// Parser.
    pub parser: &'a AnyParser,
    /// Transaction.
    pub tx: u64,
    /// Direction of the data.
    pub direction: Direction,
    /// The file.
    pub file: &'a File,
}

/// Writes the record of a file.
pub fn write(
    out: &mut Writer<'_>,
    eve: &EveSettings,
    options: &FilesSettings,
    head: &Envelope<'_>,
    r: &FileRecord<'_>,
) {
    let Some(flow) = head.flow else { return };
    let mut ends = Endpoints::of_flow(flow, r.direction);
    let xff = options
        .xff
        .as_ref()
        .or(eve.xff.as_ref())
        .and_then(|settings| Some((settings, xff::find(settings, r.parser, Some(r.tx))?)));
    if let Some((settings, address)) = &xff
        && settings.overwrite
    {
        match r.direction {
            Direction::ToServer => ends.src = *address,
            Direction::ToClient => ends.dst = *address,
        }
    }
    let head = Envelope { endpoints: Some(ends), tx_id: None, ..*head };
    envelope::open(out, eve, "fileinfo", &head);
    let log = LogOptions { extended: true, version: 3, embedded: true, ..LogOptions::default() };
    r.parser.log(r.tx, &log, out);
    out.field_str("app_proto", flow.extension.session.proto().name());
    out.key("fileinfo");
    object(out, r.file, r.tx);
    if let Some((settings, address)) = xff
        && !settings.overwrite
    {
        envelope::address(out, "xff", address, false);
    }
    envelope::close(out, eve, head.input);
}

/// Writes `files` of an alert: those of the transaction in the alert's direction.
pub fn list(out: &mut Writer<'_>, parser: &AnyParser, tx: u64, direction: Direction) {
    let files = parser.files(tx, direction);
    if files.is_empty() {
        return;
    }
    out.key("files").open_array();
    for file in files {
        object(out, file, tx);
    }
    out.close_array();
}

fn object(out: &mut Writer<'_>, file: &File, tx: u64) {
    out.open();
    if let Some(name) = &file.name {
        out.field_text("filename", name);
    }
    if !file.sids.is_empty() {
        out.key("sid").open_array();
        for sid in &file.sids {
            out.u64(u64::from(*sid));
        }
        out.close_array();
    }
    out.field_bool("gaps", file.gaps);
    out.field_str("state", file.state.name());
    let hashes = file.hashes();
    if let Some(md5) = hashes.md5 {
        out.key("md5").hexadecimal(&md5);
    }
    if let Some(sha1) = hashes.sha1 {
        out.key("sha1").hexadecimal(&sha1);
    }
    if let Some(sha256) = hashes.sha256 {
        out.key("sha256").hexadecimal(&sha256);
    }
    if file.stored {
        out.field_bool("stored", true);
        out.field_u64("file_id", file.id);
    } else {
        out.field_bool("stored", false);
        if file.store && file.state == FileState::Open {
            out.field_bool("storing", true);
        }
    }
    out.field_u64("size", file.size);
    if let Some((start, end)) = file.range.filter(|r| r.1 > 0) {
        out.field_u64("start", start);
        out.field_u64("end", end);
    }
    out.field_u64("tx_id", tx);
    out.close();
}
