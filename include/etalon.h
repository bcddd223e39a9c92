/* libetalon: codecs for detector data, which know what they may lose.
 *
 * Generated from src/ by cbindgen; include/etalon.h is part of the source and compared in a test.
 *
 * Rules that all functions keep
 *
 * - A function that can fail returns a status: ETALON_OK, or why it failed. etalon_last_error() has a sentence about it.
 * - Inputs come first and are const; outputs come last. No argument is both, except contexts.
 * - Outputs are written only on success. On failure nothing is written, except that etalon_encode and etalon_decode may
 *   leave anything in `dst`.
 * - The caller owns all memory that it passes, and nothing is kept of it after the call. Texts and structures that are
 *   returned by pointer belong to the library. Contexts belong to the caller, who frees each once.
 * - NULL, lengths that do not fit, and buffers that overlap are refused. A pointer that is wrong in another way cannot be.
 * - No function prints, exits, starts a thread, or lets a panic or exception out. None looks at the locale. ETALON_SIMD in the
 *   environment limits the instruction set.
 * - Each function says whether it is thread-safe. `One thread at a time` means that calls with the same context must not
 *   overlap in time; a context may move from thread to thread. Different contexts share nothing.
 * - All memory is taken when a context is made. Encoding and decoding take none from malloc, unless the data need more than
 *   any chunk before them: with bitshuffle (32008) that cannot happen; failing may take some.
 * - Structures that grow begin with their size; pass sizeof of yours. Constants and functions are never renumbered or
 *   removed under the same ETALON_ABI_VERSION, which is also the number in the SONAME.
 * - After fork(), contexts work in both processes.
 *
 * A writer makes an encoder per thread, passes etalon_encoder_filter() to H5Pset_filter, and etalon_encode()'s bytes to
 * H5Dwrite_chunk. examples/ has whole programs.
 */

#ifndef ETALON_H
#define ETALON_H

#include <stddef.h>
#include <stdint.h>

/**
 * Version of the binary interface that this header describes; that of a library is `etalon_abi_version()`.
 */
#define ETALON_ABI_VERSION 0

/**
 * Done: outputs are written.
 */
#define ETALON_OK 0

/**
 * A pointer that must not be NULL is.
 */
#define ETALON_NULL 1

/**
 * A length is not the one needed: a chunk of another size than the context is for, or a buffer that is too small.
 */
#define ETALON_SIZE 2

/**
 * Input and output share memory.
 */
#define ETALON_OVERLAP 3

/**
 * Settings contradict each other, are unknown, or do not fit the data.
 */
#define ETALON_SETTINGS 4

/**
 * The chunk is truncated or damaged.
 */
#define ETALON_DAMAGED 5

/**
 * An index is not below the number of items.
 */
#define ETALON_INDEX 6

/**
 * A compressor refused data it should accept, or the library is at fault: please report it.
 */
#define ETALON_INTERNAL 7

/**
 * Every element is bit-exact.
 */
#define ETALON_LOSSLESS 0

/**
 * The bound holds by construction and was checked on every element.
 */
#define ETALON_BY_CONSTRUCTION 1

/**
 * The bound was verified by decoding the chunk.
 */
#define ETALON_VERIFIED 2

/**
 * There is no bound.
 */
#define ETALON_UNIT_NONE 0

/**
 * The bound is in units of the data.
 */
#define ETALON_UNIT_ABSOLUTE 1

/**
 * The bound is a fraction of the range of the data.
 */
#define ETALON_UNIT_RANGE 2

/**
 * The bound is a fraction of each element.
 */
#define ETALON_UNIT_ELEMENT 3

/**
 * The bound is in standard deviations of the noise.
 */
#define ETALON_UNIT_SIGMA 4

/**
 * The bound is a PSNR in decibels, from below.
 */
#define ETALON_UNIT_DECIBEL 5

/**
 * The bound is a Dice coefficient, from below.
 */
#define ETALON_UNIT_DICE 6

/**
 * Decoded background is drawn from a model instead of being data.
 */
#define ETALON_SYNTHETIC_BACKGROUND 1

/**
 * The codec fell back to a finer setting, or to a lossless one, to keep its promise.
 */
#define ETALON_FELL_BACK 2

