//! An area: the memory of chunks that all queues of a NUMA node share.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::chunks::{Chunks, Frame};
use crate::error::Error;
use crate::geometry::Geometry;
use crate::mapping::{AreaMapping, Pages};
use crate::registry::Registry;

/// The kernel's smallest chunk (`XDP_UMEM_MIN_CHUNK_SIZE`).
const SMALLEST_CHUNK: u32 = 2048;
/// What the kernel keeps free in front of every packet (`XDP_PACKET_HEADROOM`).
const PACKET_HEADROOM: u32 = 256;
/// The kernel's largest chunk is a page; pages of this size are everywhere.
const PAGE: u64 = 4096;

/// Whether an area's memory shall be of reserved huge pages (`vm.nr_hugepages`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HugePages {
    /// Ordinary pages.
    Never,
    /// Huge pages if there are enough of them, otherwise ordinary ones.
    #[default]
    Try,
    /// Huge pages or an error.
    Require,
}

/// What an [`Area`] shall be.
#[derive(Clone, Debug)]
pub struct AreaSettings {
    /// How many chunks. Every queue needs as many as its fill and receive rings have slots, plus
    /// those that are under inspection at a time.
    pub chunks: u32,
    /// Bytes of a chunk: 2048 or 4096, with `unaligned` anything between. The kernel keeps 256 of
    /// them and the headroom for itself; a longer packet needs several chunks (multi-buffer).
    pub chunk_size: u32,
    /// Bytes in front of every packet for the program's own use.
    pub headroom: u32,
    /// Chunks of any size, which begin at any address.
    pub unaligned: bool,
    /// Whether to take huge pages.
    pub huge_pages: HugePages,
    /// The NUMA node that the memory shall be on.
    pub node: Option<u32>,
}

impl Default for AreaSettings {
    fn default() -> AreaSettings {
        AreaSettings {
            chunks: 8192,
            chunk_size: 2048,
            headroom: 0,
            unaligned: false,
            huge_pages: HugePages::default(),
            node: None,
        }
    }
}

/// Memory in chunks of one size, for packets: one per NUMA node serves all queues of all network
/// cards there. Clones stand for the same memory, which lasts as long as any of them or any
/// [`Queue`](crate::Queue) on it.
#[derive(Clone)]
pub struct Area(Arc<Inner>);

impl std::fmt::Debug for Area {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("Area");
        debug.field("chunks", &self.chunks()).field("chunk_size", &self.chunk_size());
        debug.field("huge", &self.0.huge).field("free", &self.free_chunks()).finish()
    }
}

impl Area {
    /// Maps the memory, all of it present from the start.
    pub fn new(settings: &AreaSettings) -> Result<Area, Error> {
        let (mapping, geometry, huge) = map(settings)?;
        let (chunks, free) = Chunks::new(mapping, geometry)
            .ok_or_else(|| Error::Settings("there were too many areas".into()))?;
        let returned = Vec::with_capacity(free.len());
        Ok(Area(Arc::new(Inner {
            chunks,
            headroom: settings.headroom,
            unaligned: settings.unaligned,
            huge,
            lists: Mutex::new(Lists { free, returned }),
            returned: AtomicUsize::new(0),
            registry: Mutex::default(),
        })))
    }

    /// The bytes of a frame of this area. A frame of another area is a mistake of the caller: it
    /// panics in debug builds and has no bytes otherwise.
    #[inline]
    pub fn bytes<'a>(&'a self, frame: &'a Frame) -> &'a [u8] {
        self.0.chunks.bytes(frame)
    }

    /// All bytes from where a frame begins to the end of its chunk, to write a packet to; then
    /// [`Area::set_len`] says how long it is. As for the frame's area, like [`Area::bytes`].
    #[inline]
    pub fn bytes_mut<'a>(&'a self, frame: &'a mut Frame) -> &'a mut [u8] {
        self.0.chunks.bytes_mut(frame)
    }

    /// Says how many bytes a frame holds. False, without effect, if its chunk has no room for so
    /// many or it is of another area.
    #[inline]
    pub fn set_len(&self, frame: &mut Frame, length: usize) -> bool {
        self.0.chunks.set_len(frame, length)
    }

    /// The `N` bytes in front of a packet, where an XDP program leaves its metadata; none if they
    /// would not be within the chunk. What is there without such a program is left over from
    /// earlier packets.
    #[inline]
    pub fn before<const N: usize>(&self, frame: &Frame) -> Option<[u8; N]> {
        self.0.chunks.before(frame)
    }

    /// The same, and leaves zeroes there, so that they cannot be taken for what belongs to the next
    /// packet in this chunk.
    #[inline]
    pub fn take_before<const N: usize>(&self, frame: &mut Frame) -> Option<[u8; N]> {
        self.0.chunks.take_before(frame)
    }

    /// Takes a frame back when there is no queue at hand to give it to. It takes a lock, so it is
    /// not for the path of every packet. A frame of another area comes back to the caller.
    pub fn give_back(&self, frame: Frame) -> Result<(), Frame> {
        if !self.0.chunks.owns(&frame) {
            return Err(frame);
        }
        self.0.put(std::iter::once(frame));
        Ok(())
    }

    /// Whether the memory is of reserved huge pages.
    pub fn has_huge_pages(&self) -> bool {
        self.0.huge
    }

    /// Why the memory could not be tied to the NUMA node that was asked for, if it could not: it
    /// lies where the kernel put it.
    pub fn node_error(&self) -> Option<&io::Error> {
        self.0.chunks.mapping().node_error()
    }

    /// Bytes of a chunk.
    pub fn chunk_size(&self) -> usize {
        self.0.chunks.geometry().chunk_size() as usize
    }

