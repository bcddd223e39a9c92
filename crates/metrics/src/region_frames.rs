//! The pixels of regions out of frames that come in order, with one set of pixels for all frames.
//!
//! A correlation over time needs the same pixels throughout: a pixel that is not valid in some frame is left out of all.
//! A detector's mask is in the first frame already. Where a later frame shows another invalid pixel, what was done so far
//! is void: the rest of the frames is only searched for more of them, and then all are needed once more. A frame with no
//! valid pixel in any region is a missing frame and says nothing about pixels.

use crate::frames::{Frames, Sample, Values, for_values};
use crate::regions::{Region, Selection};
use crate::{Settings, Shape};

/// Which pixels are used, as far as is known.
#[derive(Debug, Clone)]
pub(crate) struct RegionFrames {
    regions: Vec<Region>,
    shape: Shape,
    usable: Vec<bool>,
    pub(crate) selection: Selection,
    good_frames: usize,
    /// Whether a pixel turned out to be invalid after frames were used.
    void: bool,
}

/// What is to be done with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Take its pixels.
    Take,
    /// Take its pixels, which are others than those announced before, and the first.
    TakeFirst,
    /// It is missing in the series.
    Missing,
    /// Leave it: all frames are needed once more.
    Leave,
}

impl RegionFrames {
    pub(crate) fn new(settings: &Settings, shape: Shape) -> Self {
        let usable = vec![true; shape.rows * shape.columns];
        Self {
            selection: Selection::new(&settings.regions, shape, &usable),
            regions: settings.regions.clone(),
            shape,
            usable,
            good_frames: 0,
            void: false,
        }
    }

    /// Looks at the mask of the next frame.
    pub(crate) fn next(&mut self, valid: Option<&[bool]>) -> Use {
        let pixels = &self.selection.pixels;
        let invalid = valid.map_or(0, |valid| {
            pixels.iter().filter(|pixel| !valid[**pixel]).count()
        });
        if invalid > 0 && invalid == pixels.len() {
            return if self.void { Use::Leave } else { Use::Missing };
        }
        if invalid > 0 {
            let valid = valid.unwrap_or_default();
            for pixel in pixels {
                self.usable[*pixel] &= valid[*pixel];
            }
            self.void |= self.good_frames > 0;
        }
        if self.void {
            return Use::Leave;
        }
        self.good_frames += 1;
        if invalid > 0 {
            self.selection = Selection::new(&self.regions, self.shape, &self.usable);
            return Use::TakeFirst;
        }
        Use::Take
    }

    /// Whether all frames are needed once more, after all were seen; begins anew then.
    pub(crate) fn again(&mut self) -> bool {
        let again = self.void;
        if again {
            self.selection = Selection::new(&self.regions, self.shape, &self.usable);
            self.good_frames = 0;
            self.void = false;
        }
        again
    }

    /// Appends the pixels of frame `at` of `frames`.
    pub(crate) fn gather(
        &self,
        values: Values<'_>,
        frames: &Frames<'_>,
        at: usize,
        into: &mut Vec<f64>,
    ) {
        let range = at * frames.frame_len()..(at + 1) * frames.frame_len();
        for_values!(values, |slice| {
            let frame = &slice[range];
            into.extend(
                self.selection
                    .pixels
                    .iter()
                    .map(|pixel| frame[*pixel].to_f64()),
            );
        });
    }
}
