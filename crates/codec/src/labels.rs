//! Whether integers are labels or keys rather than measurements: a loss would then hit identities, not noise.
//!
//! Looks at a sample, [`RUNS`] runs of [`RUN`] elements spread over the chunk. They are labels where all of this holds:
//!
//! * more than 1 % of the elements would change;
//! * there are 2 to [`MAX_UNIQUE`] different values, and at least half of them would change;
//! * the loss merges no two of them (so it saves nothing), or more than half of the elements that would change equal
//!   their left neighbour (areas of one value; noise of σ counts does so with probability 1/(2√π σ)).
//!
//! One value alone is no label and no measurement: it is kept, which costs nothing. Zeros that may be padding
//! (`padding.rs`) are not looked at.
//!
//! Data that already went through the loss would not change, so encoding again never refuses what it wrote.

use std::collections::HashMap;

use crate::numbers::Number;
use crate::padding::may_be_padded;
use crate::{Chunk, Error};

const RUNS: usize = 64;
const RUN: usize = 256;
const MAX_UNIQUE: usize = 256;
/// Fewer elements prove nothing.
const MIN_SAMPLE: usize = 1024;

/// What elements are that are no labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Values {
    /// Measurements, or too few to say.
    Measured,
    /// One value, which a loss would change.
    Constant,
}

/// Refuses elements that are labels. `decoded` gives what an element would become, `None` for masked ones.
pub(crate) fn refuse_labels<T: Number>(
    chunk: &Chunk,
    mut decoded: impl FnMut(T) -> Option<T>,
) -> Result<Values, Error> {
    let Chunk {
        spec,
        layout,
        bytes,
    } = *chunk;
    let order = layout.element.order;
    let is_padded = may_be_padded(layout, bytes);
    let mut unique: HashMap<u64, u64> = HashMap::new();
    let (mut sampled, mut changed, mut repeated) = (0, 0, 0);
    for run in runs(bytes.len() / T::BYTES) {
        let mut left = None;
        for bytes in bytes[run.start * T::BYTES..run.end * T::BYTES].chunks_exact(T::BYTES) {
            let value = T::read(bytes, order);
            let bits = value.to_bits();
            let known = unique.get(&bits).copied();
            if is_padded && bits == 0 {
                left = None;
                continue;
            }
            let Some(becomes) = known.or_else(|| decoded(value).map(T::to_bits)) else {
                left = None;
                continue;
            };
            if known.is_none() {
                if unique.len() == MAX_UNIQUE {
                    return Ok(Values::Measured);
                }
                unique.insert(bits, becomes);
            }
            sampled += 1;
            if becomes != bits {
                changed += 1;
                repeated += usize::from(left == Some(bits));
            }
            left = Some(bits);
        }
    }
    let unique_changed = unique.iter().filter(|(from, to)| from != to).count();
    let mut levels: Vec<u64> = unique.values().copied().collect();
    levels.sort_unstable();
    levels.dedup();
    let merges = levels.len() < unique.len();
    let labels = sampled >= MIN_SAMPLE
        && changed * 100 > sampled
        && unique.len() >= 2
        && unique_changed * 2 >= unique.len()
        && (!merges || repeated * 2 > changed);
    if labels {
        return Err(Error::Refused(format!(
            "{}: these integers look like labels or keys ({} different values), and a loss would change {} of \
             them; store them with dictionary",
            spec.codec().name,
            unique.len(),
            unique_changed
        )));
    }
    let is_constant = sampled >= MIN_SAMPLE && unique.len() == 1 && changed > 0;
    Ok(match is_constant {
        true => Values::Constant,
        false => Values::Measured,
    })
}

fn runs(elements: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let stride = (elements / RUNS).max(RUN);
    (0..elements)
        .step_by(stride)
        .map(move |start| start..(start + RUN).min(elements))
}
