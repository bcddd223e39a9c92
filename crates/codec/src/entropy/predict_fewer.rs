//! Which neighbours a prediction does without: every one that is looked at takes time for every number.
//!
//! Of least squares with the matrix A of products of features and their products b with the target, P = A⁻¹ gives the weights
//! w = P b. Without feature j the sum of squares grows by wⱼ² / Pⱼⱼ, weights become w − Pⱼ wⱼ / Pⱼⱼ, and P becomes P − Pⱼ Pⱼᵀ / Pⱼⱼ. So
//! features are left out one by one, each time the one that takes least with it, until the sum has grown enough.

use crate::kernels::predict_fit::WIDTH;

/// Products of features, a constant and the target with each other.
pub(super) type Products = [[f64; WIDTH]; WIDTH];

/// The weights of `count` features and the constant, where the sum of squares may grow by a fraction of itself.
pub(super) fn fewer(products: &Products, count: usize, growth: f64) -> [f64; WIDTH] {
    let target = count + 1;
    let mut inverse = inverse(products, target);
    let mut weights = [0.0; WIDTH];
    for (weight, row) in weights[..target].iter_mut().zip(&inverse) {
        let parts = row[..target].iter().zip(&products[..target]);
        *weight = parts.map(|(p, b)| p * b[target]).sum();
    }
    let explained: f64 = (0..target).map(|i| weights[i] * products[i][target]).sum();
    let mut room = growth * (products[target][target] - explained);
    let mut is_left: [bool; WIDTH] = std::array::from_fn(|feature| feature < count);
    loop {
        let loss = |feature: usize| weights[feature].powi(2) / inverse[feature][feature];
        let left = (0..count).filter(|&feature| is_left[feature]);
        let Some(least) = left.min_by(|&a, &b| loss(a).total_cmp(&loss(b))) else {
            return weights;
        };
        room -= loss(least);
        if room < 0.0 || room.is_nan() {
            return weights;
        }
        is_left[least] = false;
        let row = inverse[least];
        let factor = weights[least] / row[least];
        for other in 0..target {
            weights[other] -= factor * row[other];
            let factor = row[other] / row[least];
            for column in 0..target {
                inverse[other][column] -= factor * row[column];
            }
        }
        weights[least] = 0.0;
    }
}

/// The inverse of the first rows and columns, by Gauss and Jordan. The matrix is positive.
fn inverse(products: &Products, len: usize) -> Products {
    let mut rest = *products;
    let mut inverse = [[0.0; WIDTH]; WIDTH];
    for (i, row) in inverse.iter_mut().enumerate().take(len) {
        row[i] = 1.0;
    }
    for pivot in 0..len {
        let scale = 1.0 / rest[pivot][pivot];
        for column in 0..len {
            rest[pivot][column] *= scale;
            inverse[pivot][column] *= scale;
        }
        let (row, inverse_row) = (rest[pivot], inverse[pivot]);
        for other in (0..len).filter(|&other| other != pivot) {
            let factor = rest[other][pivot];
            for column in 0..len {
                rest[other][column] -= factor * row[column];
                inverse[other][column] -= factor * inverse_row[column];
            }
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Products of samples of three features, of which the last hardly counts.
    fn products() -> Products {
        let mut products = [[0.0; WIDTH]; WIDTH];
        for i in 0..500 {
            let (a, b, c) = (f64::from(i % 17), f64::from(i % 29) - 5.0, f64::from(i % 7));
            let noise = f64::from(i * i % 11) - 5.0;
            let row = [a, b, c, 1.0, 0.5 * a - 2.0 * b + 0.01 * c + 3.0 + noise];
            for (x, sums) in row.iter().zip(&mut products) {
                for (y, sum) in row.iter().zip(sums) {
                    *sum += x * y;
                }
            }
        }
        products
    }

    #[test]
    fn features_that_hardly_count_are_left_out_first() {
        let products = products();
        let all = fewer(&products, 3, 0.0);
        assert!(all[2] != 0.0 && (all[0] - 0.5).abs() < 0.1 && (all[1] + 2.0).abs() < 0.1);
        let some = fewer(&products, 3, 0.01);
        assert!(some[2] == 0.0 && (some[0] - 0.5).abs() < 0.1 && (some[1] + 2.0).abs() < 0.1);
        assert!((some[3] - 3.0).abs() < 1.0);
        let none = fewer(&products, 3, 1e9);
        assert!(none[..3] == [0.0; 3]);
        let mean = products[3][4] / products[3][3];
        assert!((none[3] - mean).abs() < 1e-6);
    }

    #[test]
    fn products_of_nothing_give_no_weights() {
        let found = fewer(&[[0.0; WIDTH]; WIDTH], 5, 0.5);
        assert!(found[..5].iter().all(|weight| !weight.is_normal()));
    }
}
