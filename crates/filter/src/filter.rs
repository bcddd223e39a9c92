//! A filter of `etalon-codec` as HDF5 sees it: a class with two callbacks.
//!
//! The callbacks know no format. Decoding needs the chunk and its `cd_values` only, so a file can be read by programs
//! whose HDF5 cannot be asked anything.

use std::ffi::{c_uint, c_void};

use etalon_codec::{Error, FILTERS, Stream};

use crate::buffer::{ChunkBuffer, HostMemory, cd_values};
use crate::creation::Creation;
use crate::entry::{Failure, guarded};
use crate::h5abi::{FILTER_CLASS_VERSION, FLAG_OPTIONAL, FLAG_REVERSE, FilterClass, Herr, Hid};
use crate::host::Host;
use crate::work::{Work, with_work};

/// A filter as a type. HDF5 calls back without telling which filter it means, so each has callbacks of its own.
pub trait Plugin {
    /// What it reads and writes.
    const STREAM: &'static Stream;
}

/// The class of `P` for `H5PLget_plugin_info` and `H5Zregister`. HDF5 keeps pointers into it.
pub fn plugin_class<P: Plugin>() -> &'static FilterClass {
    const {
        &FilterClass {
            version: FILTER_CLASS_VERSION,
            id: P::STREAM.id as i32,
            encoder_present: 1,
            decoder_present: 1,
            name: P::STREAM.class_name.as_ptr(),
            // HDF5 ignores its answer for an optional filter and goes on to set_local, which is where we refuse.
            can_apply: None,
            set_local: Some(set_local::<P>),
            filter: Some(filter::<P>),
        }
    }
}

/// The classes of all [`FILTERS`], in their order: for a program that registers them in a HDF5 of its own.
///
/// Such a HDF5 is found like any other if it is a shared library. If it is linked into the program it cannot be found,
/// and `cd_values` must be complete: `Codec::cd_values` gives those.
pub fn plugin_classes() -> [&'static FilterClass; FILTERS.len()] {
    struct Row<const INDEX: usize>;
    impl<const INDEX: usize> Plugin for Row<INDEX> {
        const STREAM: &'static Stream = FILTERS[INDEX].stream;
    }
    [
        plugin_class::<Row<0>>(),
        plugin_class::<Row<1>>(),
        plugin_class::<Row<2>>(),
    ]
}

/// Called when a dataset is created, by every rank in parallel HDF5.
unsafe extern "C" fn set_local<P: Plugin>(dcpl: Hid, datatype: Hid, _space: Hid) -> Herr {
    guarded(P::STREAM, c"create the dataset", -1, || {
        // Filters on groups come with no identifiers. Nothing can be asked there, nor of a host that hides its
        // functions; encoding refuses cd_values that are not complete.
        if dcpl >= 0
            && datatype >= 0
            && let Some(creation) = Host::of_caller().as_ref().and_then(Creation::of)
        {
            creation.localise(P::STREAM, dcpl, datatype)?;
        }
        Ok(0)
    })
}

/// Called for every chunk. Returns the new length of the chunk, or 0 for failure, which leaves the buffer as it was.
///
/// # Safety
/// The arguments are those HDF5 documents for `H5Z_func_t`.
unsafe extern "C" fn filter<P: Plugin>(
    flags: c_uint,
    cd_nelmts: usize,
    cd: *const c_uint,
    nbytes: usize,
    buf_size: *mut usize,
    buf: *mut *mut c_void,
) -> usize {
    let decoding = flags & FLAG_REVERSE != 0;
    let doing = if decoding { c"decode" } else { c"encode" };
    guarded(P::STREAM, doing, 0, || {
        // SAFETY: HDF5 passes `cd_nelmts` values that outlive the call.
        let cd_values = unsafe { cd_values(cd, cd_nelmts) };
        // SAFETY: HDF5 passes a buffer from malloc with `nbytes` of `*buf_size` bytes filled.
        let buffer = unsafe { ChunkBuffer::new(buf, buf_size, nbytes) }?;
        with_work(|work| {
            if decoding {
                decode(P::STREAM, work, cd_values, buffer)
            } else {
                let len = encode(P::STREAM, work, cd_values, buffer)?;
                Ok(reported(P::STREAM, flags, len))
            }
        })
    })
}

