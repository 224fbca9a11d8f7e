//! One file within a transaction, from its first byte to its last.

use smallvec::SmallVec;

use crate::buffer::View;
use crate::file::digest::{Digests, FileHashes};

/// State of a file; `fileinfo.state` in EVE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileState {
    /// More may come.
    #[default]
    Open,
    /// Complete.
    Closed,
    /// Cut: a limit, a gap, or the flow ended.
    Truncated,
    /// Internal failure.
    Error,
}

impl FileState {
    /// The text in EVE.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "UNKNOWN",
            Self::Closed => "CLOSED",
            Self::Truncated => "TRUNCATED",
            Self::Error => "ERROR",
        }
    }
}

/// What is computed for files, and how much of one is held for rules.
#[derive(Clone, Copy, Debug)]
pub struct FileSettings {
    /// Compute MD5.
    pub md5: bool,
    /// Compute SHA-1.
    pub sha1: bool,
    /// Compute SHA-256.
    pub sha256: bool,
    /// Hold all bytes until they are taken to be stored (`force-filestore`).
    pub store: bool,
    /// Most bytes held while nobody inspects them.
    pub window: u32,
    /// Of those that were inspected, so many stay for inspection once more.
    pub overlap: u32,
    /// Somebody may ask for bytes after they were inspected, say to store them: they stay within
    /// the window.
    pub late_store: bool,
    /// Hold the first bytes for the type (`file.magic`).
    pub magic: bool,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self {
            md5: false,
            sha1: false,
            sha256: false,
            store: false,
            window: 128 * 1024,
            overlap: 128 * 1024,
            late_store: true,
            magic: true,
        }
    }
}

/// A file that a transaction carries.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Name as the protocol gives it; none: no `filename` key.
    pub name: Option<Vec<u8>>,
    /// State.
    pub state: FileState,
    /// Bytes seen, holes included.
    pub size: u64,
    /// A hole was met.
    pub gaps: bool,
    /// First and last byte of a range, when it is a part of a file.
    pub range: Option<(u64, u64)>,
    /// Its record was written.
    pub logged: bool,
    /// To be stored (a `filestore` rule matched, or `force-filestore`).
    pub store: bool,
    /// Stored completely.
    pub stored: bool,
    /// Number of the stored file, from 1; 0: none yet.
    pub id: u64,
    /// Rules that marked it to be stored.
    pub sids: SmallVec<[u32; 2]>,
    /// First bytes for the type (`filemagic`), at most 4096.
    head: Vec<u8>,
    digests: Digests,
    hashes: FileHashes,
    held: Vec<u8>,
    held_offset: u64,
    inspected: u64,
    taken: u64,
    window: u64,
    overlap: u64,
    late_store: bool,
    head_limit: u16,
    sha256_of_truncated: bool,
}

/// Bytes kept from the front of a file, for its type.
const HEAD_LIMIT: u16 = 4096;

/// Bytes that may wait to be stored; a file whose bytes nobody takes is not stored any further.
const UNSTORED_LIMIT: usize = 16 << 20;

impl File {
    /// Opens a file.
    pub fn open(name: Option<&[u8]>, settings: &FileSettings) -> Self {
        Self {
            name: name.map(<[u8]>::to_vec),
            digests: Digests::new(settings.md5, settings.sha1, settings.sha256 || settings.store),
            store: settings.store,
            window: u64::from(settings.window),
            overlap: match settings.late_store {
                true => settings.window.into(),
                false => settings.overlap.into(),
            },
            late_store: settings.late_store,
            head_limit: if settings.magic { HEAD_LIMIT } else { 0 },
            sha256_of_truncated: settings.store,
            ..Self::default()
        }
    }

    /// True until it is closed or cut.
    pub fn is_open(&self) -> bool {
        self.state == FileState::Open
    }

