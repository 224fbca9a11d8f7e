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

impl Records {
    /// Order key of records that come after all others; equal ones are sorted by their bytes.
    pub const LAST: u64 = u64::MAX;
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

    /// Moves the records to `target`, sorted by their bytes and marked to come last.
    pub(crate) fn move_sorted(&mut self, target: &mut Self) {
        for (from, to) in self.outputs.iter_mut().zip(&mut target.outputs) {
            let mut start = 0;
            let mut lines = Vec::with_capacity(from.marks.len());
            for (_, end) in &from.marks {
                lines.push(from.bytes.get(start..*end).unwrap_or_default());
                start = *end;
            }
            lines.sort_unstable();
            for line in lines {
                to.bytes.extend_from_slice(line);
                to.marks.push((Records::LAST, to.bytes.len()));
                to.count += 1;
            }
            *from = Records::default();
        }
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
