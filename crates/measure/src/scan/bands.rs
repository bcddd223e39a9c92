//! Which part of a dataset a scan looks at, and which it keeps back to verify what it chose.
//!
//! A dataset is cut into bands along one axis: all chunks that have the same place there. Bands are taken
//! * at random frames, spread over what the data are like: sorted by stored size, or by mean where nothing is compressed,
//!   with the extremes on the side of the search;
//! * as two runs of neighbours, for what is correlated in time;
//! * as every n-th, for projections, where a reconstruction needs all angles; what is chosen is tried on all of them as
//!   well where they are few enough, since artefacts of angles that are left out look like noise;
//! * or all of them, where nothing less will do. Then nothing is kept back.

use anyhow::anyhow;
use etalon_metrics::Part;

use crate::chunk_source::{ChunkSource, Decoder, Loaded};
use crate::dataset::Dataset;
use crate::fault::Fault;
use crate::random::Random;
use crate::requirement::SamplePolicy;
use crate::typed_values::TypedValues;

/// Raw bytes that are held in memory at most, in one of the parts.
const MOST_BYTES: u64 = 1 << 30;
/// Bands that are sorted, for each one that is taken.
const POOL: u64 = 4;
/// A run, and the projections of a scan, are so many times larger than bands that need no neighbours.
const CONNECTED: u64 = 4;

/// Bands of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bands {
    /// The axis they are cut along.
    pub(crate) axis: usize,
    /// Those that settings are tried on, ascending.
    pub(crate) search: Vec<u64>,
    /// Those that the chosen setting is verified on, one set after another until one holds; ascending.
    pub(crate) held_out: Vec<Vec<u64>>,
    /// Bands that the dataset has.
    pub(crate) count: u64,
    /// Whether a part of them says less of reconstructions than all.
    pub(crate) are_sparse: bool,
    /// Whether all are few enough to be looked at together.
    pub(crate) are_few: bool,
}

impl Bands {
    /// Whether every band is looked at.
    pub(crate) fn cover_all(&self) -> bool {
        let held_out: usize = self.held_out.iter().map(Vec::len).sum();
        (self.search.len() + held_out) as u64 == self.count
    }

    /// The bands of a dataset from which `part` of it is seen.
    pub(crate) fn choose(
        dataset: &Dataset,
        source: &ChunkSource<'_>,
        part: Part,
        policy: &SamplePolicy,
    ) -> Result<Self, Fault> {
        let dimensions = dataset.shape.len();
        let part = match part {
            // A single frame, or a table, has no frames to choose from.
            Part::Frames | Part::Run | Part::Slices if dimensions < 3 => Part::Whole,
            part => part,
        };
        let rows_axis = dimensions.saturating_sub(2);
        let chunk = source.chunk_shape();
        let has_rows = dimensions >= 3 && chunk[rows_axis] * 2 <= dataset.shape[rows_axis];
        let axis = match part {
            Part::Slices if has_rows => rows_axis,
            _ => 0,
        };
        let cut = Cut::new(dataset, source, axis);
        match part {
            Part::Whole => cut.all(dataset),
            Part::Run => Ok(cut.runs(policy)),
            Part::Slices if !has_rows => Ok(cut.every_nth(policy)),
            Part::Elements | Part::Frames | Part::Slices => {
                let (pool, wanted) = cut.pool(policy);
                let sorted = sorted_by_content(dataset, source, &cut, pool)?;
                Ok(Self {
                    are_few: cut.are_few(policy),
                    ..cut.spread(sorted, wanted)
                })
            }
        }
    }
}

/// How a dataset falls into bands.
struct Cut {
    axis: usize,
    count: u64,
    band_bytes: u64,
    chunks_in_band: u64,
}

impl Cut {
    fn new(dataset: &Dataset, source: &ChunkSource<'_>, axis: usize) -> Self {
        let (shape, chunk) = (&dataset.shape, source.chunk_shape());
        let cells: Vec<u64> = shape
            .iter()
            .zip(chunk)
            .map(|(s, c)| s.div_ceil(*c))
            .collect();
        let count = cells.get(axis).copied().unwrap_or(1).max(1);
        let chunks: u64 = cells.iter().product::<u64>().max(1);
        Self {
            axis,
            count,
            chunks_in_band: chunks / count,
            band_bytes: (chunks / count * source.chunk_bytes() as u64).max(1),
        }
    }

    /// Bands that have `bytes`, and `least_chunks`, but not more than memory allows.
    fn wanted(&self, bytes: u64, least_chunks: usize) -> u64 {
        let least = (least_chunks as u64).div_ceil(self.chunks_in_band);
        let most = (MOST_BYTES / self.band_bytes).max(1);
        (bytes / self.band_bytes).max(least).clamp(1, most)
    }

