//! The pixels of regions in one frame, and their products with those of another frame.
//!
//! Where few of them are not zero, as in photon counting at low flux, products are taken at those only.

/// Values of the pixels, one region after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct RegionPixels {
    pub(crate) values: Vec<f64>,
    /// By region.
    pub(crate) means: Vec<f64>,
    /// Indices into `values` of those that are not zero; meaningless unless `few`.
    nonzero: Vec<u32>,
    /// Where each region begins in `nonzero`, and where the last one ends.
    nonzero_bounds: Vec<usize>,
    few: bool,
}

/// A product at an index that has to be looked up costs about as much as this many in a row.
const LOOKUP_COST: usize = 8;

impl RegionPixels {
    /// Finds the means and what is not zero, after `values` were written. `bounds` as in `Selection`.
    pub(crate) fn prepare(&mut self, bounds: &[usize]) {
        let mean = |region: &[usize]| {
            let values = &self.values[region[0]..region[1]];
            sum(values) / values.len() as f64
        };
        self.means = bounds.windows(2).map(mean).collect();
        self.few = self.find_nonzero(bounds).is_some();
    }

    /// `None` where there are too many to be worth it.
    fn find_nonzero(&mut self, bounds: &[usize]) -> Option<()> {
        let most = self.values.len() / LOOKUP_COST;
        self.nonzero.clear();
        self.nonzero_bounds.clear();
        self.nonzero_bounds.push(0);
        for region in bounds.windows(2) {
            for at in region[0]..region[1] {
                if self.values[at] != 0.0 {
                    self.nonzero.push(at as u32);
                }
                if self.nonzero.len() > most {
                    return None;
                }
            }
            self.nonzero_bounds.push(self.nonzero.len());
        }
        Some(())
    }

    /// The mean over a region of the products with the pixels of another frame.
    pub(crate) fn mean_product(&self, other: &Self, region: usize, bounds: &[usize]) -> f64 {
        let range = bounds[region]..bounds[region + 1];
        let count = range.len() as f64;
        if !self.few {
            return dot(&self.values[range.clone()], &other.values[range]) / count;
        }
        let nonzero = &self.nonzero[self.nonzero_bounds[region]..self.nonzero_bounds[region + 1]];
        let product = |at: &u32| self.values[*at as usize] * other.values[*at as usize];
        nonzero.iter().map(product).sum::<f64>() / count
    }
}

const LANES: usize = 8;

/// Σ a b, in as many sums as fill the registers.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (a_blocks, b_blocks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_blocks.remainder().iter().zip(b_blocks.remainder());
    let rest: f64 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in a_blocks.zip(b_blocks) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Σ a, in as many sums as fill the registers.
fn sum(a: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let blocks = a.chunks_exact(LANES);
    let rest: f64 = blocks.remainder().iter().sum();
    for block in blocks {
        for lane in 0..LANES {
            lanes[lane] += block[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(values: Vec<f64>, bounds: &[usize]) -> RegionPixels {
        let mut pixels = RegionPixels {
            values,
            ..RegionPixels::default()
        };
        pixels.prepare(bounds);
        pixels
    }

    #[test]
    fn few_and_many_nonzero_pixels_give_the_same_products() {
        let bounds = [0, 37, 100];
        let other = pixels((0..100).map(|at| f64::from(at % 7)).collect(), &bounds);
        for every in [1, 3, 20, 200] {
            let values: Vec<f64> = (0..100)
                .map(|at| {
                    if at % every == 5 % every {
                        f64::from(at + 1)
                    } else {
                        0.0
                    }
                })
                .collect();
            let some = pixels(values.clone(), &bounds);
            assert_eq!(some.few, every >= 20, "every {every}");
            for region in 0..2 {
                let range = bounds[region]..bounds[region + 1];
                let pairs = values[range.clone()]
                    .iter()
                    .zip(&other.values[range.clone()]);
                let expected: f64 = pairs.map(|(a, b)| a * b).sum();
                let product = some.mean_product(&other, region, &bounds);
                assert_eq!(product, expected / range.len() as f64, "every {every}");
            }
        }
    }

    #[test]
    fn an_empty_region_has_no_mean() {
        let empty = pixels(vec![], &[0, 0]);
        assert!(empty.means[0].is_nan());
        assert!(empty.mean_product(&empty, 0, &[0, 0]).is_nan());
    }
}
