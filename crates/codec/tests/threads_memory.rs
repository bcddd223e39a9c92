//! Threads inside a chunk keep their memory. The only test of its program, because allocations of all threads are counted.

mod support;

use etalon_codec::{Context, Spec};
use support::allocations::{self, Watching};
use support::{counts, layout, stored};

#[global_allocator]
static ALLOCATOR: Watching = Watching;

const STREAMS: [&str; 3] = [
    "bitshuffle",
    "bitshuffle:compressor=zstd",
    "bitshuffle:compressor=none",
];

#[test]
fn later_chunks_take_only_what_starting_threads_takes() {
    let elements = 3 << 19;
    let layout = layout(2, elements);
    let src = counts(elements, 2, 10);
    for spec in STREAMS {
        let spec: Spec = spec.parse().unwrap();
        let (filter, values) = stored(&spec, &layout);
        let mut stored = vec![0; (filter.bound)(&values, src.len()).unwrap()];
        let mut back = vec![0; src.len()];
        let mut context = Context::with_threads(3);
        for chunk in 0..3 {
            allocations::reset();
            let len = (filter.encode)(&mut context, &values, &src, &mut stored).unwrap();
            (filter.decode)(&mut context, &values, &stored[..len], &mut back).unwrap();
            let taken = allocations::since_reset();
            assert!(
                chunk == 0 || taken.bytes < 8 << 10,
                "{spec}, chunk {chunk}: {taken:?}"
            );
        }
    }
}