    /// Whether all bands together are not much larger than what is looked at anyway.
    fn are_few(&self, policy: &SamplePolicy) -> bool {
        let parts = policy.bytes.saturating_add(policy.held_out_bytes);
        let most_bytes = CONNECTED.saturating_mul(parts).min(MOST_BYTES);
        self.count.saturating_mul(self.band_bytes) <= most_bytes
    }

    fn all(&self, dataset: &Dataset) -> Result<Bands, Fault> {
        if dataset.raw_bytes() > MOST_BYTES {
            return Err(Fault::Arguments(anyhow!(
                "{}: a limit of this requirement needs the whole dataset in memory, and {} bytes are too many; leave out \
                 that limit, or scan a smaller dataset of the same kind",
                dataset.path,
                dataset.raw_bytes()
            )));
        }
        Ok(Bands {
            axis: self.axis,
            count: self.count,
            search: (0..self.count).collect(),
            held_out: Vec::new(),
            are_sparse: false,
            are_few: false,
        })
    }

    /// A run in either half of the dataset.
    fn runs(&self, policy: &SamplePolicy) -> Bands {
        let half = self.count / 2;
        if half == 0 {
            return self.only_search();
        }
        let mut random = Random::new(policy.seed);
        let mut run = |bytes: u64, first: u64, end: u64| {
            let wanted = self.wanted(CONNECTED * bytes, policy.least_chunks);
            let len = wanted.min(end - first);
            let start = first + random.below(end - first - len + 1);
            start..start + len
        };
        let search = run(policy.bytes, 0, half);
        let held_out = run(policy.held_out_bytes, half, self.count);
        Bands {
            axis: self.axis,
            count: self.count,
            search: search.collect(),
            held_out: vec![held_out.collect()],
            are_sparse: false,
            are_few: self.are_few(policy),
        }
    }

    /// Every n-th band from the first, and those after them.
    fn every_nth(&self, policy: &SamplePolicy) -> Bands {
        if self.count < 4 {
            return self.only_search();
        }
        let wanted = self.wanted(CONNECTED * policy.bytes, policy.least_chunks);
        let step = self.count.div_ceil(wanted).max(2) as usize;
        Bands {
            axis: self.axis,
            count: self.count,
            search: (0..self.count).step_by(step).collect(),
            held_out: vec![(1..self.count).step_by(step).collect()],
            are_sparse: true,
            are_few: self.are_few(policy),
        }
    }

    fn only_search(&self) -> Bands {
        Bands {
            axis: self.axis,
            count: self.count,
            search: (0..self.count).collect(),
            held_out: Vec::new(),
            are_sparse: false,
            are_few: false,
        }
    }

    /// Bands to choose from, and how many of them to take for the search and to keep back.
    fn pool(&self, policy: &SamplePolicy) -> (Vec<u64>, [u64; 2]) {
        let mut search = self.wanted(policy.bytes, policy.least_chunks);
        let mut held_out = self.wanted(policy.held_out_bytes, policy.least_chunks);
        if search + held_out > self.count {
            held_out = held_out.min(self.count.div_ceil(3)).min(self.count - 1);
            search = search.min(self.count - held_out);
        }
        let size = (POOL * (search + held_out)).min(self.count);
        let mut random = Random::new(policy.seed);
        let place = |at: u64| {
            let (first, end) = (at * self.count / size, (at + 1) * self.count / size);
            first + random.below(end - first)
        };
        ((0..size).map(place).collect(), [search, held_out])
    }

    /// Takes bands from a pool that is sorted by content: evenly, the extremes for the search.
    fn spread(&self, sorted: Vec<u64>, [search, held_out]: [u64; 2]) -> Bands {
        let mut rest = sorted;
        let search = take_evenly(&mut rest, search as usize);
        let held_out = take_evenly(&mut rest, held_out as usize);
        // The first set tells whether the choice is too bold, the second whether the bolder one after it holds.
        let sets = if held_out.len() >= 4 { 2 } else { 1 };
        let part = |set: usize| {
            let mut bands: Vec<u64> = held_out.iter().skip(set).step_by(sets).copied().collect();
            bands.sort_unstable();
            bands
        };
        let held_out = (0..sets).map(part).filter(|set| !set.is_empty()).collect();
        let mut search = search;
        search.sort_unstable();
        Bands {
            axis: self.axis,
            count: self.count,
            search,
            held_out,
            are_sparse: false,
            are_few: false,
        }
    }
}

/// Takes `count` elements evenly, the first and the last among them.
fn take_evenly(from: &mut Vec<u64>, count: usize) -> Vec<u64> {
    let last = from.len().saturating_sub(1);
    let count = count.min(from.len());
    let place = |at: usize| match count {
        0 | 1 => last / 2,
        _ => at * last / (count - 1),
    };
    let mut taken: Vec<u64> = (0..count).map(|at| from[place(at)]).collect();
    taken.dedup();
    from.retain(|band| !taken.contains(band));
    taken
}

