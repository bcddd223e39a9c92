//! The other columns of a table of reflections whose intensities are measured.

use anyhow::anyhow;
use etalon_metrics::{MergingColumns, Settings};

use crate::compare::all_values;
use crate::dataset::Dataset;
use crate::fault::Fault;

/// The settings with the columns that they name, from the file of `intensities`; unchanged where they name none.
pub fn with_merging_columns(intensities: &Dataset, settings: &Settings) -> Result<Settings, Fault> {
    let mut settings = settings.clone();
    let table = &settings.merging;
    let Some(hkl) = &table.hkl else {
        return Ok(settings);
    };
    let optional = |name: &Option<String>| {
        let name = name.as_deref();
        name.map(|name| column(intensities, name)).transpose()
    };
    let columns = MergingColumns {
        hkl: indices(intensities, hkl)?,
        variance: optional(&table.variance)?,
        scale: optional(&table.scale)?,
        spacing: optional(&table.spacing)?,
    };
    settings.merging.columns = columns;
    Ok(settings)
}

fn column(beside: &Dataset, name: &str) -> Result<Vec<f64>, Fault> {
    all_values(&opened(beside, name)?)
}

fn indices(beside: &Dataset, name: &str) -> Result<Vec<[i32; 3]>, Fault> {
    let dataset = opened(beside, name)?;
    if dataset.shape.last() != Some(&3) {
        return Err(Fault::Arguments(anyhow!(
            "{} has the shape {:?}; Miller indices are three for each observation",
            dataset.path,
            dataset.shape
        )));
    }
    let values = all_values(&dataset)?;
    let (triples, _) = values.as_chunks::<3>();
    Ok(triples
        .iter()
        .map(|hkl| hkl.map(|index| index as i32))
        .collect())
}

/// The dataset of this name: beside another one, or from the root of the file.
fn opened(beside: &Dataset, name: &str) -> Result<Dataset, Fault> {
    let group = beside.path.rsplit_once('/').map_or("", |(group, _)| group);
    let path = match name.starts_with('/') {
        true => name.to_owned(),
        false => format!("{group}/{name}"),
    };
    Dataset::open(&beside.file, &path).map_err(|error| {
        let doing = format!("{}: there is no dataset {path} beside it", beside.path);
        Fault::Arguments(anyhow::Error::new(error).context(doing))
    })
}
