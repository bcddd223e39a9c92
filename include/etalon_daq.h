/* libetalon_daq: frames of a detector, encoded by several threads and written to an HDF5 file that others read meanwhile.
 *
 * Generated from crates/daq/src/ by cbindgen; include/etalon_daq.h is part of the source and compared in a test.
 *
 * Rules that all functions keep
 *
 * - A function that can fail returns a status: ETALON_DAQ_OK, or why it failed. etalon_daq_last_error() has a sentence
 *   about it. Outputs come last and are written only on success.
 * - The library brings its own HDF5, which is hidden: the program may have another one, or none.
 * - It installs no signal handler, prints nothing and never exits. To stop, call etalon_daq_close().
 * - All memory for frames is taken by etalon_daq_create(): encoding with bitshuffle and writing take none, except that
 *   HDF5 takes some for its index.
 * - Frame n is at index n - first_number of /entry/instrument/detector/data, whoever brings it and whenever.
 * - Structures begin with their size; pass sizeof of yours. Constants and functions are never renumbered or removed under
 *   the same ETALON_DAQ_ABI_VERSION, which is also the number in the SONAME.
 * - The threads do not live on after fork(): create writers in the process that uses them.
 *
 * docs/DAQ.md tells what happens when the disk is slow or full, and when a program is killed. examples/daq_writer.c is a
 * whole program.
 */

#ifndef ETALON_DAQ_H
#define ETALON_DAQ_H

#include <stddef.h>
#include <stdint.h>

/**
 * Version of the binary interface that this header describes; that of a library is `etalon_daq_abi_version()`.
 */
#define ETALON_DAQ_ABI_VERSION 0

/**
 * Done: outputs are written.
 */
#define ETALON_DAQ_OK 0

/**
 * A pointer that must not be NULL is.
 */
#define ETALON_DAQ_NULL 1

/**
 * The frame has another size than was agreed.
 */
#define ETALON_DAQ_SIZE 2

/**
 * Settings contradict each other, are unknown, or do not fit the frames.
 */
#define ETALON_DAQ_SETTINGS 3

/**
 * The frame's number was used before, or is out of range.
 */
#define ETALON_DAQ_NUMBER 4

/**
 * The frame is lost because no buffer was free (ETALON_DAQ_DROP). It is counted and named.
 */
#define ETALON_DAQ_DROPPED 5

/**
 * The file cannot be written. Frames from here on are lost, counted and named.
 */
#define ETALON_DAQ_FILE 6

/**
 * The writer has been closed.
 */
#define ETALON_DAQ_CLOSED 7

/**
 * There is no item with this index, or no buffer at this address.
 */
#define ETALON_DAQ_INDEX 8

/**
 * The library is at fault: please report it.
 */
#define ETALON_DAQ_INTERNAL 9

/**
 * While no buffer is free, the producer waits.
 */
#define ETALON_DAQ_WAIT 0

/**
 * While no buffer is free, frames are lost, counted and named.
 */
#define ETALON_DAQ_DROP 1

/**
 * A file that frames are written to.
 */
typedef struct etalon_daq etalon_daq;

/**
 * What a writer is asked for. Set all of it to 0 first: 0 stands for the default where there is one.
 */
