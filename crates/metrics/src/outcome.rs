//! What a metric yields: numbers, curves and pictures, by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What one or more metrics yield.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Numbers by name. A number that is not defined for these data is NaN.
    pub values: BTreeMap<String, f64>,
    /// Curves by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub curves: BTreeMap<String, Curve>,
    /// Pictures by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, Image>,
    /// What a reader of the numbers has to know, such as a convention that the data forced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Curves over one axis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// What x is, with its unit, as `q / nm⁻¹`.
    pub x_label: String,
    /// What the curves are, with their unit.
    pub y_label: String,
    /// Ascending.
    pub x: Vec<f64>,
    /// Curves by name, each as long as `x`; NaN where not defined.
    pub y: BTreeMap<String, Vec<f64>>,
}

/// A picture, as a report shows it beside others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Extent in the slow direction.
    pub rows: usize,
    /// Extent in the fast direction.
    pub columns: usize,
    /// What a value is, with its unit.
    pub label: String,
    /// rows · columns values, NaN where not valid.
    pub values: Vec<f32>,
}

impl Outcome {
    /// Adds a number.
    pub fn value(&mut self, name: &str, value: f64) {
        self.values.insert(name.to_owned(), value);
    }

    /// Adds a curve.
    pub fn curve(&mut self, name: &str, curve: Curve) {
        self.curves.insert(name.to_owned(), curve);
    }

    /// Adds all that another one holds.
    pub fn extend(&mut self, other: Outcome) {
        self.values.extend(other.values);
        self.curves.extend(other.curves);
        self.images.extend(other.images);
        self.notes.extend(other.notes);
    }
}

impl Curve {
    /// Curves over `x`, none yet.
    pub fn new(x_label: &str, y_label: &str, x: Vec<f64>) -> Self {
        Self {
            x_label: x_label.to_owned(),
            y_label: y_label.to_owned(),
            x,
            y: BTreeMap::new(),
        }
    }

    /// Adds a curve.
    pub fn with(mut self, name: &str, y: Vec<f64>) -> Self {
        self.y.insert(name.to_owned(), y);
        self
    }
}