    /// More bytes.
    pub fn append(&mut self, bytes: &[u8]) {
        if !self.is_open() {
            return;
        }
        self.size += bytes.len() as u64;
        self.digests.update(bytes);
        let wanted = usize::from(self.head_limit).saturating_sub(self.head.len());
        if wanted > 0 {
            self.head.extend_from_slice(&bytes[..bytes.len().min(wanted)]);
        }
        if self.window > 0 || self.store {
            // There are many files at a time: doubling would waste too much.
            let room = self.held.capacity() - self.held.len();
            if room < bytes.len() {
                self.held.reserve_exact(bytes.len().max(self.held.len() / 4));
            }
            self.held.extend_from_slice(bytes);
            if self.held.len() > UNSTORED_LIMIT.saturating_add(self.window_len()) {
                self.store = false;
            }
            self.shrink();
        } else {
            self.held_offset += bytes.len() as u64;
        }
    }

    /// How many bytes are held.
    pub(crate) const fn held_len(&self) -> usize {
        self.held.len()
    }

    fn window_len(&self) -> usize {
        usize::try_from(self.window).unwrap_or(usize::MAX)
    }

    /// A hole: so many bytes are missing.
    pub fn gap(&mut self, len: u64) {
        if self.is_open() {
            self.gaps = true;
            self.size += len;
        }
    }

    /// Ends it: complete, or cut when a hole was met.
    pub fn close(&mut self) {
        self.finish(if self.gaps { FileState::Truncated } else { FileState::Closed });
    }

    /// Ends it before its end.
    pub fn truncate(&mut self) {
        self.finish(FileState::Truncated);
    }

    fn finish(&mut self, state: FileState) {
        if !self.is_open() {
            return;
        }
        self.state = state;
        let mut hashes = std::mem::take(&mut self.digests).finish();
        if state != FileState::Closed {
            hashes.md5 = None;
            hashes.sha1 = None;
            if !self.sha256_of_truncated {
                hashes.sha256 = None;
            }
        }
        self.hashes = hashes;
    }

    /// Hashes; none before the end.
    pub const fn hashes(&self) -> &FileHashes {
        &self.hashes
    }

