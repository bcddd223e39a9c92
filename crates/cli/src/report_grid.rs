//! Chunks of a dataset as a grid of numbers.
//!
//! Axes along which chunks begin at one place only are left out. The first of the others are the rows and the rest are the
//! columns, split where the grid is nearest to a page's shape; where one axis is left, chunks lie in a row. A grid with
//! more than [`LONGEST`] cells along a side is reduced by the means of blocks.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::report_data::shortened;
use crate::report_input::ChunkRow;

/// Longest side of a grid, in cells.
const LONGEST: usize = 128;

/// Numbers of chunks, row by row.
#[derive(Debug, Serialize)]
pub(crate) struct Grid {
    rows: usize,
    columns: usize,
    /// Chunks of a cell's side, where a grid is reduced.
    reduced: [usize; 2],
    /// By name; `null` where nothing was measured.
    values: BTreeMap<String, Vec<Option<f64>>>,
}

/// The chunks as a grid, where there are two or more.
pub(crate) fn grid(chunks: &[ChunkRow]) -> Option<Grid> {
    let rank = chunks.first()?.chunk.len();
    if chunks.len() < 2 || chunks.iter().any(|chunk| chunk.chunk.len() != rank) {
        return None;
    }
    let axes: Vec<Vec<u64>> = (0..rank)
        .map(|axis| {
            let starts: BTreeSet<u64> = chunks.iter().map(|chunk| chunk.chunk[axis]).collect();
            starts.into_iter().collect::<Vec<_>>()
        })
        .collect();
    let split = split(&axes.iter().map(Vec::len).collect::<Vec<_>>());
    // Places that no chunk of a sample begins at have no cells.
    let places = |part: fn(&[u64], usize) -> &[u64]| -> Vec<&[u64]> {
        let starts: BTreeSet<&[u64]> = chunks.iter().map(|one| part(&one.chunk, split)).collect();
        starts.into_iter().collect()
    };
    let (row_starts, column_starts) = (places(before), places(after));
    let reduced = [&row_starts, &column_starts].map(|starts| starts.len().div_ceil(LONGEST));
    let rows = row_starts.len().div_ceil(reduced[0]);
    let columns = column_starts.len().div_ceil(reduced[1]);
    let mut sums: BTreeMap<String, Vec<(f64, u32)>> = BTreeMap::new();
    for chunk in chunks {
        let row = row_starts.partition_point(|start| *start < before(&chunk.chunk, split));
        let column = column_starts.partition_point(|start| *start < after(&chunk.chunk, split));
        let cell = row / reduced[0] * columns + column / reduced[1];
        for (name, value) in numbers(chunk) {
            let cells = sums
                .entry(name)
                .or_insert_with(|| vec![(0.0, 0); rows * columns]);
            cells[cell].0 += value;
            cells[cell].1 += 1;
        }
    }
    let mean = |&(sum, count): &(f64, u32)| (count > 0).then(|| shortened(sum / f64::from(count)));
    let values = sums
        .into_iter()
        .map(|(name, cells)| (name, cells.iter().map(mean).collect()));
    Some(Grid {
        rows,
        columns,
        reduced,
        values: values.collect(),
    })
}

fn before(start: &[u64], axis: usize) -> &[u64] {
    &start[..axis]
}

fn after(start: &[u64], axis: usize) -> &[u64] {
    &start[axis..]
}

/// The first axis of the columns: of several that vary, where columns are nearest to twice as many as rows.
fn split(counts: &[usize]) -> usize {
    let varying: Vec<usize> = (0..counts.len()).filter(|&axis| counts[axis] > 1).collect();
    let Some((&first, others)) = varying.split_first() else {
        return 0;
    };
    let product = |counts: &[usize]| counts.iter().map(|&count| count as f64).product::<f64>();
    let misfit = |axis: usize| {
        (product(&counts[axis..]) / product(&counts[..axis]) / 2.0)
            .ln()
            .abs()
    };
    let best = others
        .iter()
        .copied()
        .min_by(|&a, &b| misfit(a).total_cmp(&misfit(b)));
    best.unwrap_or(first)
}

fn numbers(chunk: &ChunkRow) -> impl Iterator<Item = (String, f64)> {
    let fields = [
        ("ratio", chunk.ratio),
        ("encode_gbps", chunk.encode_gbps),
        ("decode_gbps", chunk.decode_gbps),
        ("max_abs_error", chunk.max_abs_error),
    ];
    let metrics = chunk
        .metrics
        .iter()
        .map(|(name, value)| (name.clone(), *value));
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .filter(|(name, value)| value.is_some() || !chunk.metrics.contains_key(name))
        .chain(metrics.collect::<Vec<_>>())
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(chunk: &[u64], ratio: f64) -> ChunkRow {
        ChunkRow {
            chunk: chunk.to_vec(),
            ratio: Some(ratio),
            ..ChunkRow::default()
        }
    }

    #[test]
    fn axes_of_one_chunk_are_left_out() {
        let chunks = [
            at(&[0, 0, 0], 1.0),
            at(&[4, 0, 0], 2.0),
            at(&[9, 0, 0], 3.0),
        ];
        let grid = grid(&chunks).unwrap();
        assert_eq!((grid.rows, grid.columns), (1, 3));
        assert_eq!(grid.values["ratio"], [Some(1.0), Some(2.0), Some(3.0)]);
    }

    #[test]
    fn a_sample_leaves_cells_empty() {
        let chunks = [at(&[0, 64], 1.0), at(&[32, 0], 2.0), at(&[32, 128], 3.0)];
        let grid = grid(&chunks).unwrap();
        assert_eq!((grid.rows, grid.columns), (2, 3));
        let expected = [None, Some(1.0), None, Some(2.0), None, Some(3.0)];
        assert_eq!(grid.values["ratio"], expected);
    }

    #[test]
    fn columns_are_twice_as_many_as_rows_or_nearest_to_it() {
        for (counts, first) in [
            (&[8, 4, 4][..], 1),
            (&[100, 2, 3], 1),
            (&[2, 30, 20], 2),
            (&[1, 7, 1], 1),
            (&[5, 1, 1], 0),
            (&[1, 6, 8], 2),
        ] {
            assert_eq!(split(counts), first, "{counts:?}");
        }
    }

    #[test]
    fn many_chunks_become_means() {
        let chunks: Vec<ChunkRow> = (0..1000).map(|n| at(&[n], n as f64)).collect();
        let grid = grid(&chunks).unwrap();
        assert_eq!((grid.columns, grid.reduced), (125, [1, 8]));
        assert_eq!(grid.values["ratio"][1], Some(11.5));
        assert!(super::grid(&chunks[..1]).is_none());
    }
}
