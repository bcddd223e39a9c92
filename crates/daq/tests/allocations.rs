//! Frames need no memory once a writer runs: everything was taken when it was made.

#![allow(unsafe_code)] // An allocator that counts.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use etalon_daq::{Ending, FrameRecord, Sink, Writer};
use support::{frame, settings};

static COUNT: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: every call is passed on as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Nowhere;

impl Sink for Nowhere {
    fn write(&mut self, _: &FrameRecord, _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn finish(self: Box<Self>, _: &Ending) -> Result<(), String> {
        Ok(())
    }
}

#[test]
fn nothing_is_allocated_for_a_frame_but_the_first_of_an_encoder() {
    let frame = frame(3);
    for spec in ["bitshuffle", "bitshuffle:compressor=zstd"] {
        let mut settings = settings();
        settings.spec = spec.parse().unwrap();
        let writer = Writer::with_sink(&settings, Box::new(Nowhere)).unwrap();
        let write_until = |end: u64| {
            for number in writer.statistics().frames_in..end {
                writer.write(number, 0, &frame).unwrap();
            }
            while writer.statistics().frames_written < end {
                std::thread::yield_now();
            }
        };
        // Which encoder takes a frame, and so when one has its first, is up to the system.
        let allocates = |round: &u64| {
            let before = COUNT.load(Ordering::SeqCst);
            write_until((round + 1) * 200);
            COUNT.load(Ordering::SeqCst) > before
        };
        let rounds = (0..10).filter(allocates).count();
        assert!(rounds <= settings.encoders, "{spec}: in {rounds} of 10");
        writer.close().unwrap();
    }
}
