//! Golden chunks: what a released version has written must decode for ever.
//!
//! `BLESS=1 cargo test -p etalon-codec --test golden` adds files that are missing; it never changes one.

mod support;

use std::path::PathBuf;

use etalon_codec::{Context, Spec};
use support::{counts, encode, layout, stored};

/// File name, SPEC, element bytes, elements. The data are `counts(elements, element_bytes, 2026)`.
const CHUNKS: &[(&str, &str, usize, usize)] = &[
    ("bitshuffle-lz4-u2", "bitshuffle", 2, 5003),
    ("bitshuffle-zstd3-u4", "bitshuffle:compressor=zstd", 4, 2309),
    (
        "bitshuffle-zstd1-block-u2",
        "bitshuffle:compressor=zstd,level=1,block=512",
        2,
        3001,
    ),
    (
        "bitshuffle-planes-u2",
        "bitshuffle:planes,block=2048",
        2,
        9003,
    ),
    ("bitshuffle-none-u3", "bitshuffle:compressor=none", 3, 301),
    ("bitshuffle-lz4-16", "bitshuffle", 16, 777),
    ("frame1-dictionary-u2", "dictionary", 2, 4000),
    ("frame1-counts-u2", "counts", 2, 4000),
    ("frame1-counts-u4", "counts:model=bbp", 4, 3000),
    ("frame1-counts-fir-u2", "counts:model=fir", 2, 4000),
    (
        "frame1-counts-variance-u4",
        "counts:model=variance",
        4,
        3000,
    ),
    // Written with 64 lanes throughout, which the encoder gives only to streams that are too long for a golden file.
    ("frame1-counts-bbp-64-u4", "counts:model=bbp", 4, 3000),
    ("frame1-counts-fir-64-u2", "counts:model=fir", 2, 4000),
    ("frame1-predict-64-u2", "predict", 2, 4096),
    ("frame1-quantise-u4", "quantise:abs=3", 4, 3000),
    ("frame1-noise-u2", "noise:sigma=1", 2, 3000),
    ("frame1-sigma-clip-u2", "sigma-clip:force", 2, 4096),
    (
        "frame1-sigma-clip-lattice-u2",
        "sigma-clip:variant=lattice,force",
        2,
        4096,
    ),
    ("frame1-predict-u2", "predict", 2, 4096),
    ("frame1-predict-full-u4", "predict:model=full", 4, 1024),
    (
        "frame1-dictionary-predict-u1",
        "dictionary:backend=predict",
        1,
        4096,
    ),
    // Their frequency tables are coarse.
    ("frame1-predict-coarse-u2", "predict", 2, 4096),
    ("frame1-counts-fir-coarse-u2", "counts:model=fir", 2, 4000),
];

/// The same with the data `sparse(128, elements, element_bytes, 20)`, whose indices go to the back end of counts, and whose
/// residuals have sides.
const SPARSE_CHUNKS: &[(&str, &str, usize, usize)] = &[
    (
        "frame1-dictionary-counts-u2",
        "dictionary:backend=counts",
        2,
        4096,
    ),
    (
        "frame1-dictionary-regions-u2",
        "dictionary:backend=regions",
        2,
        4096,
    ),
    (
        "frame1-dictionary-contours-u2",
        "dictionary:backend=contours",
        2,
        4096,
    ),
    ("frame1-noise-counts-u4", "noise:speed=fast", 4, 8192),
    ("frame1-predict-sides-u2", "predict:model=full", 2, 4096),
    (
        "frame1-quantise-counts-u2",
        "quantise:abs=1,mask=65535,speed=fast",
        2,
        8192,
    ),
    (
        "frame1-sigma-clip-lattice-counts-u2",
        "sigma-clip:variant=lattice,force",
        2,
        8192,
    ),
];

/// The same with the data `disc(64, elements, element_bytes)`, whose predictions have bounds.
const DISC_CHUNKS: &[(&str, &str, usize, usize)] = &[
    ("frame1-predict-bounds-u2", "predict:model=full", 2, 4096),
    (
        "frame1-predict-bounds-frames-u1",
        "predict:model=up",
        1,
        12_288,
    ),
];

#[test]
fn golden_chunks_of_every_release_decode() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let dense = CHUNKS.iter().map(|row| (row, counts(row.3, row.2, 2026)));
    let sparse = SPARSE_CHUNKS.iter();
    let sparse = sparse.map(|row| (row, support::sparse(128, row.3, row.2, 20)));
    let discs = DISC_CHUNKS.iter();
    let discs = discs.map(|row| (row, support::disc(64, row.3, row.2)));
    for (&(name, spec, element_bytes, elements), src) in dense.chain(sparse).chain(discs) {
        let path = folder.join(format!("{name}.chunk"));
        let layout = layout(element_bytes, elements);
        let spec: Spec = spec.parse().unwrap();
        if !path.exists() {
            assert!(
                std::env::var_os("BLESS").is_some(),
                "{path:?} is missing; BLESS=1 adds it"
            );
            std::fs::write(&path, encode(&spec, &layout, &src)).unwrap();
        }
        let chunk = std::fs::read(&path).unwrap();
        assert!(
            chunk.len() < 8192,
            "{name} is larger than a golden file should be"
        );
        let (filter, values) = stored(&spec, &layout);
        let mut back = vec![0; (filter.decoded_len)(&values, &chunk).unwrap()];
        (filter.decode)(&mut Context::new(), &values, &chunk, &mut back).unwrap();
        // What a lossy chunk decodes to is pinned by the checksum that `decode` compares.
        assert!(back == src || !spec.codec().lossless, "{name}");
    }
}