/**
 * Most `cd_values` a filter of this library has, and one.
 */
#define ETALON_CD_VALUES 256

/**
 * Leave out the 12 bytes before the blocks of a bitshuffle chunk, which the program writes itself.
 */
#define ETALON_WITHOUT_HEADER 1

/**
 * Decodes chunks of one dataset, for one thread at a time.
 */
typedef struct etalon_decoder etalon_decoder;

/**
 * Encodes chunks of one dataset, for one thread at a time.
 */
typedef struct etalon_encoder etalon_encoder;

/**
 * The arguments of H5Pset_filter, as in `H5Pset_filter(dcpl, f.id, H5Z_FLAG_MANDATORY, f.cd_count, f.cd_values)`.
 */
typedef struct etalon_filter {
  /**
   * Filter id.
   */
  uint32_t id;
  /**
   * Number of values.
   */
  size_t cd_count;
  /**
   * The values, complete, for this library's filters: HDF5 has not to be asked for element type and shape.
   */
  unsigned int cd_values[256];
  /**
   * Number of values in the short form.
   */
  size_t user_count;
  /**
   * The short form, which the filter completes when a dataset is created. For bitshuffle it is `block, compressor,
   * level`, and the one to pass where the filter may be somebody else's, as that of hdf5plugin.
   */
  unsigned int user_values[256];
  /**
   * Name of the filter as HDF5 shows it; lasts as long as the library.
   */
  const char *name;
} etalon_filter;

/**
 * A codec that a SPEC can name. Later versions add fields at the end. Texts last as long as the library.
 */
typedef struct etalon_codec {
  /**
   * Bytes of this structure that the library knows.
   */
  size_t struct_bytes;
  /**
   * Name in a SPEC.
   */
  const char *name;
  /**
   * One line about it.
   */
  const char *about;
  /**
   * Filter id that HDF5 stores.
   */
  uint32_t filter_id;
  /**
   * 1 if every value comes back bit for bit, or else 0.
   */
  uint32_t lossless;
  /**
   * Number of keys that a SPEC may set.
   */
  size_t keys;
} etalon_codec;

/**
 * A key of a codec. Later versions add fields at the end. Texts last as long as the library.
 */
typedef struct etalon_key {
  /**
   * Bytes of this structure that the library knows.
   */
  size_t struct_bytes;
  /**
   * The key.
   */
  const char *name;
  /**
   * What it takes, as in "1…22" or "lz4|zstd|none".
   */
  const char *takes;
  /**
   * What it is where the SPEC does not say; "" for nothing.
   */
  const char *default_value;
  /**
   * One line about it, with the unit.
   */
  const char *about;
} etalon_key;

/**
 * What a chunk says about itself. Later versions add fields at the end.
 */
typedef struct etalon_info {
  /**
   * Bytes of this structure that the library knows; fields beyond were not written.
   */
  size_t struct_bytes;
  /**
   * Size of the decoded chunk in bytes.
   */
  uint64_t decoded_bytes;
  /**
   * Filter id that HDF5 stores for such chunks.
   */
  uint32_t filter_id;
  /**
   * ETALON_LOSSLESS, ETALON_BY_CONSTRUCTION or ETALON_VERIFIED.
   */
  uint32_t guarantee;
  /**
   * Unit of the bound, ETALON_UNIT_…
   */
  uint32_t bound_unit;
  /**
   * ETALON_SYNTHETIC_BACKGROUND and ETALON_FELL_BACK, or-ed.
   */
  uint32_t flags;
  /**
   * The bound that was asked for, in its unit.
   */
  double bound_asked;
  /**
   * Largest absolute error of a finite element.
   */
  double max_abs_error;
  /**
   * Largest absolute error in standard deviations of the noise; NaN where no noise model is defined.
   */
  double max_sigma_error;
  /**
   * Sum of decoded − original.
   */
  double sum_error;
  /**
   * Sum of squared errors.
   */
  double sum_squared_error;
  /**
   * Elements kept exactly although the codec would have changed them.
   */
  uint64_t exceptions;
  /**
   * Name of the codec, "raw" for a chunk that is stored as it is; ends with 0.
   */
  char codec[32];
} etalon_info;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the binary interface of the library that is loaded. A program built against another
 * `ETALON_ABI_VERSION` must not go on.
 *
 * Thread-safe; never fails.
 */
