//! Filter ids: what HDF5 stores in a file and calls back with.

use std::ops::Deref;

use crate::codecs::bitshuffle;
use crate::{Context, Error, Layout, Spec, etalon_filter, round_filter};

/// A stream format registered in HDF5 under a filter id: all that a plugin needs.
///
/// `cd_values` are the client data HDF5 keeps beside the filter id. *Stored* values are complete: they name the
/// element size and everything else that decoding needs.
pub struct Stream {
    /// The id in the HDF5 file.
    pub id: u32,
    /// Name of the plugin.
    pub name: &'static str,
    /// Class name that HDF5 writes into files: what a reader without the plugin gets to see.
    pub class_name: &'static std::ffi::CStr,
    /// Whether encoding only changes values and decoding is the identity. Such a filter tells HDF5 that it did nothing
    /// where it may (OPTIONAL), so that readers need no plugin.
    pub in_place: bool,
    /// Whether these `cd_values` ask for loss: then the filter must come first in the pipeline.
    pub is_lossy: fn(cd_values: &[u32]) -> bool,
    /// Turns what a user passed, or stored values, into stored values. Deterministic, and `localise(localise(x)) =
    /// localise(x)`. Without a layout (the host cannot be asked) only stored values are accepted.
    pub localise: Localise,
    /// Largest number of bytes that `encode` writes for `src_len` bytes.
    pub bound: fn(cd_values: &[u32], src_len: usize) -> Result<usize, Error>,
    /// Encodes `src` into the front of `dst` and returns the number of bytes written. Refuses `cd_values` that are not
    /// stored ones: a short list of them and one of options may look alike, and the filter can tell.
    pub encode: Encode,
    /// Number of bytes `chunk` decodes to, after checking that the chunk is long enough to hold that many.
    pub decoded_len: fn(cd_values: &[u32], chunk: &[u8]) -> Result<usize, Error>,
    /// Number of bytes that a chunk of `chunk_len` bytes says it decodes to. `front` is its beginning, of
    /// [`Stream::FRONT_BYTES`] or the whole chunk where that is shorter; what can be seen there is checked.
    pub announced_len: AnnouncedLen,
    /// Decodes `chunk` into `dst`, which must have exactly `decoded_len` bytes.
    pub decode: Decode,
}

/// A [`Stream`] and how a SPEC asks for it. The two are apart because a SPEC may name any codec: the plugin of a stream
/// that has one does not hold the others.
pub struct Filter {
    /// What a plugin needs.
    pub stream: &'static Stream,
    /// Complete `cd_values` for a SPEC on chunks of the given layout, as `H5Pset_filter` takes them.
    pub cd_values: fn(&Spec, &Layout) -> Result<Vec<u32>, Error>,
    /// The values a user passes for a SPEC where `set_local` can ask for the rest.
    pub user_values: fn(&Spec) -> Result<Vec<u32>, Error>,
    /// The SPEC that stored values stand for, or `None` where they are not this filter's.
    pub spec_of: fn(cd_values: &[u32]) -> Option<Spec>,
}

impl Deref for Filter {
    type Target = Stream;

    fn deref(&self) -> &Stream {
        self.stream
    }
}

/// See [`Stream::localise`].
pub type Localise = fn(cd_values: &[u32], layout: Option<&Layout>) -> Result<Vec<u32>, Error>;
/// See [`Stream::encode`].
pub type Encode =
    fn(&mut Context, cd_values: &[u32], src: &[u8], dst: &mut [u8]) -> Result<usize, Error>;
/// See [`Stream::announced_len`].
pub type AnnouncedLen =
    fn(cd_values: &[u32], front: &[u8], chunk_len: usize) -> Result<usize, Error>;
/// See [`Stream::decode`].
pub type Decode =
    fn(&mut Context, cd_values: &[u32], chunk: &[u8], dst: &mut [u8]) -> Result<(), Error>;

/// Every filter id of this library.
pub static FILTERS: &[&Filter] = &[
    &bitshuffle::FILTER,
    &etalon_filter::FILTER,
    &round_filter::FILTER,
];

impl Stream {
    /// Bytes of the beginning of a chunk in which `announced_len` finds all it reads: the longest header of a frame, which
    /// has 204, rounded up.
    pub const FRONT_BYTES: usize = 256;
}

impl Filter {
    /// The filter with this id.
    pub fn by_id(id: u32) -> Option<&'static Filter> {
        FILTERS.iter().copied().find(|filter| filter.id == id)
    }
}
