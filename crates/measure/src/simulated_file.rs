//! Simulated frames as an HDF5 file: one uncompressed dataset per series, one chunk per frame.

use std::path::Path;

use hdf5_metno as hdf5;

use crate::fault::{Blame, Fault};
use crate::simulate::{Pixels, Series};

/// Writes `series` into a new file at `path`, replacing one that is there.
pub fn write_series(path: &Path, series: &[Series]) -> Result<(), Fault> {
    let doing = || format!("cannot write {}", path.display());
    let file = hdf5::File::create(path).output(doing)?;
    for one in series {
        write_one(&file, one).output(doing)?;
    }
    file.close().output(doing)
}

fn write_one(file: &hdf5::File, series: &Series) -> hdf5::Result<()> {
    let chunk = [1, series.shape[1], series.shape[2]];
    let builder = file.new_dataset_builder();
    let dataset = match &series.pixels {
        Pixels::U16(values) => {
            let dataset = builder
                .empty::<u16>()
                .shape(series.shape)
                .chunk(chunk)
                .create(series.name)?;
            dataset.write_raw(values)?;
            dataset
        }
        Pixels::U32(values) => {
            let dataset = builder
                .empty::<u32>()
                .shape(series.shape)
                .chunk(chunk)
                .create(series.name)?;
            dataset.write_raw(values)?;
            dataset
        }
    };
    let about: hdf5::types::VarLenUnicode = series.about.parse().unwrap_or_default();
    dataset
        .new_attr::<hdf5::types::VarLenUnicode>()
        .create("about")?
        .write_scalar(&about)?;
    if let Some(masked) = series.masked {
        dataset
            .new_attr::<u32>()
            .create("masked_value")?
            .write_scalar(&masked)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::speckle;

    #[test]
    fn a_series_comes_back_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("speckle.h5");
        let series = speckle(1, 3);
        write_series(&path, std::slice::from_ref(&series)).unwrap();
        let read: Vec<u16> = hdf5::File::open(&path)
            .unwrap()
            .dataset("speckle")
            .unwrap()
            .read_raw()
            .unwrap();
        let Pixels::U16(values) = series.pixels else {
            panic!("16 bits")
        };
        assert_eq!(read, values);
        assert!(write_series(Path::new("/nonexistent/x.h5"), &[]).is_err());
    }
}