uint32_t etalon_abi_version(void);

/**
 * The version of the library that is loaded, as in "0.1.0".
 *
 * Thread-safe; never fails. The text lasts as long as the library.
 */
const char *etalon_version(void);

/**
 * A sentence about the last failure in the calling thread, in UTF-8; "" where there was none. Success does not change
 * it.
 *
 * Thread-safe; never fails. The text lasts until the next failure in the same thread.
 */
const char *etalon_last_error(void);

/**
 * What a status means in general, as in "a pointer is NULL".
 *
 * Thread-safe; never fails. The text lasts as long as the library.
 */
const char *etalon_status_text(int status);

/**
 * What H5Pset_filter has to be told for a SPEC, without making an encoder. Arguments are those of
 * `etalon_encoder_new`.
 *
 * Thread-safe. Fails with ETALON_NULL or ETALON_SETTINGS.
 */
int etalon_filter_for(const char *spec,
                      const char *stream,
                      const char *element,
                      size_t dimensions,
                      const size_t *shape,
                      const void *fill,
                      struct etalon_filter *filter);

/**
 * The class of a filter for H5Zregister: `H5Zregister(etalon_hdf5_filter(32008))` makes HDF5 read and write its chunks
 * without any plugin. NULL for an id that is not this library's.
 *
 * Thread-safe; never fails. The class lasts as long as the library; it calls nothing of HDF5 before HDF5 calls it.
 */
const void *etalon_hdf5_filter(uint32_t filter_id);

/**
 * Number of codecs.
 *
 * Thread-safe; never fails.
 */
size_t etalon_codec_count(void);

/**
 * Describes a codec.
 *
 * - `index`: below `etalon_codec_count`
 * - `codec_bytes`: sizeof(etalon_codec)
 *
 * Thread-safe. Fails with ETALON_NULL or ETALON_INDEX.
 */
int etalon_codec_at(size_t index, size_t codec_bytes, struct etalon_codec *codec);

/**
 * Describes a key of a codec.
 *
 * - `index`: of the codec, below `etalon_codec_count`
 * - `key_index`: below the codec's `keys`
 * - `key_bytes`: sizeof(etalon_key)
 *
 * Thread-safe. Fails with ETALON_NULL or ETALON_INDEX.
 */
int etalon_codec_key_at(size_t index, size_t key_index, size_t key_bytes, struct etalon_key *key);

/**
 * Makes an encoder for chunks of one dataset and gives it all memory it will need, by encoding a few chunks of its
 * own: milliseconds for bitshuffle, up to seconds for large chunks of the other codecs.
 *
 * - `spec`: codec and settings, as in "bitshuffle:compressor=zstd,level=1" or "noise:sigma=0.5"
 * - `stream`: NULL, or for a codec that loses, "bitshuffle" with settings: the loss is then put into the values, and
 *   these into a stream that every reader of bitshuffle reads (standard mode)
 * - `element`: element type as numpy writes it: "u2", "<i4", ">f8", "float32"
 * - `shape`: `dimensions` extents of a chunk, slowest first
 * - `fill`: NULL, or one element: the dataset's fill value, which stays exact
 * - `encoder`: where the new encoder goes; free it with `etalon_encoder_free`
 *
 * Thread-safe. Fails with ETALON_NULL or ETALON_SETTINGS.
 */
int etalon_encoder_new(const char *spec,
                       const char *stream,
                       const char *element,
                       size_t dimensions,
                       const size_t *shape,
                       const void *fill,
                       struct etalon_encoder **encoder);

/**
 * Size of a chunk that the encoder takes, in bytes; 0 for NULL.
 *
 * Thread-safe; never fails.
 */
size_t etalon_encoder_chunk_bytes(const struct etalon_encoder *encoder);

/**
 * Size of a buffer that every encoded chunk fits in, header included, in bytes; 0 for NULL.
 *
 * Thread-safe; never fails.
 */
size_t etalon_encoder_bound(const struct etalon_encoder *encoder);

/**
 * What H5Pset_filter has to be told for the encoder's chunks.
 *
 * Thread-safe. Fails with ETALON_NULL.
 */