/// The bands in the order of what they hold: of their stored size where they are compressed, else of the mean of a chunk.
fn sorted_by_content(
    dataset: &Dataset,
    source: &ChunkSource<'_>,
    cut: &Cut,
    pool: Vec<u64>,
) -> Result<Vec<u64>, Fault> {
    let extent = source.chunk_shape().get(cut.axis).copied().unwrap_or(1);
    let mut content = vec![0.0; cut.count as usize];
    if dataset.filters.is_empty() {
        let mut decoder = source.decoder();
        for &band in &pool {
            content[band as usize] = middle_mean(dataset, source, &mut decoder, cut.axis, band)?;
        }
    } else {
        for chunk in dataset.stored_chunks()? {
            let band = chunk.offset.get(cut.axis).map_or(0, |start| start / extent);
            if let Some(sum) = content.get_mut(band as usize) {
                *sum += chunk.stored_bytes as f64;
            }
        }
    }
    let mut sorted = pool;
    sorted.sort_by(|a, b| content[*a as usize].total_cmp(&content[*b as usize]));
    Ok(sorted)
}

/// The mean of the chunk in the middle of a band.
fn middle_mean(
    dataset: &Dataset,
    source: &ChunkSource<'_>,
    decoder: &mut Decoder,
    axis: usize,
    band: u64,
) -> Result<f64, Fault> {
    let chunk = source.chunk_shape();
    let middle = dataset.shape.iter().zip(chunk).enumerate();
    let offset: Vec<u64> = middle
        .map(|(at, (extent, chunk))| match at == axis {
            true => band * chunk,
            false => extent / 2 / chunk * chunk,
        })
        .collect();
    let (mut loaded, mut raw) = (Loaded::default(), Vec::new());
    source.load_or_fill(source.grid().number(&offset), &mut loaded)?;
    decoder
        .decode(&mut loaded, &mut raw)
        .map_err(Fault::Input)?;
    let numbers = dataset.element.and_then(|element| {
        let mut typed = TypedValues::new(&element)?;
        typed.load(&element, &raw);
        Some(typed.to_f64())
    });
    let numbers = numbers.unwrap_or_default();
    let finite = || numbers.iter().filter(|number| number.is_finite());
    Ok(finite().sum::<f64>() / finite().count().max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(count: u64, band_bytes: u64) -> Cut {
        Cut {
            axis: 0,
            count,
            band_bytes,
            chunks_in_band: 1,
        }
    }

    /// All bands are different.
    fn check(bands: &Bands) {
        let mut all = bands.search.clone();
        all.extend(bands.held_out.iter().flatten());
        let len = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), len, "{bands:?}");
    }

    #[test]
    fn bands_are_spread_over_what_they_hold() {
        let policy = SamplePolicy::default();
        let cut = cut(1000, 1 << 20);
        let (pool, wanted) = cut.pool(&policy);
        assert_eq!((pool.len(), wanted), (384, [48, 48]));
        let bands = cut.spread(pool.clone(), wanted);
        check(&bands);
        let (first, last) = (pool[0], pool[pool.len() - 1]);
        assert!(bands.search.contains(&first) && bands.search.contains(&last));
        assert_eq!(bands.held_out.len(), 2);
        assert_eq!(
            bands,
            cut.spread(cut.pool(&policy).0, wanted),
            "the seed decides"
        );
    }

    #[test]
    fn few_bands_are_shared_out() {
        let policy = SamplePolicy::default();
        for count in 1..40 {
            let cut = cut(count, 100 << 20);
            let (pool, wanted) = cut.pool(&policy);
            let bands = cut.spread(pool, wanted);
            check(&bands);
            assert!(!bands.search.is_empty());
            assert_eq!(bands.held_out.is_empty(), count == 1, "{count}");
            for bands in [cut.runs(&policy), cut.every_nth(&policy)] {
                check(&bands);
                assert!(!bands.search.is_empty());
            }
        }
    }

    #[test]
    fn runs_have_no_gaps_and_lie_apart() {
        let bands = cut(500, 1 << 20).runs(&SamplePolicy::default());
        check(&bands);
        assert_eq!(bands.search.len(), 192);
        assert!(bands.search.windows(2).all(|pair| pair[1] == pair[0] + 1));
        assert!(bands.held_out[0][0] >= 250);
    }

    #[test]
    fn projections_are_taken_over_all_angles() {
        let bands = cut(720, 4 << 20).every_nth(&SamplePolicy::default());
        check(&bands);
        assert_eq!(bands.search[..2], [0, 15]);
        assert_eq!(bands.held_out[0][..2], [1, 16]);
    }
}
