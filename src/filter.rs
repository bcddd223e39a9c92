//! What HDF5 has to be told: filter id, `cd_values`, and the class of a filter for programs without plugins.

use std::ffi::{c_char, c_int, c_uint, c_void};

use etalon_codec::FILTERS;

use crate::guard::{Place, guarded};
use crate::request::{Arguments, Request};

/// Most `cd_values` a filter of this library has, and one.
pub const ETALON_CD_VALUES: usize = 256;

/// The arguments of H5Pset_filter, as in `H5Pset_filter(dcpl, f.id, H5Z_FLAG_MANDATORY, f.cd_count, f.cd_values)`.
#[repr(C)]
pub struct FilterSettings {
    /// Filter id.
    pub id: u32,
    /// Number of values.
    pub cd_count: usize,
    /// The values, complete, for this library's filters: HDF5 has not to be asked for element type and shape.
    pub cd_values: [c_uint; 256],
    /// Number of values in the short form.
    pub user_count: usize,
    /// The short form, which the filter completes when a dataset is created. For bitshuffle it is `block, compressor,
    /// level`, and the one to pass where the filter may be somebody else's, as that of hdf5plugin.
    pub user_values: [c_uint; 256],
    /// Name of the filter as HDF5 shows it; lasts as long as the library.
    pub name: *const c_char,
}

impl FilterSettings {
    pub(crate) fn of(request: &Request) -> Self {
        let (cd_count, cd_values) = array(&request.cd_values);
        let (user_count, user_values) = array(&request.user_values);
        Self {
            id: request.filter.id,
            cd_count,
            cd_values,
            user_count,
            user_values,
            name: request.filter.class_name.as_ptr(),
        }
    }
}

/// Values and their number. A filter has fewer than fit: HDF5 programs keep them in arrays of this length.
fn array(values: &[u32]) -> (usize, [c_uint; ETALON_CD_VALUES]) {
    let mut array = [0; ETALON_CD_VALUES];
    let count = values.len().min(ETALON_CD_VALUES);
    array[..count].copy_from_slice(&values[..count]);
    (count, array)
}

/// What H5Pset_filter has to be told for a SPEC, without making an encoder. Arguments are those of
/// `etalon_encoder_new`.
///
/// Thread-safe. Fails with ETALON_NULL or ETALON_SETTINGS.
///
/// # Safety
/// Pointers are as for `etalon_encoder_new`; a structure can be written to `filter`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_filter_for(
    spec: *const c_char,
    stream: *const c_char,
    element: *const c_char,
    dimensions: usize,
    shape: *const usize,
    fill: *const c_void,
    filter: *mut FilterSettings,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        let place = unsafe { Place::new("filter", filter) }?;
        let arguments = Arguments {
            spec,
            stream,
            element,
            dimensions,
            shape,
            fill,
        };
        // SAFETY: the caller's promise.
        let request = unsafe { arguments.read() }?;
        place.write(FilterSettings::of(&request));
        Ok(())
    })
}

/// The class of a filter for H5Zregister: `H5Zregister(etalon_hdf5_filter(32008))` makes HDF5 read and write its chunks
/// without any plugin. NULL for an id that is not this library's.
///
/// Thread-safe; never fails. The class lasts as long as the library; it calls nothing of HDF5 before HDF5 calls it.
#[unsafe(no_mangle)]
pub extern "C" fn etalon_hdf5_filter(filter_id: u32) -> *const c_void {
    let index = FILTERS.iter().position(|filter| filter.id == filter_id);
    match index {
        Some(index) => std::ptr::from_ref(etalon_filter::plugin_classes()[index]).cast(),
        None => std::ptr::null(),
    }
}
