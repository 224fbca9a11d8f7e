//! How an area is laid out in chunks, and in which chunk an address of the kernel's lies.

/// In unaligned mode the upper bits of a descriptor's address hold an offset
/// (`XSK_UNALIGNED_BUF_OFFSET_SHIFT`).
const OFFSET_SHIFT: u32 = 48;

/// The layout of an area. A chunk never crosses a page: in unaligned mode the kernel refuses
/// chunks over pages that do not follow each other in physical memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    chunks: u32,
    chunk_size: u32,
    unaligned: bool,
    page: u64,
    per_page: u64,
    /// Of the size of aligned chunks, the bits.
    shift: u32,
}

impl Geometry {
    /// None if the sizes do not fit each other: aligned chunks are powers of two, no chunk is
    /// larger than a page, and pages are powers of two.
    pub(crate) fn new(chunks: u32, chunk_size: u32, unaligned: bool, page: u64) -> Option<Self> {
        let per_page = page.checked_div(u64::from(chunk_size))?;
        let fits = chunks > 0 && per_page > 0 && page.is_power_of_two();
        let shift = chunk_size.trailing_zeros();
        let geometry = Geometry { chunks, chunk_size, unaligned, page, per_page, shift };
        (fits && (unaligned || chunk_size.is_power_of_two())).then_some(geometry)
    }

    pub(crate) fn chunks(&self) -> u32 {
        self.chunks
    }

    pub(crate) fn chunk_size(&self) -> u32 {
        self.chunk_size
    }

    /// Bytes of all pages.
    pub(crate) fn length(&self) -> u64 {
        u64::from(self.chunks).div_ceil(self.per_page) * self.page
    }

    /// Where a chunk begins.
    #[inline]
    pub(crate) fn start(&self, chunk: u32) -> u64 {
        let chunk = u64::from(chunk);
        if self.unaligned {
            let size = u64::from(self.chunk_size);
            chunk / self.per_page * self.page + chunk % self.per_page * size
        } else {
            chunk << self.shift
        }
    }

    /// The chunk in which an address lies, if it lies in one.
    #[inline]
    pub(crate) fn chunk_of(&self, address: u64) -> Option<u32> {
        let chunk = if self.unaligned {
            let within = (address & (self.page - 1)) / u64::from(self.chunk_size);
            if within >= self.per_page {
                return None;
            }
            (address >> self.page.trailing_zeros()) * self.per_page + within
        } else {
            address >> self.shift
        };
        (chunk < u64::from(self.chunks)).then_some(chunk as u32)
    }

    /// A descriptor's address as a position in the area.
    #[inline]
    pub(crate) fn position(&self, address: u64) -> u64 {
        if self.unaligned {
            (address & ((1 << OFFSET_SHIFT) - 1)) + (address >> OFFSET_SHIFT)
        } else {
            address
        }
    }

    /// What is quicker to compute if chunks are aligned.
    #[inline]
    pub(crate) fn aligned(&self) -> Option<Aligned> {
        let mask = u64::from(self.chunk_size) - 1;
        (!self.unaligned).then_some(Aligned { shift: self.shift, mask })
    }

    /// Chunk and position of `length` bytes at a descriptor's address, if they lie in one chunk.
    #[inline(never)]
    pub(crate) fn locate(&self, address: u64, length: u32) -> Option<(u32, u64)> {
        let position = self.position(address);
        let chunk = self.chunk_of(position)?;
        let room = self.start(chunk) + u64::from(self.chunk_size) - position;
        (u64::from(length) <= room).then_some((chunk, position))
    }
}

/// Chunks of a power of two that follow each other without a gap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aligned {
    shift: u32,
    mask: u64,
}

impl Aligned {
    /// Where the chunk begins that an address is in.
    #[inline]
    pub(crate) fn start_of(self, address: u64) -> u64 {
        address & !self.mask
    }

