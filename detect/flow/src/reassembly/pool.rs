//! Buffers kept for reuse, by size.

/// Smallest and largest buffer kept, powers of two.
const SMALLEST: u32 = 9;
const LARGEST: u32 = 16;
const CLASSES: usize = (LARGEST - SMALLEST + 1) as usize;

/// Bytes kept at most in each size.
const KEPT: usize = 1 << 20;

/// Empty buffers by the power of two of their capacity.
#[derive(Debug, Default)]
pub(crate) struct BufferPool {
    classes: [Vec<Vec<u8>>; CLASSES],
}

impl BufferPool {
    /// An empty buffer of at least `capacity` bytes, and whether it was used before.
    pub(crate) fn take(&mut self, capacity: usize) -> (Vec<u8>, bool) {
        let class = capacity.next_power_of_two().ilog2().max(SMALLEST);
        let pooled = match self.classes.get_mut((class - SMALLEST) as usize) {
            Some(buffers) if capacity.is_power_of_two() => buffers.pop(),
            _ => None,
        };
        match pooled {
            Some(buffer) => (buffer, true),
            None => (Vec::with_capacity(capacity), false),
        }
    }

    /// Takes a buffer back; one of an odd size is freed.
    pub(crate) fn put(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if !capacity.is_power_of_two() || capacity < 1 << SMALLEST {
            return;
        }
        let class = (capacity.ilog2() - SMALLEST) as usize;
        if let Some(buffers) = self.classes.get_mut(class)
            && buffers.len() * capacity < KEPT
        {
            buffer.clear();
            buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_in_their_size() {
        let mut pool = BufferPool::default();
        let (buffer, used) = pool.take(1024);
        assert!(!used && buffer.capacity() >= 1024);
        pool.put(buffer);
        assert!(!pool.take(2048).1);
        assert!(pool.take(1024).1);
        assert!(!pool.take(1024).1);
    }

    #[test]
    fn the_pool_is_bounded() {
        let mut pool = BufferPool::default();
        for _ in 0..100 {
            pool.put(Vec::with_capacity(1 << 16));
        }
        assert_eq!(pool.classes[CLASSES - 1].len(), KEPT >> 16);
    }
}