int etalon_encoder_filter(const struct etalon_encoder *encoder, struct etalon_filter *filter);

/**
 * Encodes a chunk: the bytes that H5Dwrite_chunk takes, with a filter mask of 0.
 *
 * - `src`: the elements in C order, `src_bytes` = `etalon_encoder_chunk_bytes`; need not be aligned
 * - `flags`: 0 or ETALON_WITHOUT_HEADER
 * - `dst`: room for `dst_bytes` ≥ `etalon_encoder_bound`; must not overlap `src`
 * - `written`: how many bytes of `dst` are the chunk
 *
 * Takes no memory from malloc once chunks like this one have been encoded; with bitshuffle never.
 *
 * One thread at a time per encoder. Fails with ETALON_NULL, ETALON_SIZE, ETALON_OVERLAP, ETALON_SETTINGS (the codec
 * refuses these data) or ETALON_INTERNAL; then `written` is as before, and where the arguments were in order `dst` may
 * hold anything.
 */
int etalon_encode(struct etalon_encoder *encoder,
                  const void *src,
                  size_t src_bytes,
                  uint32_t flags,
                  void *dst,
                  size_t dst_bytes,
                  size_t *written);

/**
 * What the chunk encoded last lost: in standard mode nothing else says so.
 *
 * - `info_bytes`: sizeof(etalon_info)
 *
 * One thread at a time per encoder. Fails with ETALON_NULL, or ETALON_SETTINGS where nothing has been encoded.
 */
int etalon_encoder_info(const struct etalon_encoder *encoder, size_t info_bytes, struct etalon_info *info);

/**
 * Frees an encoder; NULL is nothing to free.
 *
 * One thread at a time per encoder; never fails.
 */
void etalon_encoder_free(struct etalon_encoder *encoder);

/**
 * Makes a decoder for chunks of one dataset and gives it all memory it will need.
 *
 * - `filter_id`, `cd_count`, `cd_values`: as H5Pget_filter returns them, or as `etalon_filter_for` makes them
 * - `chunk_bytes`: size of a decoded chunk
 * - `decoder`: where the new decoder goes; free it with `etalon_decoder_free`
 *
 * Thread-safe. Fails with ETALON_NULL, ETALON_SIZE or ETALON_SETTINGS.
 */
int etalon_decoder_new(uint32_t filter_id,
                       size_t cd_count,
                       const unsigned int *cd_values,
                       size_t chunk_bytes,
                       struct etalon_decoder **decoder);

/**
 * Decodes a chunk as HDF5 stores it: what H5Dread_chunk returns where the filter mask is 0.
 *
 * - `chunk`: the stored chunk, `chunk_bytes` of them; may be damaged in any way
 * - `dst`: room for `dst_bytes` ≥ the decoder's chunk size; must not overlap `chunk`
 * - `written`: how many bytes of `dst` are the elements: the decoder's chunk size
 *
 * Takes no memory from malloc once chunks like this one have been decoded; with bitshuffle never.
 *
 * One thread at a time per decoder. Fails with ETALON_NULL, ETALON_SIZE, ETALON_OVERLAP, ETALON_DAMAGED, or
 * ETALON_SETTINGS (a frame of a newer version); then `written` is as before, and where the arguments were in order `dst`
 * may hold anything.
 */
int etalon_decode(struct etalon_decoder *decoder,
                  const void *chunk,
                  size_t chunk_bytes,
                  void *dst,
                  size_t dst_bytes,
                  size_t *written);

/**
 * Reads the header of a chunk as HDF5 stores it: size, codec and certificate of loss, without decoding it.
 *
 * - `info_bytes`: sizeof(etalon_info)
 *
 * One thread at a time per decoder. Fails with ETALON_NULL, ETALON_DAMAGED, or ETALON_SETTINGS (a newer version).
 */
int etalon_inspect(const struct etalon_decoder *decoder,
                   const void *chunk,
                   size_t chunk_bytes,
                   size_t info_bytes,
                   struct etalon_info *info);

/**
 * Frees a decoder; NULL is nothing to free.
 *
 * One thread at a time per decoder; never fails.
 */
void etalon_decoder_free(struct etalon_decoder *decoder);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ETALON_H */
