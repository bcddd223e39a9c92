//! A part of a dataset cut into slabs of whole frames, in the order in which frames follow each other.
//!
//! A frame is what the last two dimensions span. The dimensions before them, however many, run over frames with the last
//! one fastest. A slab spans as many of them as fit into a limit; along the first that does not fit it takes whole
//! chunks where they fit.

/// A box of elements that is one piece in the order of the dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slab {
    /// Coordinates of its first element.
    pub(crate) offset: Vec<u64>,
    /// Its extents.
    pub(crate) extents: Vec<u64>,
    /// Number of its first frame, counted from the part's first.
    pub(crate) first: usize,
    /// Number of frames.
    pub(crate) count: usize,
}

/// A box of a dataset, seen as frames.
#[derive(Debug, Clone)]
pub(crate) struct Slabs {
    offset: Vec<u64>,
    extents: Vec<u64>,
    /// The dimension that is cut, and how many of its elements a slab takes.
    cut: Option<(usize, u64)>,
}

impl Slabs {
    /// The slabs of the box at `offset` of `extents`, of at most `limit` bytes unless a frame is larger.
    pub(crate) fn new(
        offset: Vec<u64>,
        extents: Vec<u64>,
        chunk: Option<&[u64]>,
        element_bytes: usize,
        limit: u64,
    ) -> Self {
        let leading = extents.len().saturating_sub(2);
        let mut bytes = extents[leading..].iter().product::<u64>().max(1) * element_bytes as u64;
        let mut cut = None;
        for dimension in (0..leading).rev() {
            if bytes.saturating_mul(extents[dimension]) > limit {
                let fitting = (limit / bytes).max(1);
                let chunk = chunk.map_or(1, |chunk| chunk[dimension]);
                let whole_chunks = fitting / chunk * chunk;
                let step = if whole_chunks == 0 {
                    fitting
                } else {
                    whole_chunks
                };
                cut = Some((dimension, step));
                break;
            }
            bytes *= extents[dimension];
        }
        Self {
            offset,
            extents,
            cut,
        }
    }

    /// Frames, rows and columns.
    pub(crate) fn shape(&self) -> (usize, usize, usize) {
        let (leading, frame) = self.extents.split_at(self.extents.len().saturating_sub(2));
        let (rows, columns) = match *frame {
            [] => (1, 1),
            [columns] => (1, columns),
            [rows, columns, ..] => (rows, columns),
        };
        let frames = leading.iter().product::<u64>();
        (frames as usize, rows as usize, columns as usize)
    }

    /// The slabs in order; none where there are no elements.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Slab> {
        let (dimension, step) = self
            .cut
            .unwrap_or((0, self.extents.first().copied().unwrap_or(1).max(1)));
        let is_empty = self.extents.contains(&0);
        let outer: u64 = self.extents[..dimension].iter().product();
        let along = self.extents.get(dimension).copied().unwrap_or(1);
        let outer = if is_empty { 0 } else { outer };
        (0..outer).flat_map(move |number| {
            (0..along.div_ceil(step)).map(move |at| self.slab(dimension, number, at * step, step))
        })
    }

    fn slab(&self, dimension: usize, number: u64, start: u64, step: u64) -> Slab {
        let mut offset = self.offset.clone();
        let mut extents = self.extents.clone();
        let mut rest = number;
        for outer in (0..dimension).rev() {
            offset[outer] += rest % self.extents[outer];
            rest /= self.extents[outer];
            extents[outer] = 1;
        }
        if let Some(extent) = extents.get_mut(dimension) {
            offset[dimension] += start;
            *extent = step.min(*extent - start);
        }
        let leading = extents.len().saturating_sub(2);
        let count: u64 = extents[..leading].iter().product();
        let inner: u64 = self
            .extents
            .get(dimension + 1..leading)
            .map_or(1, |inner| inner.iter().product());
        let first = match dimension < leading {
            true => (number * self.extents[dimension] + start) * inner,
            false => 0,
        };
        Slab {
            offset,
            extents,
            first: first as usize,
            count: count as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of all slabs follow each other without gap, and no slab is larger than it may be.
    fn check(extents: &[u64], chunk: Option<&[u64]>, limit: u64) -> Vec<Slab> {
        let slabs = Slabs::new(vec![0; extents.len()], extents.to_vec(), chunk, 1, limit);
        let (frames, rows, columns) = slabs.shape();
        let all: Vec<Slab> = slabs.iter().collect();
        let mut next = 0;
        for slab in &all {
            assert_eq!(slab.first, next, "{extents:?} {limit}");
            let bytes: u64 = slab.extents.iter().product();
            assert!(bytes <= limit.max((rows * columns) as u64));
            assert_eq!(bytes as usize, slab.count * rows * columns);
            next += slab.count;
        }
        assert_eq!(next, if extents.contains(&0) { 0 } else { frames });
        all
    }

    #[test]
    fn frames_follow_each_other() {
        for limit in [1, 12, 24, 25, 60, 100, 120, 1000] {
            for extents in [
                &[][..],
                &[7],
                &[3, 4],
                &[5, 3, 4],
                &[2, 5, 3, 4],
                &[3, 2, 5, 3, 4],
                &[0, 3, 4],
                &[5, 0, 4],
            ] {
                check(extents, None, limit);
            }
        }
    }

    #[test]
    fn slabs_take_whole_chunks_where_they_fit() {
        let slabs = check(&[20, 3, 4], Some(&[4, 3, 4]), 12 * 10);
        assert_eq!(slabs[0].extents, [8, 3, 4]);
        let slabs = check(&[20, 3, 4], Some(&[16, 3, 4]), 12 * 10);
        assert_eq!(slabs[0].extents, [10, 3, 4]);
    }

    #[test]
    fn a_part_begins_at_its_offset() {
        let slabs = Slabs::new(vec![4, 1, 2], vec![3, 2, 2], None, 2, 8);
        let all: Vec<Slab> = slabs.iter().collect();
        assert_eq!((all.len(), all[2].offset.clone()), (3, vec![6, 1, 2]));
        assert_eq!(all[2].first, 2);
    }
}
