//! What one run did to several datasets, added up: the numbers of the NXprocess group and of the record for ICAT.

use std::collections::BTreeMap;

use etalon_codec::{Certificate, Guarantee, Spec};

/// Values of metrics by name.
pub type Measures = BTreeMap<String, f64>;

/// One dataset after the run.
#[derive(Debug, Clone)]
pub(crate) struct CompressedDataset {
    pub(crate) path: String,
    pub(crate) raw_bytes: u64,
    pub(crate) stored_bytes: u64,
    /// Elements, written or not.
    pub(crate) elements: u64,
    /// All chunks together; a lossless one where nothing could be lost.
    pub(crate) certificate: Certificate,
    /// How often its values lost, this time included.
    pub(crate) losses: u32,
    /// Empty where nothing could be lost.
    pub(crate) source_sha256: String,
    /// What errors are measured in, where the dataset says so.
    pub(crate) units: Option<String>,
    /// Filters as stored, by the names that ICAT knows.
    pub(crate) filters: Vec<String>,
    /// What was measured of it elsewhere.
    pub(crate) measures: Measures,
}

/// Datasets that went through the same codec.
#[derive(Debug, Clone)]
pub(crate) struct CompressionRecord {
    /// The SPEC.
    pub(crate) spec: String,
    /// `max` or `standard`.
    pub(crate) mode: &'static str,
    /// At least one.
    pub(crate) datasets: Vec<CompressedDataset>,
}

impl CompressionRecord {
    /// The weakest promise and the sum of all losses. Every dataset was asked the same bound.
    pub(crate) fn certificate(&self) -> Certificate {
        let mut all = Certificate::default();
        for dataset in &self.datasets {
            all.merge(&dataset.certificate);
        }
        all
    }

    /// Whether the dataset at `path` is one of them.
    pub(crate) fn holds(&self, path: &str) -> bool {
        self.datasets.iter().any(|dataset| dataset.path == path)
    }

    pub(crate) fn raw_bytes(&self) -> u64 {
        self.datasets.iter().map(|dataset| dataset.raw_bytes).sum()
    }

    pub(crate) fn stored_bytes(&self) -> u64 {
        let stored = self.datasets.iter().map(|dataset| dataset.stored_bytes);
        stored.sum()
    }

    /// Raw over stored bytes; 0 where nothing is stored.
    pub(crate) fn ratio(&self) -> f64 {
        ratio(self.raw_bytes(), self.stored_bytes())
    }

    pub(crate) fn is_lossy(&self) -> bool {
        self.certificate().guarantee != Guarantee::Lossless
    }

    /// Mean over the elements of all datasets.
    pub(crate) fn mean(&self, sum: f64) -> f64 {
        let elements: u64 = self.datasets.iter().map(|dataset| dataset.elements).sum();
        sum / elements.max(1) as f64
    }

    /// How often the values of any dataset lost.
    pub(crate) fn losses(&self) -> u32 {
        let losses = self.datasets.iter().map(|dataset| dataset.losses);
        losses.max().unwrap_or(0)
    }

    /// Units of the errors, where all datasets agree.
    pub(crate) fn units(&self) -> Option<&str> {
        let first = self.datasets.first()?.units.as_deref()?;
        let agree = |dataset: &CompressedDataset| dataset.units.as_deref() == Some(first);
        self.datasets.iter().all(agree).then_some(first)
    }

    /// Names of filters, each once.
    pub(crate) fn filters(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for name in self.datasets.iter().flat_map(|dataset| &dataset.filters) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// What was measured, where that is of one dataset: numbers of several have no common meaning.
    pub(crate) fn measures(&self) -> Measures {
        let mut measured = self.datasets.iter().filter(|d| !d.measures.is_empty());
        match (measured.next(), measured.next()) {
            (Some(only), None) => only.measures.clone(),
            _ => Measures::new(),
        }
    }

    /// The configuration as JSON: what was asked for.
    pub(crate) fn configuration(&self, stream: Option<&Spec>) -> String {
        let datasets: Vec<&str> = self.datasets.iter().map(|d| d.path.as_str()).collect();
        serde_json::json!({
            "program": "etalon",
            "version": env!("CARGO_PKG_VERSION"),
            "command": "recompress",
            "codec": self.spec,
            "mode": self.mode,
            "stream": stream.map(ToString::to_string),
            "datasets": datasets,
        })
        .to_string()
    }
}

/// 0 where nothing is stored.
pub(crate) fn ratio(raw_bytes: u64, stored_bytes: u64) -> f64 {
    if stored_bytes == 0 {
        0.0
    } else {
        raw_bytes as f64 / stored_bytes as f64
    }
}
