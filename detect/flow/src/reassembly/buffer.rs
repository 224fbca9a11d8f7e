//! Bytes of one direction by stream offset: regions of memory and blocks that are filled.

use smallvec::SmallVec;

use crate::tcp::StreamCounters;

/// Data farther than this from a region gets a region of its own.
const REACH: u64 = 256 << 10;

/// A first hole up to this size is made part of the first region.
const LEAD: u64 = 64 << 10;

/// Why data could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InsertError {
    /// The memory limit is reached.
    Memory,
    /// The number of regions or segments is.
    Limit,
}

/// What there is at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// Bytes up to the next hole or the end.
    Data(&'a [u8]),
    /// A hole up to this offset, where data begins.
    Hole(u64),
    /// Nothing from here on.
    End,
}

/// Memory for the offsets from `start` on; the bytes before `head` are spent.
#[derive(Debug, Default)]
struct Region {
    start: u64,
    head: usize,
    bytes: Vec<u8>,
}

impl Region {
    fn len(&self) -> usize {
        self.bytes.len() - self.head
    }

    fn end(&self) -> u64 {
        self.start + self.len() as u64
    }

    fn slice(&self, from: u64, to: u64) -> &[u8] {
        let at = |offset: u64| self.head + offset.saturating_sub(self.start) as usize;
        self.bytes.get(at(from)..at(to)).unwrap_or(&[])
    }
}

/// Offsets from `start` up to `end`, all filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// The buffer of one direction.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    /// Everything before this was discarded.
    base: u64,
    /// By ascending offset, apart from each other.
    regions: SmallVec<[Region; 1]>,
    /// By ascending offset; neighbours do not touch.
    blocks: SmallVec<[Block; 1]>,
    /// Most regions there ever were.
    most_regions: u8,
}

impl Buffer {
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The offset after the last byte.
    pub(crate) fn end(&self) -> u64 {
        self.blocks.last().map_or(self.base, |block| block.end)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub(crate) fn most_regions(&self) -> u8 {
        self.most_regions.max(1)
    }

    /// What there is at `offset`.
    pub(crate) fn at(&self, offset: u64) -> Place<'_> {
        let index = self.blocks.partition_point(|block| block.end <= offset);
        match self.blocks.get(index) {
            None => Place::End,
            Some(block) if block.start > offset => Place::Hole(block.start),
            Some(block) => Place::Data(self.slice(offset, block.end)),
        }
    }

    /// Bytes that are known to be filled.
    pub(crate) fn slice(&self, from: u64, to: u64) -> &[u8] {
        let index = self.regions.partition_point(|region| region.end() <= from);
        self.regions.get(index).map_or(&[], |region| region.slice(from, to))
    }

    /// Writes `data` at `offset`, over what is there. `offset` is not before the base.
    pub(crate) fn write(
        &mut self,
        offset: u64,
        data: &[u8],
        max_regions: u8,
        memcap: u64,
        counters: &mut StreamCounters,
    ) -> Result<(), InsertError> {
        let end = offset + data.len() as u64;
        if data.is_empty() || offset < self.base {
            return Ok(());
        }
        let index = self.region_for(offset, end, max_regions)?;
        let result = self.cover(index, offset, end, memcap, counters);
        let region = &mut self.regions[index];
        if let Err(error) = result {
            if region.bytes.is_empty() {
                self.regions.remove(index);
            }
            return Err(error);
        }
        let at = region.head + (offset - region.start) as usize;
        region.bytes[at..at + data.len()].copy_from_slice(data);
        self.mark(offset, end);
        Ok(())
    }

    /// Forgets everything before `offset`.
    pub(crate) fn discard(&mut self, offset: u64, counters: &mut StreamCounters) {
        if offset <= self.base {
            return;
        }
        self.base = offset;
        let spent = self.blocks.partition_point(|block| block.end <= offset);
        self.blocks.drain(..spent);
        if let Some(first) = self.blocks.first_mut() {
            first.start = first.start.max(offset);
        }
        // Without a block left in it a region is of no use, even if it reaches farther.
        let wanted = self.blocks.first().map(|block| block.start);
        let spent = match wanted {
            None => self.regions.len(),
            Some(start) => self.regions.partition_point(|region| region.end() <= start),
        };
        for region in self.regions.drain(..spent) {
            counters.release(region.bytes.capacity());
            counters.buffers.put(region.bytes);
        }
        if let Some(first) = self.regions.first_mut()
            && first.start < offset
        {
            first.head += (offset - first.start) as usize;
            first.start = offset;
        }
    }

    /// Forgets everything, and that there was anything.
    pub(crate) fn clear(&mut self, counters: &mut StreamCounters) {
        for region in self.regions.drain(..) {
            counters.release(region.bytes.capacity());
            counters.buffers.put(region.bytes);
        }
        self.blocks.clear();
    }

    /// Starts over at offset 0.
    pub(crate) fn restart(&mut self, counters: &mut StreamCounters) {
        self.clear(counters);
        self.base = 0;
        self.most_regions = 0;
    }