    /// The chunk in which `length` bytes at an address lie, if they lie in one. It does not know
    /// how many there are.
    #[inline]
    pub(crate) fn chunk_of(self, address: u64, length: u32) -> Option<u64> {
        let room = self.mask + 1 - (address & self.mask);
        (u64::from(length) <= room).then_some(address >> self.shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        for (chunks, size, unaligned, page, valid) in [
            (8, 2048, false, 4096, true),
            (8, 4096, false, 4096, true),
            (8, 8192, false, 4096, false),
            (8, 3000, false, 4096, false),
            (8, 3000, true, 4096, true),
            (8, 0, false, 4096, false),
            (0, 2048, false, 4096, false),
            (8, 2048, false, 5000, false),
            (8, 9000, true, 2 << 20, true),
        ] {
            let geometry = Geometry::new(chunks, size, unaligned, page);
            assert_eq!(geometry.is_some(), valid, "{chunks} {size} {unaligned} {page}");
        }
    }

    #[test]
    fn addresses_lead_to_chunks() {
        let aligned = Geometry::new(3, 2048, false, 4096).unwrap();
        let unaligned = Geometry::new(3, 3000, true, 8192).unwrap();
        assert_eq!((aligned.length(), unaligned.length()), (8192, 16384));
        assert_eq!([0, 1, 2].map(|chunk| aligned.start(chunk)), [0, 2048, 4096]);
        assert_eq!([0, 1, 2].map(|chunk| unaligned.start(chunk)), [0, 3000, 8192]);
        for (geometry, address, length, expected) in [
            (aligned, 0, 2048, Some((0, 0))),
            (aligned, 0, 2049, None),
            (aligned, 2047, 1, Some((0, 2047))),
            (aligned, 2047, 2, None),
            (aligned, 2048, 0, Some((1, 2048))),
            (aligned, 4096 + 256, 1792, Some((2, 4352))),
            (aligned, 6144, 1, None),
            (aligned, u64::MAX, 0, None),
            (aligned, 0, u32::MAX, None),
            (unaligned, 3000 | 256 << 48, 2744, Some((1, 3256))),
            (unaligned, 3000 | 256 << 48, 2745, None),
            (unaligned, 6000, 1, None),
            (unaligned, 8191, 0, None),
            (unaligned, 8192, 3000, Some((2, 8192))),
            (unaligned, 8192 + 3000, 1, None),
            (unaligned, u64::MAX, 1, None),
        ] {
            assert_eq!(geometry.locate(address, length), expected, "{address:#x} {length}");
            if let Some(aligned) = geometry.aligned() {
                let chunk = aligned.chunk_of(address, length).filter(|&chunk| chunk < 3);
                let located = chunk.map(|chunk| (chunk as u32, address));
                assert_eq!(located, expected, "{address:#x} {length}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 8 } else { 256 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]
        #[test]
        fn chunks_neither_overlap_nor_cross_pages(
            chunks in 1..if cfg!(miri) { 20_u32 } else { 5000 },
            size in prop_oneof![Just(2048_u32), Just(4096), 2048..4097_u32],
            bits in 12..22_u32,
        ) {
            let page = 1_u64 << bits;
            let unaligned = !size.is_power_of_two();
            let geometry = Geometry::new(chunks, size, unaligned, page).unwrap();
            let mut end = 0;
            for chunk in 0..chunks {
                let start = geometry.start(chunk);
                let last = start + u64::from(size) - 1;
                prop_assert!(start >= end);
                prop_assert_eq!(start / page, last / page);
                prop_assert_eq!(geometry.chunk_of(start), Some(chunk));
                prop_assert_eq!(geometry.chunk_of(last), Some(chunk));
                end = last + 1;
            }
            prop_assert!(end <= geometry.length());
            prop_assert_eq!(geometry.length() % page, 0);
            prop_assert_eq!(geometry.chunk_of(geometry.start(chunks - 1) + page), None);
        }

        #[test]
        fn what_is_located_lies_in_one_chunk(
            chunks in 1..100_u32,
            size in 2048..4097_u32,
            aligned: bool,
            address in prop_oneof![any::<u64>(), 0..500_000_u64, (0..500_000_u64, 0..5000_u64)
                .prop_map(|(base, offset)| base | offset << OFFSET_SHIFT)],
            length in prop_oneof![any::<u32>(), 0..5000_u32],
        ) {
            let size = if aligned { 2048 } else { size };
            let geometry = Geometry::new(chunks, size, !aligned, 4096).unwrap();
            if let Some((chunk, position)) = geometry.locate(address, length) {
                prop_assert!(chunk < chunks);
                prop_assert!(position >= geometry.start(chunk));
                let end = position + u64::from(length);
                prop_assert!(end <= geometry.start(chunk) + u64::from(size));
                prop_assert!(end <= geometry.length());
            }
            if let Some(aligned) = geometry.aligned() {
                let chunk = aligned.chunk_of(address, length);
                let chunk = chunk.filter(|&chunk| chunk < u64::from(chunks));
                let located = chunk.map(|chunk| (chunk as u32, address));
                prop_assert_eq!(located, geometry.locate(address, length));
                if let Some((chunk, position)) = located {
                    prop_assert_eq!(aligned.start_of(position), geometry.start(chunk));
                }
            }
        }
    }
}
