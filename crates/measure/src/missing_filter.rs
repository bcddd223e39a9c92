//! Whether this program has the filters of a dataset.

use crate::dataset::Dataset;
use crate::hdf5::registration::is_available;
use crate::known_filters::{filter_name, install_hint};
use crate::pipeline::Pipeline;

/// The filter without which the dataset cannot be read here, with what to do about it.
pub(crate) fn missing_filter(dataset: &Dataset) -> Option<String> {
    let missing = dataset.filters.iter().find(|filter| {
        let is_own = Pipeline::of(std::slice::from_ref(filter)).is_some();
        !is_own && !is_available(filter.id)
    })?;
    let (name, hint) = (
        filter_name(missing.id, &missing.name),
        install_hint(missing.id, &missing.name),
    );
    Some(format!(
        "filter {} ({name}) is not available here; {hint}",
        missing.id
    ))
}
