//! SHA-256 of a dataset's values, made of those of its chunks.
//!
//! The digest is that of the digests of all chunks of the grid, the last dimension running fastest. A chunk's digest is
//! that of its values inside the dataset, as stored, in C order; a chunk that was never written has the fill value.
//!
//! Q: Why not of all values in C order?
//! A: Chunks come in the order of the file and are hashed by several threads; values in C order would need all chunks
//! along the first dimension in memory at once.

use std::collections::HashMap;
use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::chunk_shape::Grid;

/// A SHA-256.
pub(crate) type Sha = [u8; 32];

/// The digest of the values of a chunk of shape `chunk` that lie in its front corner of extents `inside`.
pub(crate) fn chunk_digest(bytes: &[u8], chunk: &[u64], inside: &[u64], element: usize) -> Sha {
    let mut digest = Sha256::new();
    for run in runs(chunk, inside, element) {
        digest.update(&bytes[run]);
    }
    digest.finalize().into()
}

/// The digest of a dataset of which `written` has the digests of the chunks that hold data, by their numbers in `grid`;
/// all others have the value `fill`.
pub(crate) fn dataset_digest(grid: &Grid, written: &mut [(u64, Sha)], fill: &[u8]) -> Sha {
    written.sort_unstable_by_key(|(number, _)| *number);
    let mut written = written.iter().peekable();
    let mut unwritten = HashMap::new();
    let mut digest = Sha256::new();
    for number in 0..grid.len() {
        match written.next_if(|(next, _)| *next == number) {
            Some((_, chunk)) => digest.update(chunk),
            None => digest.update(
                unwritten
                    .entry(grid.inside(&grid.offset(number)))
                    .or_insert_with_key(|inside| fill_digest(inside, fill)),
            ),
        }
    }
    digest.finalize().into()
}

/// The digest of a box of one value.
fn fill_digest(extents: &[u64], fill: &[u8]) -> Sha {
    const ELEMENTS: u64 = 4096;
    let mut rest = extents.iter().product::<u64>();
    let block = fill.repeat(ELEMENTS.min(rest) as usize);
    let mut digest = Sha256::new();
    while rest > 0 {
        let count = rest.min(ELEMENTS);
        digest.update(&block[..count as usize * fill.len()]);
        rest -= count;
    }
    digest.finalize().into()
}

/// A digest in hexadecimal digits.
pub(crate) fn hexadecimal(digest: &Sha) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of every row of the front corner of extents `inside` of a chunk, in C order; all bytes at once where that is
/// the whole chunk.
pub(crate) fn runs(
    chunk: &[u64],
    inside: &[u64],
    element_bytes: usize,
) -> impl Iterator<Item = Range<usize>> {
    // Dimensions at the end that are whole make one run together with the one before.
    let whole = chunk
        .iter()
        .zip(inside)
        .rev()
        .take_while(|(chunk, inside)| chunk == inside)
        .count();
    let split = (chunk.len() - whole).saturating_sub(1);
    let bytes = |extents: &[u64]| extents.iter().product::<u64>() as usize * element_bytes;
    let (run_bytes, stride) = (bytes(&inside[split..]), bytes(&chunk[split..]));
    let rows = Grid::new(&inside[..split], &vec![1; split]);
    let places = Grid::new(&chunk[..split], &vec![1; split]);
    (0..rows.len()).map(move |row| {
        let start = places.number(&rows.offset(row)) as usize * stride;
        start..start + run_bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start and end of every run, of elements of two bytes.
    fn of_pairs(chunk: &[u64], inside: &[u64]) -> Vec<(usize, usize)> {
        let runs = runs(chunk, inside, 2);
        runs.map(|run| (run.start, run.end)).collect()
    }

    #[test]
    fn runs_are_the_rows_inside_and_whole_chunks_are_one() {
        assert_eq!(of_pairs(&[3, 4], &[3, 4]), [(0, 24)]);
        assert_eq!(of_pairs(&[3, 4], &[2, 4]), [(0, 16)]);
        assert_eq!(of_pairs(&[3, 4], &[2, 3]), [(0, 6), (8, 14)]);
        // Two rows of each plane.
        assert_eq!(of_pairs(&[2, 3, 4], &[2, 2, 4]), [(0, 16), (24, 40)]);
        assert_eq!(of_pairs(&[5], &[2]), [(0, 4)]);
        assert_eq!(of_pairs(&[], &[]), [(0, 2)]);
    }

    #[test]
    fn a_dataset_without_chunks_has_the_digest_of_its_fill_value() {
        let grid = Grid::new(&[5, 3], &[2, 3]);
        let digest = |values: &[u8]| Sha::from(Sha256::digest(values));
        let chunks = [[7; 6].as_slice(), &[7; 6], &[7; 3]].map(digest);
        let whole = digest(chunks.as_flattened());
        assert_eq!(dataset_digest(&grid, &mut [], &[7]), whole);
        let mut written = [(2, chunks[2]), (0, chunks[0])];
        assert_eq!(dataset_digest(&grid, &mut written, &[7]), whole);
        assert_eq!(hexadecimal(&[0xab; 32]), "ab".repeat(32));
    }
}