typedef struct etalon_daq_settings {
  /**
   * sizeof(etalon_daq_settings)
   */
  size_t struct_bytes;
  /**
   * Codec and settings, as in "bitshuffle:compressor=zstd,level=1" or "noise:sigma=0.5".
   */
  const char *spec;
  /**
   * NULL, or for a codec that loses, "bitshuffle" with settings: the loss is then put into the values, and these into
   * a stream that every reader of bitshuffle reads (standard mode).
   */
  const char *stream;
  /**
   * Element type as numpy writes it: "u2", "<i4", "float32".
   */
  const char *element;
  /**
   * Extents of a frame, slowest first.
   */
  const size_t *frame_shape;
  /**
   * How many extents.
   */
  size_t dimensions;
  /**
   * Threads that encode; 0 for one per core.
   */
  uint32_t encoders;
  /**
   * Buffers for frames: those that producers fill, that wait, and that are being encoded; 0 for 8 and 2 per core.
   */
  uint32_t frame_buffers;
  /**
   * ETALON_DAQ_WAIT or ETALON_DAQ_DROP.
   */
  uint32_t when_full;
  /**
   * Readers see a frame no later than so many milliseconds after it was written, and it survives the end of the
   * program from then on; 0 for 500.
   */
  uint32_t flush_after_ms;
  /**
   * The frame with this number becomes index 0.
   */
  uint64_t first_number;
  /**
   * One more than the highest index; 0 for 2^24.
   */
  uint64_t most_frames;
  /**
   * What is left free on the disk, so that the file can be closed; 0 for 16 MiB.
   */
  uint64_t spare_bytes;
} etalon_daq_settings;

/**
 * How a writer is doing, since it was made. Every frame that a producer asked a buffer for is counted in `frames_in`, and
 * is on its way, in `frames_written`, or in `frames_lost`.
 *
 * Later versions add fields at the end.
 */
typedef struct etalon_daq_statistics {
  /**
   * Bytes of this structure that the library knows; fields beyond were not written.
   */
  size_t struct_bytes;
  /**
   * Frames that producers offered.
   */
  uint64_t frames_in;
  /**
   * Frames in the file.
   */
  uint64_t frames_written;
  /**
   * Frames that readers can see, and that would outlive this process.
   */
  uint64_t frames_flushed;
  /**
   * Frames lost, for one of the four reasons that follow.
   */
  uint64_t frames_lost;
  /**
   * No buffer was free.
   */
  uint64_t lost_without_buffer;
  /**
   * The codec failed.
   */
  uint64_t lost_refused;
  /**
   * The file could not be written.
   */
  uint64_t lost_by_file;
  /**
   * The producer gave its buffer back without a frame, or after the end.
   */
  uint64_t lost_abandoned;
  /**
   * Frame buffers with producers, in the queue, or being encoded.
   */
  uint64_t buffers_in_use;
  /**
   * Frames that wait for an encoder.
   */
  uint64_t queue_frames;
  /**
   * Encoded frames that wait for the file, with those being encoded.
   */
  uint64_t chunks_in_use;
  /**
   * Bytes of the frames in the file, as they came.
   */
  uint64_t bytes_in;
  /**
   * Bytes of the same frames in the file.
   */
  uint64_t bytes_stored;
  /**
   * From the first frame to the last one written, in seconds.
   */
  double seconds;
  /**
   * Frames written per second.
   */
  double frames_per_second;
  /**
   * Bytes of frames written per second, in units of 10⁹.
   */
  double gigabytes_per_second;
  /**
   * `bytes_in` / `bytes_stored`.
   */
  double ratio;
  /**
   * Largest absolute error of an element of any frame in the file.
   */
  double worst_error;
  /**
   * Half of the frames took no longer from submission to the file, in seconds.
   */
  double latency_p50;
  /**
   * 99 of 100 frames took no longer.
   */
  double latency_p99;
  /**
   * No frame took longer.
   */
  double latency_max;
} etalon_daq_statistics;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the binary interface of the library that is loaded. A program built against another
 * `ETALON_DAQ_ABI_VERSION` must not go on.
 *
 * Thread-safe; never fails.
 */
uint32_t etalon_daq_abi_version(void);

/**
 * A sentence about the last failure in this thread, "" before the first. It stays until the next failure.
 *
 * Thread-safe; never fails.
 */
const char *etalon_daq_last_error(void);

/**
 * Creates a file, starts the threads that encode and write, and takes all memory that frames will need.
 *
 * - `path`: the file, which must not exist
 * - `daq`: where the writer goes; close it with `etalon_daq_close`, free it with `etalon_daq_free`
 *
 * Thread-safe. Fails with ETALON_DAQ_NULL, ETALON_DAQ_SETTINGS or ETALON_DAQ_FILE.
 */
