//! Spacings of lattice planes from the cell of a crystal.

/// The spacing d in Å of the planes of each hkl, in a cell of a, b, c in Å and α, β, γ in degrees: 1/d² = h G⁻¹ hᵀ, with G the
/// scalar products of the axes. NaN for hkl = 0 and for a cell without volume.
pub fn spacings(hkl: &[[i32; 3]], cell: [f64; 6]) -> Vec<f64> {
    let inverse = inverse(products(cell));
    let spacing = |hkl: &[i32; 3]| {
        let h = hkl.map(f64::from);
        let square = |row: usize| {
            (0..3)
                .map(|at| h[row] * inverse[row][at] * h[at])
                .sum::<f64>()
        };
        let reciprocal: f64 = (0..3).map(square).sum();
        let is_plane = reciprocal.is_finite() && reciprocal > 0.0;
        is_plane.then(|| reciprocal.sqrt().recip())
    };
    hkl.iter()
        .map(|hkl| spacing(hkl).unwrap_or(f64::NAN))
        .collect()
}

/// Scalar products of the axes.
fn products([a, b, c, alpha, beta, gamma]: [f64; 6]) -> [[f64; 3]; 3] {
    let [bc, ac, ab] = [
        b * c * alpha.to_radians().cos(),
        a * c * beta.to_radians().cos(),
        a * b * gamma.to_radians().cos(),
    ];
    [[a * a, ab, ac], [ab, b * b, bc], [ac, bc, c * c]]
}

/// The inverse of a symmetric matrix.
fn inverse(g: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let minor = |row: usize, column: usize| {
        let [r1, r2] = [(row + 1) % 3, (row + 2) % 3];
        let [c1, c2] = [(column + 1) % 3, (column + 2) % 3];
        g[r1][c1] * g[r2][c2] - g[r1][c2] * g[r2][c1]
    };
    let determinant: f64 = (0..3).map(|column| g[0][column] * minor(0, column)).sum();
    [0, 1, 2].map(|row| [0, 1, 2].map(|column| minor(row, column) / determinant))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f64], expected: &[f64]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn spacings_are_those_of_the_textbook() {
        let hkl = [[1, 0, 0], [0, 0, 2], [1, 1, 1], [-3, 2, 1]];
        let orthorhombic = |[h, k, l]: [i32; 3]| {
            let terms = [(h, 5.42), (k, 8.14), (l, 12.04)];
            let sum: f64 = terms.iter().map(|(h, a)| (f64::from(*h) / a).powi(2)).sum();
            sum.sqrt().recip()
        };
        let found = spacings(&hkl, [5.42, 8.14, 12.04, 90.0, 90.0, 90.0]);
        close(&found, &hkl.map(orthorhombic));
        // 1/d² = 4/3 (h² + hk + k²)/a² + l²/c².
        let hexagonal = |[h, k, l]: [i32; 3]| {
            let [h, k, l] = [h, k, l].map(f64::from);
            let sum = 4.0 / 3.0 * (h * h + h * k + k * k) / 64.0 + l * l / 225.0;
            sum.sqrt().recip()
        };
        let found = spacings(&hkl, [8.0, 8.0, 15.0, 90.0, 90.0, 120.0]);
        close(&found, &hkl.map(hexagonal));
        // (1/d)² of a monoclinic cell: (h²/a² + l²/c² − 2hl cos β/(ac))/sin² β + k²/b².
        let monoclinic = |[h, k, l]: [i32; 3]| {
            let [h, k, l] = [h, k, l].map(f64::from);
            let (sine, cosine) = 100f64.to_radians().sin_cos();
            let plane = (h / 7.0).powi(2) + (l / 11.0).powi(2) - 2.0 * h * l * cosine / 77.0;
            (plane / sine.powi(2) + (k / 9.0).powi(2)).sqrt().recip()
        };
        let found = spacings(&hkl, [7.0, 9.0, 11.0, 90.0, 100.0, 90.0]);
        close(&found, &hkl.map(monoclinic));
    }

    #[test]
    fn what_is_no_plane_has_no_spacing() {
        let cell = [5.0, 5.0, 5.0, 90.0, 90.0, 90.0];
        assert!(spacings(&[[0, 0, 0]], cell)[0].is_nan());
        assert!(spacings(&[[1, 0, 0]], [0.0; 6])[0].is_nan());
    }
}
