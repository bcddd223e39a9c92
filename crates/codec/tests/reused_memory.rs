//! A thread that encodes and decodes chunk after chunk of one size uses the memory of the first.
//!
//! Counted are allocations of Rust code; LZ4 and zstd keep their states in the [`Context`].

mod support;

use etalon_codec::{Context, FILTERS, Filter, Layout, Spec};
use support::allocations::{self, Allocations, Watching};
use support::{Random, layout};

#[global_allocator]
static ALLOCATOR: Watching = Watching;

const SHAPE: [usize; 3] = [2, 128, 128];

#[test]
fn print() {
    for (filter, spec) in [
        ("bitshuffle", "bitshuffle"),
        ("bitshuffle", "bitshuffle:compressor=zstd"),
        ("etalon", "quantise:abs=2"),
        ("etalon", "quantise:levels=64"),
        ("etalon", "noise:sigma=1"),
        ("etalon", "noise:sigma=1,mode=unbiased"),
        ("etalon", "dictionary"),
        ("etalon", "sigma-clip:variant=block,force"),
        ("etalon", "sigma-clip:variant=azimuthal,force,cx=64,cy=64"),
        ("etalon", "sigma-clip:variant=global,force"),
        ("etalon", "sigma-clip:variant=lattice,force"),
        ("etalon_round", "quantise:abs=2"),
        ("etalon_round", "noise:sigma=1"),
    ] {
        let filter = FILTERS.iter().find(|row| row.name == filter).unwrap();
        let (encode, decode) = second_chunk(filter, spec);
        println!("{} {spec}: {encode:?} {decode:?}", filter.name);
    }
}

/// Counts as of a detector: a smooth background with few bright pixels.
fn frame(seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..SHAPE.iter().product())
        .flat_map(|_| ((random.next() as u32).count_ones() as u16).to_le_bytes())
        .collect()
}

/// What encoding and decoding the third chunk allocate.
fn second_chunk(filter: &Filter, spec: &str) -> (Allocations, Allocations) {
    let spec: Spec = spec.parse().unwrap();
    let layout = Layout {
        shape: SHAPE.to_vec(),
        ..layout(2, 0)
    };
    let values = (filter.cd_values)(&spec, &layout).unwrap();
    let mut context = Context::new();
    let mut stored = vec![0; (filter.bound)(&values, 2 * SHAPE.iter().product::<usize>()).unwrap()];
    let mut counted = Vec::new();
    for seed in [1, 1, 1] {
        let src = frame(seed);
        let mut back = vec![0; src.len()];
        allocations::reset();
        (filter.bound)(&values, src.len()).unwrap();
        let len = (filter.encode)(&mut context, &values, &src, &mut stored).unwrap();
        let encode = allocations::since_reset();
        allocations::reset();
        (filter.decoded_len)(&values, &stored[..len]).unwrap();
        (filter.decode)(&mut context, &values, &stored[..len], &mut back).unwrap();
        counted.push((encode, allocations::since_reset()));
    }
    counted[2]
}