int etalon_daq_create(const char *path, const struct etalon_daq_settings *settings, struct etalon_daq **daq);

/**
 * Size of a frame in bytes; 0 for NULL.
 *
 * Thread-safe; never fails.
 */
size_t etalon_daq_frame_bytes(const struct etalon_daq *daq);

/**
 * A buffer of `etalon_daq_frame_bytes` for the frame with this number, aligned to 4096 bytes. It holds what is left
 * of another frame.
 *
 * - `buffer`: where the buffer's address goes; give it back with `etalon_daq_submit` or `etalon_daq_abandon`
 *
 * Thread-safe. Fails with ETALON_DAQ_NULL, ETALON_DAQ_NUMBER, ETALON_DAQ_DROPPED, ETALON_DAQ_FILE or ETALON_DAQ_CLOSED.
 */
int etalon_daq_take(const struct etalon_daq *daq, uint64_t number, void **buffer);

/**
 * Hands over the frame in a buffer that `etalon_daq_take` gave.
 *
 * - `timestamp_ns`: nanoseconds since 1970
 *
 * Thread-safe. Fails with ETALON_DAQ_NULL, ETALON_DAQ_INDEX (no such buffer), ETALON_DAQ_FILE or ETALON_DAQ_CLOSED;
 * the buffer is given back also then, except with the first two.
 */
int etalon_daq_submit(const struct etalon_daq *daq, const void *buffer, uint64_t timestamp_ns);

/**
 * Gives back a buffer without a frame: the frame is lost, counted and named.
 *
 * Thread-safe. Fails with ETALON_DAQ_NULL or ETALON_DAQ_INDEX (no such buffer).
 */
int etalon_daq_abandon(const struct etalon_daq *daq, const void *buffer);

/**
 * Takes a copy of a frame: `etalon_daq_take`, memcpy and `etalon_daq_submit`.
 *
 * Thread-safe. Fails with ETALON_DAQ_NULL, ETALON_DAQ_SIZE, ETALON_DAQ_NUMBER, ETALON_DAQ_DROPPED, ETALON_DAQ_FILE or
 * ETALON_DAQ_CLOSED.
 */
int etalon_daq_write(const struct etalon_daq *daq,
                     uint64_t number,
                     uint64_t timestamp_ns,
                     const void *frame,
                     size_t frame_bytes);

/**
 * How the writer is doing.
 *
 * - `statistics_bytes`: sizeof(etalon_daq_statistics)
 *
 * Thread-safe. Fails with ETALON_DAQ_NULL.
 */
int etalon_daq_get_statistics(const struct etalon_daq *daq,
                              size_t statistics_bytes,
                              struct etalon_daq_statistics *statistics);

/**
 * The numbers of lost frames, as runs in ascending order.
 *
 * - `index`: 0 for the first run
 * - `first`, `last`: the first and the last number of the run
 *
 * At most 2000 runs are kept; `frames_lost` counts all. Thread-safe. Fails with ETALON_DAQ_NULL or ETALON_DAQ_INDEX.
 */
int etalon_daq_lost(const struct etalon_daq *daq, size_t index, uint64_t *first, uint64_t *last);

/**
 * Writes what was submitted and closes the file. Frames in buffers that were not given back are lost. Lost frames are
 * no failure here: `etalon_daq_get_statistics` counts them.
 *
 * Thread-safe. Fails with ETALON_DAQ_NULL, ETALON_DAQ_FILE (what could be written is in the file) or ETALON_DAQ_CLOSED.
 */
int etalon_daq_close(const struct etalon_daq *daq);

/**
 * Frees a writer with all buffers; NULL is nothing to free. What is not closed is closed, and nobody hears of failures.
 *
 * No other call with this writer may go on. Never fails.
 */
void etalon_daq_free(struct etalon_daq *daq);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ETALON_DAQ_H */
