//! Least-squares fit of a model to a curve: Levenberg–Marquardt by MINPACK's rules, from the crate `rmpfit`.
//!
//! Minimises χ² = Σ w (y − f(p, x))². Derivatives are central differences, with a step of ε^⅓ of a parameter: they
//! err by 1e-10, so that the minimum is found to more digits than data have. Differs from scipy's `curve_fit` in the
//! defaults only: weights are 1/σ², and covariances are as of `absolute_sigma=True`; where weights are relative, they
//! are to be multiplied by the reduced χ².

use rmpfit::{MPConfig, MPError, MPFitter, MPPar, MPResult, MPSide, MPSuccess};

/// What a fit found.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// Parameters at the minimum.
    pub parameters: Vec<f64>,
    /// Standard deviations of the parameters, square roots of the diagonal of the covariance.
    pub errors: Vec<f64>,
    /// Covariance of the parameters by rows, for weights that are 1/σ².
    pub covariance: Vec<f64>,
    /// χ² per degree of freedom, NaN where there is none.
    pub reduced_chi_squared: f64,
}

/// Fits `model(parameters, x)` to the points (`x`, `y`) with weights 1/σ² (`None`: 1), beginning at `start`.
///
/// Points that are not finite, or whose weight is not a positive number, are left out. `None` where fewer points than
/// parameters are left, where the model is not finite on the way, or where no minimum was found.
pub fn fit(
    model: impl Fn(&[f64], f64) -> f64,
    x: &[f64],
    y: &[f64],
    weights: Option<&[f64]>,
    start: &[f64],
) -> Option<Fit> {
    let points = points(x, y, weights);
    if points.len() < start.len() {
        return None;
    }
    let freedom = points.len() - start.len();
    let mut parameters = start.to_vec();
    let mut problem = Problem {
        model,
        points,
        config: MPConfig {
            ftol: 1e-15,
            xtol: 1e-13,
            gtol: 1e-15,
            ..MPConfig::new()
        },
        rules: start.iter().map(|_| rule()).collect(),
    };
    let status = problem.mpfit(&mut parameters).ok()?;
    let ended = !matches!(status.success, MPSuccess::NotDone | MPSuccess::MaxIter);
    let finite = parameters.iter().all(|parameter| parameter.is_finite());
    (ended && finite).then(|| Fit {
        parameters,
        errors: status.xerror,
        covariance: status.covar,
        reduced_chi_squared: if freedom == 0 {
            f64::NAN
        } else {
            status.best_norm / freedom as f64
        },
    })
}

/// A point of the curve that takes part.
struct Point {
    x: f64,
    y: f64,
    /// 1/σ.
    root_weight: f64,
}

/// The points that take part.
fn points(x: &[f64], y: &[f64], weights: Option<&[f64]>) -> Vec<Point> {
    let weight = |at: usize| weights.map_or(1.0, |weights| weights[at]);
    x.iter()
        .zip(y)
        .enumerate()
        .map(|(at, (&x, &y))| Point {
            x,
            y,
            root_weight: weight(at).sqrt(),
        })
        .filter(|point| {
            let finite = point.x.is_finite() && point.y.is_finite();
            finite && point.root_weight.is_finite() && point.root_weight > 0.0
        })
        .collect()
}

/// How a parameter is varied.
fn rule() -> MPPar {
    MPPar {
        side: MPSide::Both,
        rel_step: f64::EPSILON.cbrt(),
        ..MPPar::new()
    }
}

struct Problem<F> {
    model: F,
    points: Vec<Point>,
    config: MPConfig,
    rules: Vec<MPPar>,
}

impl<F: Fn(&[f64], f64) -> f64> MPFitter for Problem<F> {
    fn eval(&mut self, parameters: &[f64], deviates: &mut [f64]) -> MPResult<()> {
        for (deviate, point) in deviates.iter_mut().zip(&self.points) {
            *deviate = (point.y - (self.model)(parameters, point.x)) * point.root_weight;
            if !deviate.is_finite() {
                return Err(MPError::Nan);
            }
        }
        Ok(())
    }

    fn number_of_points(&self) -> usize {
        self.points.len()
    }

    fn config(&self) -> &MPConfig {
        &self.config
    }

    fn parameters(&self) -> &[MPPar] {
        &self.rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decay(parameters: &[f64], x: f64) -> f64 {
        parameters[0] * (-parameters[1] * x).exp() + parameters[2]
    }

    #[test]
    fn a_curve_without_noise_yields_its_parameters() {
        let x: Vec<f64> = (0..50).map(|at| f64::from(at) * 0.1).collect();
        let y: Vec<f64> = x.iter().map(|&x| decay(&[2.5, 1.3, 0.5], x)).collect();
        let found = fit(decay, &x, &y, None, &[1.0, 1.0, 0.0]).unwrap();
        for (found, truth) in found.parameters.iter().zip([2.5, 1.3, 0.5]) {
            assert!((found - truth).abs() < 1e-10, "{found} {truth}");
        }
        assert!(found.reduced_chi_squared < 1e-20);
    }

    #[test]
    fn a_line_has_the_errors_of_linear_regression() {
        // Slope of y = p0 + p1 x for x = 0..4 and σ = 2: variance σ²/Σ(x − 2)² = 0.4, of the offset σ²(1/5 + 4/10).
        let x: Vec<f64> = (0..5).map(f64::from).collect();
        let y = [0.0, 3.0, 1.0, 5.0, 4.0];
        let line = |parameters: &[f64], x: f64| parameters[0] + parameters[1] * x;
        let found = fit(line, &x, &y, Some(&[0.25; 5]), &[0.5, 0.5]).unwrap();
        assert!((found.parameters[1] - 1.0).abs() < 1e-9);
        assert!((found.parameters[0] - 0.6).abs() < 1e-9);
        assert!((found.errors[1] - 0.4f64.sqrt()).abs() < 1e-6);
        assert!((found.errors[0] - 2.4f64.sqrt()).abs() < 1e-6);
        // Residuals −0.6, 1.4, −1.6, 1.4, −0.6: Σr²/σ² = 7.2/4 over 3 degrees of freedom.
        assert!((found.reduced_chi_squared - 0.6).abs() < 1e-9);
    }

    #[test]
    fn points_that_are_no_numbers_are_left_out() {
        let x = [0.0, 1.0, 2.0, 3.0, f64::NAN, 5.0];
        let y = [1.0, 2.0, f64::NAN, 4.0, 5.0, 600.0];
        let weights = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0];
        let line = |parameters: &[f64], x: f64| parameters[0] + parameters[1] * x;
        let found = fit(line, &x, &y, Some(&weights), &[0.0, 0.5]).unwrap();
        assert!((found.parameters[0] - 1.0).abs() < 1e-9);
        assert!((found.parameters[1] - 1.0).abs() < 1e-9);
    }

    #[test]
    fn too_few_points_or_a_model_without_a_value_yield_nothing() {
        assert_eq!(fit(decay, &[0.0, 1.0], &[1.0, 0.5], None, &[1.0; 3]), None);
        let nowhere = |_: &[f64], _: f64| f64::NAN;
        assert_eq!(fit(nowhere, &[0.0; 4], &[1.0; 4], None, &[1.0]), None);
    }
}