    /// The first bytes, at most 4096.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The window that rules look at: what is held from `inspected − keep` on.
    ///
    /// Offsets count the bytes that came; holes have none.
    pub fn view(&self, keep: u64) -> View<'_> {
        let from = self.inspected.saturating_sub(keep).max(self.held_offset);
        let skip = usize::try_from(from - self.held_offset).unwrap_or(usize::MAX);
        View {
            bytes: self.held.get(skip..).unwrap_or(&[]),
            offset: from,
            end: self.state == FileState::Closed,
        }
    }

    /// Everything that is held has been looked at, except for the last `keep` bytes.
    pub fn mark_inspected(&mut self) {
        self.inspected = self.held_offset + self.held.len() as u64;
        if !self.is_open() && !self.store && !self.late_store {
            (self.held, self.held_offset) = (Vec::new(), self.inspected);
        }
        self.shrink();
    }

    /// Up to where rules have looked.
    pub const fn inspected(&self) -> u64 {
        self.inspected
    }

    /// Marks it to be stored from what is still held on.
    pub fn mark_store(&mut self, sid: Option<u32>) {
        if let Some(sid) = sid
            && self.sids.len() < 15
        {
            self.sids.push(sid);
        }
        if !self.store {
            self.store = true;
            self.sha256_of_truncated = true;
            self.taken = self.held_offset;
        }
    }

    /// Hands out the bytes that are to be stored and were not yet.
    pub fn take_unstored(&mut self, sink: &mut dyn FnMut(&[u8])) {
        let end = self.held_offset + self.held.len() as u64;
        let skip = usize::try_from(self.taken.saturating_sub(self.held_offset)).unwrap_or(0);
        if let Some(bytes) = self.held.get(skip..)
            && !bytes.is_empty()
        {
            sink(bytes);
        }
        self.taken = end;
        self.shrink();
    }

    /// Lets go of bytes that nobody will ask for again.
    fn shrink(&mut self) {
        let end = self.held_offset + self.held.len() as u64;
        let looked_at = self.inspected.saturating_sub(self.overlap);
        let mut from = end.saturating_sub(self.window).max(looked_at);
        if self.store {
            from = from.min(self.taken);
        }
        let drop = usize::try_from(from.saturating_sub(self.held_offset)).unwrap_or(0);
        // Move bytes only when it pays: at least half of what is held goes.
        if drop > 0 && drop * 2 >= self.held.len() {
            self.held.drain(..drop.min(self.held.len()));
            self.held_offset += drop as u64;
            if self.held.capacity() > 8 * self.held.len().max(1024) {
                self.held.shrink_to(2 * self.held.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{File, FileSettings, FileState, UNSTORED_LIMIT};

    fn open(store: bool, window: u32) -> File {
        File::open(Some(b"x"), &FileSettings { md5: true, store, window, ..Default::default() })
    }

    fn taken(file: &mut File) -> Vec<u8> {
        let mut all = Vec::new();
        file.take_unstored(&mut |bytes| all.extend_from_slice(bytes));
        all
    }

    #[test]
    fn states_and_hashes_at_the_end() {
        let check = |end: fn(&mut File), store, state, size, gaps, hashed: [bool; 2]| {
            let mut file = open(store, 100);
            file.append(b"abc");
            end(&mut file);
            file.append(b"ignored");
            assert_eq!((file.state, file.size, file.gaps), (state, size, gaps));
            let hashes = file.hashes();
            assert_eq!([hashes.md5.is_some(), hashes.sha256.is_some()], hashed);
        };
        check(File::close, false, FileState::Closed, 3, false, [true, false]);
        check(File::close, true, FileState::Closed, 3, false, [true, true]);
        check(File::truncate, false, FileState::Truncated, 3, false, [false, false]);
        check(File::truncate, true, FileState::Truncated, 3, false, [false, true]);
        let gap = |file: &mut File| {
            file.gap(5);
            file.close();
        };
        check(gap, true, FileState::Truncated, 8, true, [false, true]);
    }

    #[test]
    fn stored_bytes_are_handed_out_once() {
        let mut file = open(true, 4);
        file.append(b"abcdefgh");
        assert_eq!(taken(&mut file), b"abcdefgh");
        assert_eq!(taken(&mut file), b"");
        file.append(b"ij");
        file.close();
        assert_eq!(taken(&mut file), b"ij");
    }

    #[test]
    fn a_late_mark_stores_what_is_still_held() {
        let mut file = open(false, 4);
        file.append(b"abcdefgh");
        file.mark_store(Some(7));
        file.append(b"ij");
        assert_eq!(taken(&mut file), b"efghij");
        assert_eq!(file.sids.as_slice(), [7]);
        // Nothing was held: only what comes from now on.
        let mut file = open(false, 0);
        file.append(b"abc");
        file.mark_store(None);
        file.append(b"de");
        assert_eq!(file.view(0).offset, 3);
        assert_eq!(taken(&mut file), b"de");
    }

    #[test]
    fn the_window_slides_behind_inspection() {
        let mut file = open(false, 100);
        file.append(b"abcdef");
        assert_eq!(file.view(2).bytes, b"abcdef");
        file.mark_inspected();
        file.append(b"gh");
        let view = file.view(2);
        assert_eq!((view.bytes, view.offset, view.end), (b"efgh".as_slice(), 4, false));
        file.close();
        assert!(file.view(2).end);
    }

    #[test]
    fn what_was_inspected_goes_unless_it_may_be_stored() {
        for (late_store, held) in [(false, 10), (true, 100)] {
            let settings =
                FileSettings { window: 100, overlap: 10, late_store, ..Default::default() };
            let mut file = File::open(None, &settings);
            for _ in 0..30 {
                file.append(&[7; 10]);
                file.mark_inspected();
            }
            assert!((held..=2 * held + 10).contains(&file.held.len()), "{}", file.held.len());
            assert_eq!(file.view(10).bytes, [7; 10]);
        }
    }

    #[test]
    fn first_bytes_are_held_only_when_types_are_wanted() {
        for (magic, held) in [(false, 0), (true, 4096)] {
            let mut file = File::open(None, &FileSettings { magic, ..Default::default() });
            file.append(&[1; 3000]);
            file.append(&[2; 3000]);
            assert_eq!(file.head().len(), held);
        }
    }

    #[test]
    fn bytes_that_nobody_takes_are_limited() {
        let mut file = open(true, 10);
        let piece = vec![0; 1 << 20];
        for _ in 0..40 {
            file.append(&piece);
        }
        assert!(!file.store && file.held.len() <= UNSTORED_LIMIT);
    }
}
