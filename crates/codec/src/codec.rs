//! One row of the codec table.

use crate::{Element, Error, Filter, Param, Spec};

/// A way to store a chunk that a user can name in a SPEC.
///
/// Command line, documentation and tests are derived from the [`CODECS`](crate::CODECS) table; a codec is added by
/// one file in `codecs/` and two lines in `codecs/mod.rs`.
pub struct Codec {
    /// Name in a SPEC.
    pub name: &'static str,
    /// One line for listings.
    pub about: &'static str,
    /// Whether every value comes back bit for bit.
    pub lossless: bool,
    /// The keys a SPEC may set.
    pub params: &'static [Param],
    /// The HDF5 filter whose stream this codec writes.
    pub filter: &'static Filter,
    /// Complete `cd_values` for elements of the given type, as `H5Pset_filter` takes them.
    pub cd_values: fn(&Spec, &Element) -> Result<Vec<u32>, Error>,
}