/// Never 0 for a valid chunk, however little it compresses: parallel HDF5 1.10 loses the mark that a chunk was left as
/// it is, and then cannot read it.
fn encode(
    stream: &Stream,
    work: &mut Work,
    cd_values: &[u32],
    buffer: ChunkBuffer<'_>,
) -> Result<usize, Failure> {
    // Where set_local could not ask the host, these are still what the user passed; then the codec refuses them.
    let chunk = buffer.chunk();
    let bound = (stream.bound)(cd_values, chunk.len())?;
    let (context, scratch) = work.with_scratch(bound)?;
    let len = (stream.encode)(context, cd_values, chunk, scratch)?;
    buffer.write(&scratch[..len])
}

/// What HDF5 is told after encoding: a filter that only changes values says 0, "nothing done", where it may. The chunk is
/// then marked as skipped, and readers need no plugin. The answer is the same for every chunk of a dataset, because HDF5
/// keeps the old mark of a chunk that is rewritten with the same length.
fn reported(stream: &Stream, flags: c_uint, len: usize) -> usize {
    if stream.in_place && flags & FLAG_OPTIONAL != 0 {
        return 0;
    }
    len
}

fn decode(
    stream: &Stream,
    work: &mut Work,
    cd_values: &[u32],
    buffer: ChunkBuffer<'_>,
) -> Result<usize, Failure> {
    let chunk = buffer.chunk();
    if stream.in_place {
        return Ok(chunk.len());
    }
    let len = (stream.decoded_len)(cd_values, chunk)?;
    if len == 0 {
        return Err(Failure::Codec(Error::Damaged {
            what: "decoded length is 0",
            offset: 0,
            len: chunk.len(),
        }));
    }
    if buffer.holds(len) {
        let (context, scratch) = work.with_scratch(len)?;
        (stream.decode)(context, cd_values, chunk, scratch)?;
        return buffer.write(scratch);
    }
    work.note(len);
    let mut memory = HostMemory::new(len)?;
    (stream.decode)(&mut work.context, cd_values, chunk, memory.bytes())?;
    Ok(buffer.replace(memory))
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use etalon_codec::codecs::bitshuffle;

    use super::*;

    struct Bitshuffle;
    impl Plugin for Bitshuffle {
        const STREAM: &'static Stream = &bitshuffle::STREAM;
    }

    struct Panicking;
    impl Plugin for Panicking {
        const STREAM: &'static Stream = &Stream {
            id: 32008,
            name: "panicking",
            class_name: c"panicking",
            in_place: false,
            is_lossy: |_| panic!("is_lossy"),
            localise: |_, _| panic!("localise"),
            bound: |_, _| panic!("bound"),
            encode: |_, _, _, _| panic!("encode"),
            decoded_len: |_, _| Ok(1000),
            announced_len: |_, _, _| panic!("announced_len"),
            decode: |_, _, _, _| panic!("decode"),
        };
    }

    const LZ4: [u32; 5] = [0, 4, 2, 0, 2];

    /// A chunk in memory as HDF5 holds it.
    struct HostChunk {
        data: *mut c_void,
        capacity: usize,
        filled: usize,
    }

    impl HostChunk {
        fn new(bytes: &[u8], capacity: usize) -> Self {
            // SAFETY: malloc takes any length.
            let data = unsafe { libc::malloc(capacity) };
            assert!(!data.is_null() && bytes.len() <= capacity);
            // SAFETY: `capacity` bytes are there.
            unsafe { data.cast::<u8>().copy_from(bytes.as_ptr(), bytes.len()) };
            Self {
                data,
                capacity,
                filled: bytes.len(),
            }
        }

        fn call<P: Plugin>(&mut self, flags: c_uint, cd_values: &[u32]) -> usize {
            let callback = plugin_class::<P>().filter.unwrap();
            // SAFETY: the arguments are as HDF5 would pass them.
            let answer = unsafe {
                callback(
                    flags,
                    cd_values.len(),
                    cd_values.as_ptr(),
                    self.filled,
                    &mut self.capacity,
                    &mut self.data,
                )
            };
            if answer > 0 {
                self.filled = answer;
            }
            answer
        }

        fn bytes(&self) -> &[u8] {
            // SAFETY: `filled` bytes are there.
            unsafe { std::slice::from_raw_parts(self.data.cast(), self.filled) }
        }
    }

    impl Drop for HostChunk {
        fn drop(&mut self) {
            // SAFETY: from malloc, freed once.
            unsafe { libc::free(self.data) };
        }
    }

    #[test]
    fn chunks_come_back_in_place_and_in_new_memory() {
        let raw: Vec<u8> = (0..20_000u32).map(|i| (i * i / 7 % 13) as u8).collect();
        for capacity in [raw.len(), 3 * raw.len()] {
            let mut chunk = HostChunk::new(&raw, capacity);
            let before = chunk.data;
            let encoded = chunk.call::<Bitshuffle>(0, &LZ4);
            assert!(encoded > 0 && encoded < raw.len());
            assert_eq!((chunk.data, chunk.capacity), (before, capacity), "in place");
            assert_eq!(chunk.call::<Bitshuffle>(FLAG_REVERSE, &LZ4), raw.len());
            assert_eq!(chunk.data, before, "in place");

            let mut exact = HostChunk::new(&raw, raw.len());
            exact.call::<Bitshuffle>(0, &LZ4);
            let mut stored = HostChunk::new(exact.bytes(), exact.filled);
            stored.call::<Bitshuffle>(FLAG_REVERSE, &LZ4);
            assert_eq!((stored.bytes(), stored.capacity), (&raw[..], raw.len()));
        }
    }

    #[test]
    fn a_chunk_that_grows_is_stored_all_the_same() {
        let raw = [1, 2, 3, 4];
        let mut chunk = HostChunk::new(&raw, raw.len());
        assert_eq!(chunk.call::<Bitshuffle>(0, &LZ4), 16);
        assert_eq!(chunk.capacity, 16);
        assert_eq!(chunk.call::<Bitshuffle>(FLAG_REVERSE, &LZ4), raw.len());
        assert_eq!(chunk.bytes(), raw);
    }

    #[test]
    fn a_failure_leaves_the_buffer_as_it_was() {
        let noise = [7u8; 100];
        for (flags, cd_values) in [
            (FLAG_REVERSE, &LZ4[..]),
            (0, &[0, 2]),
            (0, &[]),
            (0, &[0, 3, 5]),
        ] {
            let mut chunk = HostChunk::new(&noise, 128);
            let before = chunk.data;
            assert_eq!(
                chunk.call::<Bitshuffle>(flags, cd_values),
                0,
                "{cd_values:?}"
            );
            assert_eq!((chunk.data, chunk.capacity), (before, 128));
            assert_eq!(chunk.bytes(), noise);
        }
    }

    #[test]
    fn a_panic_in_a_codec_is_a_failure() {
        for flags in [0, FLAG_REVERSE] {
            let mut chunk = HostChunk::new(&[7; 100], 128);
            assert_eq!(chunk.call::<Panicking>(flags, &LZ4), 0);
            assert_eq!(chunk.bytes(), [7; 100]);
        }
    }

    #[test]
    fn missing_buffers_are_a_failure() {
        let callback = plugin_class::<Bitshuffle>().filter.unwrap();
        // SAFETY: null is what is tested.
        let answer = unsafe { callback(0, 5, LZ4.as_ptr(), 8, ptr::null_mut(), ptr::null_mut()) };
        assert_eq!(answer, 0);
    }

    #[test]
    fn classes_are_those_of_the_table_and_laid_out_as_in_c() {
        assert_eq!(size_of::<FilterClass>(), 16 + 4 * size_of::<usize>());
        for (class, filter) in plugin_classes().into_iter().zip(FILTERS) {
            assert_eq!((class.version, class.id as u32), (1, filter.id));
            assert_eq!(class.name, filter.class_name.as_ptr());
        }
    }

    #[test]
    fn set_local_without_identifiers_or_host_accepts() {
        let set_local = plugin_class::<Bitshuffle>().set_local.unwrap();
        for id in [-1, 5] {
            // SAFETY: identifiers are numbers, and no HDF5 is loaded that could be asked.
            assert_eq!(unsafe { set_local(id, id, id) }, 0);
        }
    }
}
