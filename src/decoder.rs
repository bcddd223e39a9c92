//! Decoding and inspecting, chunk after chunk of one dataset.

use std::ffi::{c_int, c_uint, c_void};

use etalon_codec::codecs::bitshuffle;
use etalon_codec::{
    ByteOrder, Certificate, Context, Element, ElementClass, Error, Filter, Layout, frame,
};

use crate::guard::{
    Place, bytes, bytes_mut, check_disjoint, guarded, is_chunk_size, reference, reference_mut,
};
use crate::info::Info;
use crate::pool::Pool;
use crate::status::Failure;
use crate::warm_up::{for_each_sample, for_each_short_sample, others};

/// Decodes chunks of one dataset, for one thread at a time.
pub struct Decoder {
    filter: &'static Filter,
    cd_values: Vec<u32>,
    chunk_bytes: usize,
    context: Context,
    pool: Box<Pool>,
}

/// HDF5 programs keep `cd_values` in arrays of 256.
const MAX_CD_VALUES: usize = 256;

impl Decoder {
    fn new(filter_id: u32, cd_values: &[u32], chunk_bytes: usize) -> Result<Self, Failure> {
        let filter = Filter::by_id(filter_id).ok_or(Failure::Settings(
            "the filter id is not one of this library's: 32008, 59297 or 59298",
        ))?;
        let mut decoder = Self {
            filter,
            // Refuses what is not complete.
            cd_values: (filter.localise)(cd_values, None)?,
            chunk_bytes,
            context: Context::new(),
            pool: Pool::new(),
        };
        decoder.warm_up();
        Ok(decoder)
    }

    /// Takes the memory that chunks of the codec in `cd_values` need. A frame of another codec takes its own when it
    /// comes first.
    fn warm_up(&mut self) {
        let Ok(bound) = (self.filter.bound)(&self.cd_values, self.chunk_bytes) else {
            return;
        };
        self.context.prepare_literals();
        let mut encoding = Context::new();
        let (mut stored, mut back) = (vec![0; bound], vec![0; self.chunk_bytes]);
        // Small bytes are small numbers of any type; which it is, the settings know.
        let element = Element {
            class: ElementClass::Unsigned,
            bytes: 1,
            order: ByteOrder::Little,
        };
        let layout = Layout::new(element, vec![self.chunk_bytes]);
        let values = self.cd_values.clone();
        let encode = self.filter.encode;
        for_each_sample(&layout, self.chunk_bytes, |chunk| {
            if let Ok(len) = encode(&mut encoding, &values, chunk, &mut stored) {
                // A sample that does not decode is no reason to refuse data.
                let _ = self.decode(&stored[..len], &mut back);
            }
        });
        self.warm_up_others(&mut encoding, &mut stored, &mut back);
        self.pool.reserve(self.chunk_bytes);
    }

    /// Takes the memory for what else may store chunks of a frame: its header tells their layout.
    fn warm_up_others(&mut self, encoding: &mut Context, stored: &mut [u8], back: &mut [u8]) {
        let (filter, zeros) = (self.filter, vec![0; self.chunk_bytes]);
        let Ok(len) = (filter.encode)(encoding, &self.cd_values, &zeros, stored) else {
            return;
        };
        let Ok(info) = frame::inspect(&stored[..len]) else {
            return;
        };
        let layout = info.layout;
        for values in others(filter, &layout).unwrap_or_default() {
            for_each_short_sample(&layout, self.chunk_bytes, |chunk| {
                if let Ok(len) = (filter.encode)(encoding, &values, chunk, stored) {
                    let _ = self.decode(&stored[..len], back);
                }
            });
        }
    }

    fn decode(&mut self, chunk: &[u8], dst: &mut [u8]) -> Result<usize, Failure> {
        self.pool.with(|| {
            let len = (self.filter.decoded_len)(&self.cd_values, chunk)?;
            check_size("the decoded chunk", len, self.chunk_bytes)?;
            (self.filter.decode)(&mut self.context, &self.cd_values, chunk, &mut dst[..len])?;
            Ok(len)
        })
    }

    fn inspect(&self, chunk: &[u8]) -> Result<Info, Error> {
        self.pool.with(|| {
            let len = (self.filter.announced_len)(&self.cd_values, chunk, chunk.len())?;
            let id = self.filter.id;
            if id == bitshuffle::FILTER.id || self.filter.in_place {
                return Ok(Info::new(
                    id,
                    self.filter.name,
                    len,
                    &Certificate::default(),
                ));
            }
            let info = frame::inspect(chunk)?;
            let certificate = info.certificate.unwrap_or_default();
            Ok(Info::new(id, info.codec, len, &certificate))
        })
    }
}

