//! Number of connected foreground regions of a volume that comes slice by slice, as scikit-image's `label` counts them.
//!
//! Voxels that share a face, an edge or a corner are connected (26 neighbours; 8 within a slice). Only labels of the last
//! slice are kept: components = labels made − unions of two that were apart.

/// Components so far.
#[derive(Debug, Clone)]
pub struct Components {
    columns: usize,
    /// Labels of the last slice, 0 for background.
    last: Vec<u32>,
    /// Parents of the labels of the last slice; a root is its own.
    parents: Vec<u32>,
    count: u64,
}

impl Components {
    /// Nothing yet.
    pub fn new(rows: usize, columns: usize) -> Self {
        Self {
            columns,
            last: vec![0; rows * columns],
            parents: vec![0],
            count: 0,
        }
    }

    /// Components of the slices so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The next slice.
    pub fn add(&mut self, foreground: &[bool]) {
        let mut labels = vec![0; foreground.len()];
        for at in (0..foreground.len()).filter(|at| foreground[*at]) {
            labels[at] = self.label(&labels, at);
        }
        self.renumber(&mut labels);
        self.last = labels;
    }

    /// What follows does not touch what came before.
    pub fn separate(&mut self) {
        self.last.fill(0);
        self.parents.truncate(1);
    }

    /// The label of a foreground voxel, which unites those it touches.
    fn label(&mut self, labels: &[u32], at: usize) -> u32 {
        let column = at % self.columns;
        let (left, right) = (column > 0, column + 1 < self.columns);
        let (up, down) = (at >= self.columns, at + self.columns < labels.len());
        let mut label = 0;
        let mut touch = |this: &mut Self, neighbour: u32| {
            if neighbour != 0 {
                label = if label == 0 {
                    neighbour
                } else {
                    this.unite(label, neighbour)
                };
            }
            neighbour != 0
        };
        // All other neighbours in a slice touch the one above (in the slice) or the same pixel (in the last slice).
        if !(up && touch(self, labels[at - self.columns])) {
            if left {
                touch(self, labels[at - 1]);
            }
            if up && left {
                touch(self, labels[at - self.columns - 1]);
            }
            if up && right {
                touch(self, labels[at - self.columns + 1]);
            }
        }
        if !touch(self, self.last[at]) {
            for (inside, start) in [
                (up, at.wrapping_sub(self.columns)),
                (true, at),
                (down, at + self.columns),
            ] {
                if inside {
                    touch(self, self.last[start]);
                    if left {
                        touch(self, self.last[start - 1]);
                    }
                    if right {
                        touch(self, self.last[start + 1]);
                    }
                }
            }
        }
        if label == 0 {
            label = self.parents.len() as u32;
            self.parents.push(label);
            self.count += 1;
        }
        label
    }

    fn root(&mut self, mut label: u32) -> u32 {
        while self.parents[label as usize] != label {
            let parent = self.parents[label as usize];
            self.parents[label as usize] = self.parents[parent as usize];
            label = parent;
        }
        label
    }

    fn unite(&mut self, a: u32, b: u32) -> u32 {
        let (a, b) = (self.root(a), self.root(b));
        if a != b {
            self.parents[a.max(b) as usize] = a.min(b);
            self.count -= 1;
        }
        a.min(b)
    }

    /// Numbers the components of a slice from 1, so that labels do not grow with the volume.
    fn renumber(&mut self, labels: &mut [u32]) {
        let mut numbers = vec![0; self.parents.len()];
        let mut used = 0;
        for label in labels.iter_mut().filter(|label| **label != 0) {
            let number = &mut numbers[self.root(*label) as usize];
            if *number == 0 {
                used += 1;
                *number = used;
            }
            *label = *number;
        }
        self.parents = (0..=used).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rows: usize, columns: usize, slices: &[&str]) -> u64 {
        let mut components = Components::new(rows, columns);
        for slice in slices {
            let foreground: Vec<bool> = slice.chars().map(|c| c == '#').collect();
            components.add(&foreground);
        }
        components.count()
    }

    #[test]
    fn corners_connect_within_and_between_slices() {
        assert_eq!(count(3, 3, &["#...#...#"]), 1);
        assert_eq!(count(3, 3, &["#.#...#.#"]), 4);
        assert_eq!(count(3, 3, &["#.......#", "....#...."]), 1);
        assert_eq!(count(3, 3, &["#.......#", ".........", "....#...."]), 3);
    }

    #[test]
    fn branches_that_meet_later_are_one() {
        assert_eq!(count(2, 5, &["#.#.####.#"]), 1 + 1);
        assert_eq!(count(1, 5, &["#...#", "#...#", "#####"]), 1);
        assert_eq!(count(3, 5, &["#.#.##.#.######"]), 1);
    }

    #[test]
    fn separate_slices_do_not_touch() {
        let mut components = Components::new(1, 2);
        components.add(&[true, true]);
        components.separate();
        components.add(&[true, true]);
        assert_eq!(components.count(), 2);
    }

    #[test]
    fn empty_slices_have_none() {
        assert_eq!(count(2, 2, &["....", "...."]), 0);
        assert_eq!(count(0, 0, &[""]), 0);
    }
}
