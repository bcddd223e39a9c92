//! Which reflections are equivalent: the eleven Laue groups, with Friedel mates together.
//!
//! International Tables for Crystallography A: monoclinic with b unique, trigonal on hexagonal axes. Every index is replaced
//! by the largest of its equivalents, which is as good as any asymmetric unit.

use serde::{Deserialize, Serialize};

/// A rotation of Miller indices: rows of what each new index is made of.
type Rotation = [[i32; 3]; 3];

/// Symmetry of a diffraction pattern.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum LaueGroup {
    /// Indices are reduced already.
    #[default]
    #[serde(rename = "reduced")]
    Reduced,
    #[serde(rename = "-1")]
    Triclinic,
    #[serde(rename = "2/m")]
    Monoclinic,
    #[serde(rename = "mmm")]
    Orthorhombic,
    #[serde(rename = "4/m")]
    TetragonalLow,
    #[serde(rename = "4/mmm")]
    TetragonalHigh,
    #[serde(rename = "-3")]
    Trigonal,
    #[serde(rename = "-3m1")]
    TrigonalM1,
    #[serde(rename = "-31m")]
    Trigonal1M,
    #[serde(rename = "6/m")]
    HexagonalLow,
    #[serde(rename = "6/mmm")]
    HexagonalHigh,
    #[serde(rename = "m-3")]
    CubicLow,
    #[serde(rename = "m-3m")]
    CubicHigh,
}

const IDENTITY: Rotation = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
const INVERSION: Rotation = [[-1, 0, 0], [0, -1, 0], [0, 0, -1]];
const TWO_A: Rotation = [[1, 0, 0], [0, -1, 0], [0, 0, -1]];
const TWO_B: Rotation = [[-1, 0, 0], [0, 1, 0], [0, 0, -1]];
const TWO_C: Rotation = [[-1, 0, 0], [0, -1, 0], [0, 0, 1]];
/// k, h, −l.
const TWO_DIAGONAL: Rotation = [[0, 1, 0], [1, 0, 0], [0, 0, -1]];
/// −k, −h, −l.
const TWO_ACROSS: Rotation = [[0, -1, 0], [-1, 0, 0], [0, 0, -1]];
const FOUR_C: Rotation = [[0, -1, 0], [1, 0, 0], [0, 0, 1]];
/// k, −h − k, l.
const THREE_C: Rotation = [[0, 1, 0], [-1, -1, 0], [0, 0, 1]];
/// k, l, h.
const THREE_BODY: Rotation = [[0, 1, 0], [0, 0, 1], [1, 0, 0]];

impl LaueGroup {
    /// Replaces every index by one that stands for all its equivalents.
    pub fn reduce(self, indices: &mut [[i32; 3]]) {
        let rotations = self.rotations();
        for index in indices {
            let all = rotations.iter().map(|rotation| rotated(rotation, *index));
            *index = all.max().unwrap_or(*index);
        }
    }

    fn generators(self) -> &'static [Rotation] {
        match self {
            LaueGroup::Reduced | LaueGroup::Triclinic => &[],
            LaueGroup::Monoclinic => &[TWO_B],
            LaueGroup::Orthorhombic => &[TWO_A, TWO_B],
            LaueGroup::TetragonalLow => &[FOUR_C],
            LaueGroup::TetragonalHigh => &[FOUR_C, TWO_DIAGONAL],
            LaueGroup::Trigonal => &[THREE_C],
            LaueGroup::TrigonalM1 => &[THREE_C, TWO_DIAGONAL],
            LaueGroup::Trigonal1M => &[THREE_C, TWO_ACROSS],
            LaueGroup::HexagonalLow => &[THREE_C, TWO_C],
            LaueGroup::HexagonalHigh => &[THREE_C, TWO_C, TWO_DIAGONAL],
            LaueGroup::CubicLow => &[TWO_A, TWO_B, THREE_BODY],
            LaueGroup::CubicHigh => &[FOUR_C, TWO_DIAGONAL, THREE_BODY],
        }
    }

    /// All rotations of the group, made from its generators.
    fn rotations(self) -> Vec<Rotation> {
        let mut rotations = vec![IDENTITY];
        if self == LaueGroup::Reduced {
            return rotations;
        }
        let mut at = 0;
        while at < rotations.len() {
            for generator in self.generators().iter().chain([&INVERSION]) {
                let product = generator.map(|row| {
                    [0, 1, 2].map(|column| (0..3).map(|k| row[k] * rotations[at][k][column]).sum())
                });
                if !rotations.contains(&product) {
                    rotations.push(product);
                }
            }
            at += 1;
        }
        rotations
    }
}

fn rotated(rotation: &Rotation, index: [i32; 3]) -> [i32; 3] {
    // Indices beyond any crystal must not panic.
    rotation.map(|row| {
        (0..3).fold(0_i32, |sum, at| {
            sum.wrapping_add(row[at].wrapping_mul(index[at]))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Group, its order, and whether its axes are hexagonal.
    const GROUPS: [(LaueGroup, usize, bool); 12] = [
        (LaueGroup::Reduced, 1, false),
        (LaueGroup::Triclinic, 2, false),
        (LaueGroup::Monoclinic, 4, false),
        (LaueGroup::Orthorhombic, 8, false),
        (LaueGroup::TetragonalLow, 8, false),
        (LaueGroup::TetragonalHigh, 16, false),
        (LaueGroup::Trigonal, 6, true),
        (LaueGroup::TrigonalM1, 12, true),
        (LaueGroup::Trigonal1M, 12, true),
        (LaueGroup::HexagonalLow, 12, true),
        (LaueGroup::HexagonalHigh, 24, true),
        (LaueGroup::CubicHigh, 48, false),
    ];

    #[test]
    fn a_general_reflection_has_as_many_equivalents_as_the_group_has_rotations() {
        assert_eq!(LaueGroup::CubicLow.rotations().len(), 24);
        for (group, order, _) in GROUPS {
            let rotations = group.rotations();
            let mut all: Vec<_> = rotations.iter().map(|r| rotated(r, [1, 3, 7])).collect();
            all.sort_unstable();
            all.dedup();
            assert_eq!((rotations.len(), all.len()), (order, order), "{group:?}");
            group.reduce(&mut all);
            all.dedup();
            assert_eq!(all.len(), 1, "{group:?}");
        }
    }

    #[test]
    fn equivalents_have_one_spacing() {
        for (group, _, is_hexagonal) in GROUPS {
            // The cell of the lowest symmetry that the group's axes allow.
            let squared = |[h, k, l]: [i32; 3]| match (is_hexagonal, group) {
                (true, _) => [h * h + h * k + k * k, l * l, 0],
                (_, LaueGroup::CubicHigh) => [h * h + k * k + l * l, 0, 0],
                (_, LaueGroup::TetragonalLow | LaueGroup::TetragonalHigh) => {
                    [h * h + k * k, l * l, 0]
                }
                _ => [h * h, k * k, l * l],
            };
            for rotation in group.rotations() {
                assert_eq!(squared(rotated(&rotation, [1, 3, 7])), squared([1, 3, 7]));
            }
        }
    }
}
