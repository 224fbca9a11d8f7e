//! Files that protocols carry: state, hashes, the window rules look at, bytes to be stored.

pub mod digest;
pub mod magic;
pub mod range;
pub mod track;

use crate::app::AppProto;
use crate::buffer::{BufferId, BufferSpec};

pub use track::{File, FileSettings, FileState};

/// Family of the buffers.
pub const FAMILY: u8 = 3;

/// Protocols that carry files.
pub const PROTOCOLS: &[AppProto] = &[
    AppProto::Http1,
    AppProto::Http2,
    AppProto::Smtp,
    AppProto::FtpData,
    AppProto::Smb,
    AppProto::Nfs,
];

/// Contents of files.
pub const FILE_DATA: BufferId = BufferId::new(FAMILY, 0);
/// Names of files.
pub const FILE_NAME: BufferId = BufferId::new(FAMILY, 1);
/// Types of files, in words.
pub const FILE_MAGIC: BufferId = BufferId::new(FAMILY, 2);

const fn spec(
    id: BufferId,
    name: &'static str,
    aliases: &'static [&'static str],
    streaming: bool,
    doc: &'static str,
) -> BufferSpec {
    BufferSpec {
        id,
        name,
        aliases,
        modifier: "",
        pcre_letter: '\0',
        protocols: PROTOCOLS,
        to_server: Some(0),
        to_client: Some(0),
        multi: true,
        streaming,
        priority: 2,
        doc,
    }
}

/// Buffers that every protocol with files has; they are answered from [`File`]s.
pub const BUFFERS: &[BufferSpec] = &[
    spec(FILE_DATA, "file.data", &["file_data"], true, "contents of files"),
    spec(FILE_NAME, "file.name", &[], true, "names of files"),
    spec(FILE_MAGIC, "file.magic", &[], true, "types of files"),
];