fn check_size(what: &'static str, given: usize, needed: usize) -> Result<(), Failure> {
    if given != needed {
        return Err(Failure::Size {
            what,
            given,
            needed,
        });
    }
    Ok(())
}

/// Makes a decoder for chunks of one dataset and gives it all memory it will need.
///
/// - `filter_id`, `cd_count`, `cd_values`: as H5Pget_filter returns them, or as `etalon_filter_for` makes them
/// - `chunk_bytes`: size of a decoded chunk
/// - `decoder`: where the new decoder goes; free it with `etalon_decoder_free`
///
/// Thread-safe. Fails with ETALON_NULL, ETALON_SIZE or ETALON_SETTINGS.
///
/// # Safety
/// Pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_decoder_new(
    filter_id: u32,
    cd_count: usize,
    cd_values: *const c_uint,
    chunk_bytes: usize,
    decoder: *mut *mut Decoder,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        let place = unsafe { Place::new("decoder", decoder) }?;
        if cd_values.is_null() {
            return Err(Failure::Null("cd_values"));
        }
        if cd_count > MAX_CD_VALUES {
            check_size("cd_count", cd_count, MAX_CD_VALUES)?;
        }
        if !is_chunk_size(chunk_bytes) {
            return Err(Failure::Settings("a chunk is empty or larger than memory"));
        }
        // SAFETY: the caller's promise.
        let values = (0..cd_count).map(|i| unsafe { cd_values.add(i).read_unaligned() });
        let values: Vec<u32> = values.collect();
        let new = Decoder::new(filter_id, &values, chunk_bytes)?;
        place.write(Box::into_raw(Box::new(new)));
        Ok(())
    })
}

/// Decodes a chunk as HDF5 stores it: what H5Dread_chunk returns where the filter mask is 0.
///
/// - `chunk`: the stored chunk, `chunk_bytes` of them; may be damaged in any way
/// - `dst`: room for `dst_bytes` ≥ the decoder's chunk size; must not overlap `chunk`
/// - `written`: how many bytes of `dst` are the elements: the decoder's chunk size
///
/// Takes no memory from malloc once chunks like this one have been decoded; with bitshuffle never.
///
/// One thread at a time per decoder. Fails with ETALON_NULL, ETALON_SIZE, ETALON_OVERLAP, ETALON_DAMAGED, or
/// ETALON_SETTINGS (a frame of a newer version); then `written` is as before, and where the arguments were in order `dst`
/// may hold anything.
///
/// # Safety
/// Pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_decode(
    decoder: *mut Decoder,
    chunk: *const c_void,
    chunk_bytes: usize,
    dst: *mut c_void,
    dst_bytes: usize,
    written: *mut usize,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        let (decoder, place) = unsafe {
            (
                reference_mut("decoder", decoder)?,
                Place::new("written", written)?,
            )
        };
        if dst_bytes < decoder.chunk_bytes {
            check_size("dst_bytes", dst_bytes, decoder.chunk_bytes)?;
        }
        check_disjoint(chunk, chunk_bytes, dst, dst_bytes)?;
        // SAFETY: the caller's promise; they share no memory.
        let (chunk, dst) = unsafe {
            (
                bytes("chunk", chunk, chunk_bytes)?,
                bytes_mut("dst", dst, dst_bytes)?,
            )
        };
        place.write(decoder.decode(chunk, dst)?);
        Ok(())
    })
}

/// Reads the header of a chunk as HDF5 stores it: size, codec and certificate of loss, without decoding it.
///
/// - `info_bytes`: sizeof(etalon_info)
///
/// One thread at a time per decoder. Fails with ETALON_NULL, ETALON_DAMAGED, or ETALON_SETTINGS (a newer version).
///
/// # Safety
/// `chunk_bytes` bytes can be read at `chunk`; `info_bytes` bytes can be written to `info`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_inspect(
    decoder: *const Decoder,
    chunk: *const c_void,
    chunk_bytes: usize,
    info_bytes: usize,
    info: *mut Info,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        let (decoder, place) =
            unsafe { (reference("decoder", decoder)?, Place::new("info", info)?) };
        // SAFETY: the caller's promise.
        let chunk = unsafe { bytes("chunk", chunk, chunk_bytes) }?;
        place.write_front(&decoder.inspect(chunk)?, info_bytes);
        Ok(())
    })
}

/// Frees a decoder; NULL is nothing to free.
///
/// One thread at a time per decoder; never fails.
///
/// # Safety
/// `decoder` is NULL, or a decoder that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_decoder_free(decoder: *mut Decoder) {
    guarded(|| {
        if !decoder.is_null() {
            // SAFETY: it came from `Box::into_raw`, and the caller gives it up.
            drop(unsafe { Box::from_raw(decoder) });
        }
        Ok(())
    });
}
