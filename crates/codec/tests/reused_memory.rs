//! A thread that encodes and decodes chunk after chunk of one dataset works in the memory of the first.
//!
//! Counted are allocations of Rust code; LZ4 and zstd keep their states in the [`Context`].

mod support;

use etalon_codec::{Context, FILTERS, Filter, Layout, Spec};
use support::allocations::{self, Allocations, Watching};
use support::{Random, layout};

#[global_allocator]
static ALLOCATOR: Watching = Watching;

const SHAPE: [usize; 3] = [2, 128, 128];
const ELEMENTS: usize = SHAPE[0] * SHAPE[1] * SHAPE[2];

/// Filter, SPEC, and the most bytes that encoding and decoding a later chunk may allocate.
///
/// Decoding a frame allocates the shape in its header, as often as the header is read. Encoding `quantise` takes samples
/// of a fixed number of elements; `noise` lists the values that are masks, and measures the loss in memory of its own; `dictionary` clears a table of 2¹⁶ entries;
/// `counts` counts ones by level, and writes or reads its header; where indices may go there, it looks at a sample of 2¹⁵
/// of them. Where they go to residuals, each frequency table is made in memory of its own.
/// `sigma-clip` estimates the background of each frame anew, in memory of its own.
const CEILINGS: &[(&str, &str, usize, usize)] = &[
    ("bitshuffle", "bitshuffle", 0, 0),
    ("bitshuffle", "bitshuffle:compressor=zstd", 0, 0),
    ("bitshuffle", "bitshuffle:compressor=none", 0, 0),
    ("etalon", "quantise:abs=2", 80 << 10, 1 << 10),
    ("etalon", "quantise:levels=64", 136 << 10, 1 << 10),
    ("etalon", "noise:sigma=1", 80 << 10, 3 << 10),
    ("etalon", "noise:sigma=1,mode=unbiased", 80 << 10, 3 << 10),
    ("etalon", "dictionary", 136 << 10, 4 << 10),
    ("etalon", "counts", 24 << 10, 4 << 10),
    ("etalon", "counts:model=fir", 16 << 10, 4 << 10),
    ("etalon", "counts:model=variance", 16 << 10, 4 << 10),
    ("etalon", "predict", 16 << 10, 64),
    ("etalon", "predict:model=full", 16 << 10, 64),
    (
        "etalon",
        "sigma-clip:variant=block,force",
        26 * ELEMENTS,
        21 * ELEMENTS,
    ),
    (
        "etalon",
        "sigma-clip:variant=global,force",
        26 * ELEMENTS,
        21 * ELEMENTS,
    ),
    (
        "etalon",
        "sigma-clip:variant=azimuthal,force,cx=64,cy=64",
        128 * ELEMENTS,
        128 * ELEMENTS,
    ),
    (
        "etalon",
        "sigma-clip:variant=lattice,force",
        56 * ELEMENTS,
        3 << 10,
    ),
    ("etalon_round", "quantise:abs=2", 80 << 10, 0),
    ("etalon_round", "noise:sigma=1", 80 << 10, 0),
];

#[test]
fn later_chunks_allocate_no_more_than_stated() {
    let mut failures = Vec::new();
    for &(name, spec, encode, decode) in CEILINGS {
        let filter = FILTERS.iter().find(|row| row.name == name).unwrap();
        let (encoded, decoded) = last_chunk(filter, spec);
        println!("{name} {spec}: encode {encoded:?}, decode {decoded:?}");
        if encoded.bytes > encode || decoded.bytes > decode {
            failures.push(format!("{name} {spec}: {encoded:?}, {decoded:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What encoding and decoding the last of four chunks allocate.
fn last_chunk(filter: &Filter, spec: &str) -> (Allocations, Allocations) {
    let spec: Spec = spec.parse().unwrap();
    let layout = Layout {
        shape: SHAPE.to_vec(),
        ..layout(2, ELEMENTS)
    };
    let values = (filter.cd_values)(&spec, &layout).unwrap();
    let mut context = Context::new();
    let mut stored = vec![0xcc; (filter.bound)(&values, 2 * ELEMENTS).unwrap()];
    let mut back = vec![0xcc; 2 * ELEMENTS];
    let mut counted = None;
    // Buffers grow with what the data need, so both contents have been seen before the last chunk.
    for seed in [1, 2, 1, 2] {
        let src = binomial_counts(seed);
        allocations::reset();
        (filter.bound)(&values, src.len()).unwrap();
        let len = (filter.encode)(&mut context, &values, &src, &mut stored).unwrap();
        let encode = allocations::since_reset();
        allocations::reset();
        (filter.decoded_len)(&values, &stored[..len]).unwrap();
        (filter.decode)(&mut context, &values, &stored[..len], &mut back).unwrap();
        counted = Some((encode, allocations::since_reset()));
    }
    counted.unwrap()
}

/// Counts of mean 16 and variance 8.
fn binomial_counts(seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..ELEMENTS)
        .flat_map(|_| ((random.next() as u32).count_ones() as u16).to_le_bytes())
        .collect()
}
