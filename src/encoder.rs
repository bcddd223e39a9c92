//! Encoding, chunk after chunk of one dataset.

use std::ffi::{c_char, c_int, c_void};

use etalon_codec::codecs::{bitshuffle, bitshuffle_bare};
use etalon_codec::{Certificate, Chunk, Context, Error, frame, round};

use crate::filter::FilterSettings;
use crate::guard::{Place, bytes, bytes_mut, check_disjoint, guarded, reference, reference_mut};
use crate::info::Info;
use crate::pool::Pool;
use crate::request::{Arguments, Request};
use crate::status::Failure;
use crate::warm_up::{for_each_sample, for_each_short_sample, others};

/// Leave out the 12 bytes before the blocks of a bitshuffle chunk, which the program writes itself.
pub const ETALON_WITHOUT_HEADER: u32 = 1;

/// Encodes chunks of one dataset, for one thread at a time.
pub struct Encoder {
    request: Request,
    /// In standard mode, the values with the loss in them.
    rounded: Vec<u8>,
    bound: usize,
    last: Option<Info>,
    context: Context,
    pool: Box<Pool>,
}

impl Encoder {
    fn new(request: Request) -> Result<Self, Failure> {
        let bound = (request.filter.bound)(&request.cd_values, request.chunk_bytes)?;
        let rounded_bytes = if request.is_standard {
            request.chunk_bytes
        } else {
            0
        };
        let mut encoder = Self {
            rounded: vec![0; rounded_bytes],
            bound,
            last: None,
            context: Context::new(),
            pool: Pool::new(),
            request,
        };
        encoder.warm_up()?;
        Ok(encoder)
    }

    /// Takes all memory now. A codec may refuse a sample as it may refuse data, but not all of them.
    fn warm_up(&mut self) -> Result<(), Failure> {
        let mut stored = vec![0; self.bound];
        self.context.prepare_literals();
        let mut refusal = None;
        let mut encoded = 0;
        let layout = self.request.layout.clone();
        // In standard mode the loss is that of a frame.
        let filter = self.request.spec.codec().filter;
        let others = others(filter, &layout)?;
        for_each_sample(&layout, self.request.chunk_bytes, |chunk| {
            match self.encode(chunk, &mut stored, 0) {
                Ok(_) => encoded += 1,
                Err(error) => refusal = Some(error),
            }
        });
        for_each_short_sample(&layout, self.request.chunk_bytes, |chunk| {
            let Self { pool, context, .. } = self;
            for values in &others {
                let bound = (filter.bound)(values, chunk.len()).unwrap_or(0);
                stored.resize(stored.len().max(bound), 0);
                // What it says of the chunk is of no use, and it has no settings that data could contradict.
                let _ = pool.with(|| (filter.encode)(context, values, chunk, &mut stored));
            }
        });
        self.last = None;
        self.pool.reserve(self.bound);
        match refusal {
            Some(error) if encoded == 0 => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn encode(&mut self, src: &[u8], dst: &mut [u8], flags: u32) -> Result<usize, Error> {
        let Self {
            request,
            rounded,
            context,
            last,
            ..
        } = self;
        self.pool.with(|| {
            let mut certificate = Certificate::default();
            let mut values = src;
            if request.is_standard {
                let chunk = Chunk {
                    spec: &request.spec,
                    layout: &request.layout,
                    bytes: src,
                };
                certificate = round(context, &chunk, rounded)?;
                values = rounded;
            }
            let len = if flags & ETALON_WITHOUT_HEADER != 0 {
                bitshuffle_bare::encode(context, &request.cd_values, values, dst)?
            } else {
                (request.filter.encode)(context, &request.cd_values, values, dst)?
            };
            let filter = request.filter.id;
            let codec = request.spec.codec().name;
            *last = Some(if filter == bitshuffle::FILTER.id {
                Info::new(filter, codec, src.len(), &certificate)
            } else {
                let info = frame::inspect(&dst[..len])?;
                let certificate = info.certificate.unwrap_or_default();
                Info::new(filter, info.codec, src.len(), &certificate)
            });
            Ok(len)
        })
    }

    fn check(&self, src_bytes: usize, dst_bytes: usize, flags: u32) -> Result<(), Failure> {
        if src_bytes != self.request.chunk_bytes {
            return Err(Failure::Size {
                what: "src_bytes",
                given: src_bytes,
                needed: self.request.chunk_bytes,
            });
        }
        if dst_bytes < self.bound {
            return Err(Failure::Size {
                what: "dst_bytes",
                given: dst_bytes,
                needed: self.bound,
            });
        }
        let bare = flags & ETALON_WITHOUT_HEADER != 0;
        if flags & !ETALON_WITHOUT_HEADER != 0
            || bare && self.request.filter.id != bitshuffle::FILTER.id
        {
            return Err(Failure::Settings(
                "flags are 0, or ETALON_WITHOUT_HEADER for a bitshuffle stream",
            ));
        }
        Ok(())
    }
}

/// Makes an encoder for chunks of one dataset and gives it all memory it will need, by encoding a few chunks of its
/// own: milliseconds for bitshuffle, up to seconds for large chunks of the other codecs.
///
/// - `spec`: codec and settings, as in "bitshuffle:compressor=zstd,level=1" or "noise:sigma=0.5"
/// - `stream`: NULL, or for a codec that loses, "bitshuffle" with settings: the loss is then put into the values, and
///   these into a stream that every reader of bitshuffle reads (standard mode)
/// - `element`: element type as numpy writes it: "u2", "<i4", ">f8", "float32"
/// - `shape`: `dimensions` extents of a chunk, slowest first
/// - `fill`: NULL, or one element: the dataset's fill value, which stays exact
/// - `encoder`: where the new encoder goes; free it with `etalon_encoder_free`
///
/// Thread-safe. Fails with ETALON_NULL or ETALON_SETTINGS.
///
/// # Safety
/// Pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_encoder_new(
    spec: *const c_char,
    stream: *const c_char,
    element: *const c_char,
    dimensions: usize,
    shape: *const usize,
    fill: *const c_void,
    encoder: *mut *mut Encoder,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        let place = unsafe { Place::new("encoder", encoder) }?;
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
        place.write(Box::into_raw(Box::new(Encoder::new(request)?)));
        Ok(())
    })
}

