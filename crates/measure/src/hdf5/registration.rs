//! Etalon's filters in the HDF5 library of this program.

use std::sync::OnceLock;

use hdf5_metno_sys::h5pl::H5PLreplace;
use hdf5_metno_sys::h5z::{H5Zfilter_avail, H5Zget_filter_info, H5Zregister};

use super::Result;

/// Whether HDF5 can apply filter `id` here: built in, registered, or found as a plugin.
pub(crate) fn is_available(id: i32) -> bool {
    h5!(H5Zfilter_avail(id)).is_ok_and(|available| available > 0)
}

/// Whether HDF5 has filter `id` without a plugin. [`is_available`] would run the code of all plugins in looking for it.
pub(crate) fn is_built_in_here(id: i32) -> bool {
    let mut flags = 0;
    h5!(H5Zget_filter_info(id, &mut flags)).is_ok()
}

/// Registers every filter of this library, once; HDF5 then reads and writes them without plugins.
pub(crate) fn register_filters() -> Result<()> {
    static OUTCOME: OnceLock<Result<()>> = OnceLock::new();
    OUTCOME
        .get_or_init(|| {
            replace_built_in_path();
            for class in etalon_filter::plugin_classes() {
                // The class is 'static and has the layout of H5Z_class2_t, which is what etalon-filter is for.
                h5!(H5Zregister(std::ptr::from_ref(class).cast()))?;
            }
            Ok(())
        })
        .clone()
}

/// Where HDF5 looks for plugins if nobody says anything. The library that is linked in here would look into the folder
/// that it was built in, which means nothing on any other machine.
fn replace_built_in_path() {
    if std::env::var_os("HDF5_PLUGIN_PATH").is_none() {
        // Without success it looks where it was built, and finds nothing either.
        let _ = h5!(H5PLreplace(c"/usr/local/hdf5/lib/plugin".as_ptr(), 0));
    }
}