    /// The region that `offset..end` goes into; makes one if none is near.
    fn region_for(&mut self, offset: u64, end: u64, max: u8) -> Result<usize, InsertError> {
        let near = self
            .regions
            .iter()
            .position(|region| offset <= region.end() + REACH && end + REACH >= region.start);
        if let Some(index) = near {
            return Ok(index);
        }
        if max > 0 && self.regions.len() >= usize::from(max) {
            return Err(InsertError::Limit);
        }
        let index = self.regions.partition_point(|region| region.start < offset);
        let start = if index == 0 && offset - self.base <= LEAD { self.base } else { offset };
        self.regions.insert(index, Region { start, head: 0, bytes: Vec::new() });
        let count = u8::try_from(self.regions.len()).unwrap_or(u8::MAX);
        self.most_regions = self.most_regions.max(count);
        Ok(index)
    }

    /// Makes region `index` reach from `offset` to `end`, taking in regions that this runs into.
    fn cover(
        &mut self,
        index: usize,
        offset: u64,
        end: u64,
        memcap: u64,
        counters: &mut StreamCounters,
    ) -> Result<(), InsertError> {
        let region = &mut self.regions[index];
        if offset < region.start {
            let missing = (region.start - offset) as usize;
            if missing <= region.head {
                region.head -= missing;
            } else {
                move_right(region, missing, memcap, counters)?;
            }
            region.start = offset;
        }
        let mut reach = end.max(region.end());
        let mut taken = 0;
        while let Some(next) = self.regions.get(index + 1 + taken)
            && next.start <= reach
        {
            reach = reach.max(next.end());
            taken += 1;
        }
        let region = &mut self.regions[index];
        let len = (reach - region.start) as usize;
        if len > region.len() {
            grow(region, len, memcap, counters)?;
            region.bytes.resize(region.head + len, 0);
        }
        for _ in 0..taken {
            let next = self.regions.remove(index + 1);
            let region = &mut self.regions[index];
            let at = region.head + (next.start - region.start) as usize;
            let bytes = &next.bytes[next.head..];
            region.bytes[at..at + bytes.len()].copy_from_slice(bytes);
            counters.release(next.bytes.capacity());
            counters.buffers.put(next.bytes);
        }
        Ok(())
    }

    /// Notes that `start..end` is filled.
    fn mark(&mut self, start: u64, end: u64) {
        match self.blocks.last_mut() {
            Some(last) if last.end == start => {
                last.end = end;
                return;
            }
            Some(last) if last.end > start => {}
            _ => {
                self.blocks.push(Block { start, end });
                return;
            }
        }
        let first = self.blocks.partition_point(|block| block.end < start);
        let after = self.blocks.partition_point(|block| block.start <= end);
        if first == after {
            self.blocks.insert(first, Block { start, end });
            return;
        }
        let merged = Block {
            start: start.min(self.blocks[first].start),
            end: end.max(self.blocks[after - 1].end),
        };
        self.blocks[first] = merged;
        self.blocks.drain(first + 1..after);
    }
}

/// Gives `region` room for `len` bytes behind its head, moving them to the front if that helps.
fn grow(
    region: &mut Region,
    len: usize,
    memcap: u64,
    counters: &mut StreamCounters,
) -> Result<(), InsertError> {
    let capacity = region.bytes.capacity();
    if region.head + len <= capacity {
        return Ok(());
    }
    if len <= capacity && region.head >= region.len() {
        region.bytes.copy_within(region.head.., 0);
        region.bytes.truncate(region.len());
        region.head = 0;
        return Ok(());
    }
    let mut bytes = make_room(len.max(capacity + 1), memcap, counters)?;
    bytes.extend_from_slice(&region.bytes[region.head..]);
    replace(region, bytes, 0, counters);
    Ok(())
}

/// Gives `region` room for `missing` bytes before its start, and some more for what may come.
fn move_right(
    region: &mut Region,
    missing: usize,
    memcap: u64,
    counters: &mut StreamCounters,
) -> Result<(), InsertError> {
    let slack = region.len().min(REACH as usize);
    let before = missing + slack;
    let mut bytes = make_room(before + region.len(), memcap, counters)?;
    bytes.resize(before, 0);
    bytes.extend_from_slice(&region.bytes[region.head..]);
    replace(region, bytes, slack, counters);
    Ok(())
}

/// A buffer for at least `len` bytes, accounted for.
fn make_room(
    len: usize,
    memcap: u64,
    counters: &mut StreamCounters,
) -> Result<Vec<u8>, InsertError> {
    let capacity = if len <= 1 << 20 { len.next_power_of_two().max(512) } else { len + len / 4 };
    if !counters.reserve(capacity, memcap) {
        return Err(InsertError::Memory);
    }
    let (bytes, pooled) = counters.buffers.take(capacity);
    counters.tcp.segment_from_cache += u64::from(pooled);
    counters.tcp.segment_from_pool += u64::from(!pooled);
    if bytes.capacity() > capacity {
        // The allocator may give more than was asked for.
        counters.tcp.reassembly_memuse += (bytes.capacity() - capacity) as u64;
    }
    Ok(bytes)
}

fn replace(region: &mut Region, bytes: Vec<u8>, head: usize, counters: &mut StreamCounters) {
    let old = std::mem::replace(&mut region.bytes, bytes);
    region.head = head;
    counters.release(old.capacity());
    counters.buffers.put(old);
}