/// Size of a chunk that the encoder takes, in bytes; 0 for NULL.
///
/// Thread-safe; never fails.
///
/// # Safety
/// `encoder` is NULL or an encoder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_encoder_chunk_bytes(encoder: *const Encoder) -> usize {
    // SAFETY: the caller's promise.
    unsafe { encoder.as_ref() }.map_or(0, |encoder| encoder.request.chunk_bytes)
}

/// Size of a buffer that every encoded chunk fits in, header included, in bytes; 0 for NULL.
///
/// Thread-safe; never fails.
///
/// # Safety
/// `encoder` is NULL or an encoder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_encoder_bound(encoder: *const Encoder) -> usize {
    // SAFETY: the caller's promise.
    unsafe { encoder.as_ref() }.map_or(0, |encoder| encoder.bound)
}

/// What H5Pset_filter has to be told for the encoder's chunks.
///
/// Thread-safe. Fails with ETALON_NULL.
///
/// # Safety
/// `encoder` is NULL or an encoder; a structure can be written to `filter`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_encoder_filter(
    encoder: *const Encoder,
    filter: *mut FilterSettings,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        let (encoder, place) = unsafe {
            (
                reference("encoder", encoder)?,
                Place::new("filter", filter)?,
            )
        };
        place.write(FilterSettings::of(&encoder.request));
        Ok(())
    })
}

/// Encodes a chunk: the bytes that H5Dwrite_chunk takes, with a filter mask of 0.
///
/// - `src`: the elements in C order, `src_bytes` = `etalon_encoder_chunk_bytes`; need not be aligned
/// - `flags`: 0 or ETALON_WITHOUT_HEADER
/// - `dst`: room for `dst_bytes` ≥ `etalon_encoder_bound`; must not overlap `src`
/// - `written`: how many bytes of `dst` are the chunk
///
/// Takes no memory from malloc once chunks like this one have been encoded; with bitshuffle never.
///
/// One thread at a time per encoder. Fails with ETALON_NULL, ETALON_SIZE, ETALON_OVERLAP, ETALON_SETTINGS (the codec
/// refuses these data) or ETALON_INTERNAL; then `written` is as before, and where the arguments were in order `dst` may
/// hold anything.
///
/// # Safety
/// Pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_encode(
    encoder: *mut Encoder,
    src: *const c_void,
    src_bytes: usize,
    flags: u32,
    dst: *mut c_void,
    dst_bytes: usize,
    written: *mut usize,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        let (encoder, place) = unsafe {
            (
                reference_mut("encoder", encoder)?,
                Place::new("written", written)?,
            )
        };
        encoder.check(src_bytes, dst_bytes, flags)?;
        check_disjoint(src, src_bytes, dst, dst_bytes)?;
        // SAFETY: the caller's promise; they share no memory.
        let (src, dst) = unsafe {
            (
                bytes("src", src, src_bytes)?,
                bytes_mut("dst", dst, dst_bytes)?,
            )
        };
        place.write(encoder.encode(src, dst, flags)?);
        Ok(())
    })
}

/// What the chunk encoded last lost: in standard mode nothing else says so.
///
/// - `info_bytes`: sizeof(etalon_info)
///
/// One thread at a time per encoder. Fails with ETALON_NULL, or ETALON_SETTINGS where nothing has been encoded.
///
/// # Safety
/// `encoder` is NULL or an encoder; `info_bytes` bytes can be written to `info`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_encoder_info(
    encoder: *const Encoder,
    info_bytes: usize,
    info: *mut Info,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's promise.
        let (encoder, place) =
            unsafe { (reference("encoder", encoder)?, Place::new("info", info)?) };
        let last = encoder.last.as_ref();
        let last = last.ok_or(Failure::Settings("no chunk has been encoded"))?;
        place.write_front(last, info_bytes);
        Ok(())
    })
}

/// Frees an encoder; NULL is nothing to free.
///
/// One thread at a time per encoder; never fails.
///
/// # Safety
/// `encoder` is NULL, or an encoder that is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn etalon_encoder_free(encoder: *mut Encoder) {
    guarded(|| {
        if !encoder.is_null() {
            // SAFETY: it came from `Box::into_raw`, and the caller gives it up.
            drop(unsafe { Box::from_raw(encoder) });
        }
        Ok(())
    });
}
