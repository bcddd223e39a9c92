//! The codec table for C.

use std::ffi::{CString, c_char, c_int};
use std::sync::LazyLock;

use etalon_codec::CODECS;

use crate::guard::{Place, guarded};
use crate::status::Failure;

/// A codec that a SPEC can name. Later versions add fields at the end. Texts last as long as the library.
#[repr(C)]
pub struct CodecInfo {
    /// Bytes of this structure that the library knows.
    pub struct_bytes: usize,
    /// Name in a SPEC.
    pub name: *const c_char,
    /// One line about it.
    pub about: *const c_char,
    /// Filter id that HDF5 stores.
    pub filter_id: u32,
    /// 1 if every value comes back bit for bit, or else 0.
    pub lossless: u32,
    /// Number of keys that a SPEC may set.
    pub keys: usize,
}

/// A key of a codec. Later versions add fields at the end. Texts last as long as the library.
#[repr(C)]
pub struct KeyInfo {
    /// Bytes of this structure that the library knows.
    pub struct_bytes: usize,
    /// The key.
    pub name: *const c_char,
    /// What it takes, as in "1…22" or "lz4|zstd|none".
    pub takes: *const c_char,
    /// What it is where the SPEC does not say; "" for nothing.
    pub default_value: *const c_char,
    /// One line about it, with the unit.
    pub about: *const c_char,
}

/// The texts of a codec with the 0 that C wants.
struct Row {
    name: CString,
    about: CString,
    keys: Vec<[CString; 4]>,
}

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let c = |text: &str| CString::new(text).unwrap_or_default();
    let row = |codec: &&etalon_codec::Codec| Row {
        name: c(codec.name),
        about: c(codec.about),
        keys: codec
            .params
            .iter()
            .map(|key| {
                [
                    c(key.name),
                    c(&key.kind.to_string()),
                    c(key.default),
                    c(key.about),
                ]
            })
            .collect(),
    };
    CODECS.iter().map(row).collect()
});

/// Number of codecs.
///
/// Thread-safe; never fails.
#[unsafe(no_mangle)]
pub extern "C" fn etalon_codec_count() -> usize {
    CODECS.len()
}

/// Describes a codec.
///
/// - `index`: below `etalon_codec_count`
/// - `codec_bytes`: sizeof(etalon_codec)
///
/// Thread-safe. Fails with ETALON_NULL or ETALON_INDEX.
///
/// # Safety
/// `codec_bytes` bytes can be written to `codec`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_codec_at(
    index: usize,
    codec_bytes: usize,
    codec: *mut CodecInfo,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        let place = unsafe { Place::new("codec", codec) }?;
        let (row, of) = ROWS
            .get(index)
            .zip(CODECS.get(index))
            .ok_or(Failure::Index)?;
        let info = CodecInfo {
            struct_bytes: size_of::<CodecInfo>(),
            name: row.name.as_ptr(),
            about: row.about.as_ptr(),
            filter_id: of.filter.id,
            lossless: u32::from(of.lossless),
            keys: row.keys.len(),
        };
        place.write_front(&info, codec_bytes);
        Ok(())
    })
}

/// Describes a key of a codec.
///
/// - `index`: of the codec, below `etalon_codec_count`
/// - `key_index`: below the codec's `keys`
/// - `key_bytes`: sizeof(etalon_key)
///
/// Thread-safe. Fails with ETALON_NULL or ETALON_INDEX.
///
/// # Safety
/// `key_bytes` bytes can be written to `key`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_codec_key_at(
    index: usize,
    key_index: usize,
    key_bytes: usize,
    key: *mut KeyInfo,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        let place = unsafe { Place::new("key", key) }?;
        let row = ROWS.get(index).ok_or(Failure::Index)?;
        let [name, takes, default, about] = row.keys.get(key_index).ok_or(Failure::Index)?;
        let info = KeyInfo {
            struct_bytes: size_of::<KeyInfo>(),
            name: name.as_ptr(),
            takes: takes.as_ptr(),
            default_value: default.as_ptr(),
            about: about.as_ptr(),
        };
        place.write_front(&info, key_bytes);
        Ok(())
    })
}
