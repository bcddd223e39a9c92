//! The few types of HDF5's C interface that a filter meets, from H5Zpublic.h, H5Ipublic.h and H5Tpublic.h.
//!
//! They are the same from 1.10 to 2.2. 1.8 has a 32-bit `hid_t`, therefore host.rs refuses it.

use std::ffi::{c_char, c_int, c_uint, c_void};

/// `hid_t`: an identifier, valid only in the copy of HDF5 that gave it.
pub(crate) type Hid = i64;
/// `herr_t`, `htri_t`: negative for failure.
pub(crate) type Herr = c_int;

/// `H5Z_class2_t`: what `H5Zregister` takes and `H5PLget_plugin_info` returns.
#[repr(C)]
pub struct FilterClass {
    pub(crate) version: c_int,
    pub(crate) id: c_int,
    pub(crate) encoder_present: c_uint,
    pub(crate) decoder_present: c_uint,
    pub(crate) name: *const c_char,
    pub(crate) can_apply: Option<CanApply>,
    pub(crate) set_local: Option<SetLocal>,
    pub(crate) filter: Option<FilterFunction>,
}

/// `H5Z_can_apply_func_t`
pub(crate) type CanApply = unsafe extern "C" fn(dcpl: Hid, datatype: Hid, space: Hid) -> Herr;
/// `H5Z_set_local_func_t`
pub(crate) type SetLocal = unsafe extern "C" fn(dcpl: Hid, datatype: Hid, space: Hid) -> Herr;
/// `H5Z_func_t`
pub(crate) type FilterFunction = unsafe extern "C" fn(
    flags: c_uint,
    cd_nelmts: usize,
    cd_values: *const c_uint,
    nbytes: usize,
    buf_size: *mut usize,
    buf: *mut *mut c_void,
) -> usize;

/// `H5Z_CLASS_T_VERS`
pub(crate) const FILTER_CLASS_VERSION: c_int = 1;
/// `H5Z_FLAG_OPTIONAL`: a chunk may be stored without this filter.
pub(crate) const FLAG_OPTIONAL: c_uint = 0x0001;
/// `H5Z_FLAG_REVERSE`: decode.
pub(crate) const FLAG_REVERSE: c_uint = 0x0100;
/// Most `cd_values` that `H5Pget_filter_by_id2` fills in; it takes a larger capacity for an uninitialised one.
pub(crate) const MAX_CD_VALUES: usize = 256;
/// `H5S_MAX_RANK`
pub(crate) const MAX_RANK: usize = 32;

/// `H5D_FILL_VALUE_DEFAULT`
pub(crate) const FILL_DEFAULT: c_int = 1;
/// `H5D_FILL_VALUE_USER_DEFINED`
pub(crate) const FILL_USER_DEFINED: c_int = 2;

/// `H5T_INTEGER`
pub(crate) const CLASS_INTEGER: c_int = 0;
/// `H5T_FLOAT`
pub(crate) const CLASS_FLOAT: c_int = 1;
/// `H5T_ORDER_BE`
pub(crate) const ORDER_BIG: c_int = 1;
/// `H5T_SGN_2`: two's complement.
pub(crate) const SIGN_TWOS_COMPLEMENT: c_int = 1;

/// `H5E_MAJOR`
pub(crate) const MESSAGE_MAJOR: c_int = 0;
/// `H5E_MINOR`
pub(crate) const MESSAGE_MINOR: c_int = 1;
