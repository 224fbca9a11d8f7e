//! Once a ring is in use it takes no memory for its frames.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use afpacket::Ring;

use crate::namespace::{NEAR, in_namespace};
use crate::sender::{PATIENCE, Sender, frame, settings};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is passed on to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of this function.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn frames_take_no_memory() {
    in_namespace(|| {
        let mut ring = Ring::open(&settings()).unwrap();
        let sender = Sender::on(NEAR);
        let sent: Vec<_> = (0..640).map(|i| frame(i, 300)).collect();
        let mut counts = [0; 2];
        for count in &mut counts {
            sender.send(&sent);
            let before = ALLOCATIONS.get();
            let (mut frames, mut bytes) = (0, 0);
            while frames < sent.len() && ring.wait(PATIENCE).unwrap() {
                while ring.next_frames(64) > 0 {
                    frames += ring.frames().len();
                    bytes += ring.frames().map(|frame| frame.bytes.len()).sum::<usize>();
                }
            }
            assert_eq!((frames, bytes), (640, 640 * 300));
            *count = ALLOCATIONS.get() - before;
        }
        assert!(counts[0] > 0, "the counter counts");
        assert_eq!(counts[1], 0);
        assert!(!ring.wait(Duration::ZERO).unwrap());
    });
}
