//! What a detector hands out: records as bytes, one buffer per output, and bytes of files.

/// Records for all outputs.
#[derive(Debug, Default)]
pub struct Events {
    /// One buffer per output of the settings, in their order.
    pub outputs: Vec<Records>,
    /// Bytes of files that are to be stored.
    pub files: Vec<FileEvent>,
}

/// Records for one output.
#[derive(Debug, Default)]
pub struct Records {
    /// The records, each with its line end.
    pub bytes: Vec<u8>,
    /// With `ordered`: for each record its order key and where it ends in `bytes`.
    pub marks: Vec<(u64, usize)>,
    /// How many there are.
    pub count: u64,
}

/// Something about a file that is to be stored.
#[derive(Debug, Clone)]
pub enum FileEvent {
    /// More bytes of file `id` (numbered from 1 by each detector).
    Data {
        /// Number of the file.
        id: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// File `id` is complete, or will not go on.
    Close {
        /// Number of the file.
        id: u64,
        /// Its SHA-256 over the bytes handed out.
        sha256: Option<[u8; 32]>,
        /// Time of the packet that ended it, whole seconds.
        seconds: u64,
        /// The `fileinfo` record without line end, when `write-fileinfo` is on.
        record: Vec<u8>,
    },
}

impl Events {
    /// With buffers for `count` outputs.
    pub fn new(count: usize) -> Self {
        Self { outputs: (0..count).map(|_| Records::default()).collect(), files: Vec::new() }
    }

    /// Empties all buffers and keeps their memory.
    pub fn clear(&mut self) {
        for records in &mut self.outputs {
            records.bytes.clear();
            records.marks.clear();
            records.count = 0;
        }
        self.files.clear();
    }
}
