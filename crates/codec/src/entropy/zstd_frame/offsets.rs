//! The three repeated offsets of a zstd frame.

/// Offsets that a sequence may name by a number from 1 to 3, the latest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offsets([u32; 3]);

impl Default for Offsets {
    /// Those at the beginning of a frame (RFC 8878, 3.1.1.5).
    fn default() -> Self {
        Self([1, 4, 8])
    }
}

impl Offsets {
    /// The "Offset_Value" of an offset behind `literals` literals, after which it is the latest.
    ///
    /// Without literals the numbers mean the second, the third, and the first less one: the first itself is of no use there,
    /// because the match before would have been longer.
    pub(super) fn value_of(&mut self, offset: u32, literals: u32) -> u32 {
        let [first, second, third] = self.0;
        let shift = u32::from(literals == 0);
        if offset == first && literals > 0 {
            1
        } else if offset == second {
            self.0 = [second, first, third];
            2 - shift
        } else if offset == third {
            self.0 = [third, first, second];
            3 - shift
        } else {
            self.0 = [offset, first, second];
            offset + 3
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_numbered_by_how_late_they_were_used() {
        let mut offsets = Offsets::default();
        assert_eq!(offsets.value_of(1, 5), 1);
        assert_eq!(offsets.value_of(1000, 0), 1003);
        assert_eq!(offsets, Offsets([1000, 1, 4]));
        assert_eq!(offsets.value_of(1, 2), 2);
        assert_eq!(offsets, Offsets([1, 1000, 4]));
        assert_eq!(offsets.value_of(1000, 0), 1);
        assert_eq!(offsets.value_of(4, 0), 2);
        assert_eq!(offsets, Offsets([4, 1000, 1]));
        assert_eq!(offsets.value_of(1, 1), 3);
    }

    #[test]
    fn the_latest_offset_has_no_number_without_literals() {
        let mut offsets = Offsets::default();
        assert_eq!(offsets.value_of(1, 0), 4);
        assert_eq!(offsets, Offsets([1, 1, 4]));
    }
}