    /// How many chunks there are in all.
    pub fn chunks(&self) -> usize {
        self.0.chunks.geometry().chunks() as usize
    }

    /// How many chunks no queue and no frame has.
    pub fn free_chunks(&self) -> usize {
        let lists = self.0.lists();
        lists.free.len() + lists.returned.len()
    }

    /// How many chunks closed queues left in the kernel's hands. They come back when another
    /// queue is bound in the same place, or some queue after the interface went.
    pub fn parked_chunks(&self) -> usize {
        self.0.registry().parked.count(&self.0.chunks)
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

/// What the clones of an area share.
pub(crate) struct Inner {
    pub(crate) chunks: Chunks,
    pub(crate) headroom: u32,
    pub(crate) unaligned: bool,
    huge: bool,
    lists: Mutex<Lists>,
    /// Length of the list of that name, to be looked at without the lock.
    returned: AtomicUsize,
    /// Locked before `lists` where both are.
    registry: Mutex<Registry>,
}

/// The frames that no queue has. Both lists have room for all chunks from the start.
struct Lists {
    /// For queues that will be bound.
    free: Vec<Frame>,
    /// What queues had too much of, for those that have too little.
    returned: Vec<Frame>,
}

impl Inner {
    /// The first `wanted` frames for a new queue, or how many there are.
    pub(crate) fn take(&self, wanted: usize, into: &mut Vec<Frame>) -> Result<(), usize> {
        let mut lists = self.lists();
        let free = lists.free.len() + lists.returned.len();
        if free < wanted {
            return Err(free);
        }
        let from_free = wanted.min(lists.free.len());
        let first = lists.free.len() - from_free;
        into.extend(lists.free.drain(first..).rev());
        let first = lists.returned.len() - (wanted - from_free);
        into.extend(lists.returned.drain(first..));
        self.returned.store(lists.returned.len(), Ordering::Relaxed);
        Ok(())
    }

    /// Keeps frames for queues that will be bound.
    pub(crate) fn put_free(&self, frames: impl Iterator<Item = Frame>) {
        self.lists().free.extend(frames);
    }

    /// Keeps frames for queues that have too few.
    pub(crate) fn put(&self, frames: impl Iterator<Item = Frame>) {
        let mut lists = self.lists();
        lists.returned.extend(frames);
        self.returned.store(lists.returned.len(), Ordering::Relaxed);
    }

    /// Up to `wanted` of the frames that queues had too many of. Takes no lock if there are none.
    pub(crate) fn draw(&self, wanted: usize, into: &mut Vec<Frame>) -> usize {
        if wanted == 0 || self.returned.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        let mut lists = self.lists();
        let count = wanted.min(lists.returned.len());
        let first = lists.returned.len() - count;
        into.extend(lists.returned.drain(first..));
        self.returned.store(lists.returned.len(), Ordering::Relaxed);
        count
    }

    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory as the settings want it, how it is laid out, and whether it is of huge pages.
fn map(settings: &AreaSettings) -> Result<(AreaMapping, Geometry, bool), Error> {
    check(settings)?;
    if settings.huge_pages != HugePages::Never {
        let geometry = layout(settings, huge_page_size())?;
        match AreaMapping::new(length(&geometry)?, Pages::Huge, settings.node) {
            Ok(mapping) => return Ok((mapping, geometry, true)),
            Err(source) if settings.huge_pages == HugePages::Require => {
                return Err(Error::Memory { bytes: geometry.length(), huge: true, source });
            }
            Err(_) => {}
        }
    }
    let geometry = layout(settings, PAGE)?;
    let pages = match settings.huge_pages {
        HugePages::Never => Pages::Ordinary,
        HugePages::Try | HugePages::Require => Pages::Transparent,
    };
    let mapping = AreaMapping::new(length(&geometry)?, pages, settings.node)
        .map_err(|source| Error::Memory { bytes: geometry.length(), huge: false, source })?;
    Ok((mapping, geometry, false))
}

fn check(settings: &AreaSettings) -> Result<(), Error> {
    let AreaSettings { chunks, chunk_size, headroom, unaligned, .. } = *settings;
    let sized = (SMALLEST_CHUNK..=PAGE as u32).contains(&chunk_size);
    let complaint = if chunks == 0 {
        "an area needs at least one chunk".into()
    } else if !sized || !(unaligned || chunk_size.is_power_of_two()) {
        let wanted = if unaligned { "2048 to 4096" } else { "2048 or 4096" };
        format!("a chunk has {wanted} bytes, not {chunk_size}")
    } else if headroom >= chunk_size - PACKET_HEADROOM {
        let most = chunk_size - PACKET_HEADROOM - 1;
        format!(
            "a headroom of {headroom} leaves no room in a chunk of {chunk_size}: at most {most}"
        )
    } else {
        return Ok(());
    };
    Err(Error::Settings(complaint))
}

fn layout(settings: &AreaSettings, page: u64) -> Result<Geometry, Error> {
    let AreaSettings { chunks, chunk_size, unaligned, .. } = *settings;
    let complaint = || Error::Settings(format!("no chunks of {chunk_size} in pages of {page}"));
    Geometry::new(chunks, chunk_size, unaligned, page).ok_or_else(complaint)
}

fn length(geometry: &Geometry) -> Result<usize, Error> {
    let complaint = |_| Error::Settings(format!("{} bytes are too many", geometry.length()));
    usize::try_from(geometry.length()).map_err(complaint)
}

/// Bytes of the system's default huge page.
fn huge_page_size() -> u64 {
    let information = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = information.lines().find_map(|line| line.strip_prefix("Hugepagesize:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    number.and_then(|kibibytes| kibibytes.checked_mul(1024)).unwrap_or(2 << 20)
}

#[cfg(test)]
mod tests;
