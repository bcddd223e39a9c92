/* Writes frames as a detector's writer does: compressed by libetalon, stored with H5Dwrite_chunk.
 *
 *   writer FILE FRAMES SPEC [STREAM]      cc writer.c $(pkg-config --cflags --libs etalon hdf5)
 *
 * h5py, h5dump and everything else read the file. SPEC is as in bitshuffle:compressor=zstd,level=1; with a codec that
 * loses, a STREAM such as bitshuffle makes a file that needs nothing of Etalon's.
 */
#include <etalon.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS 512
#define COLUMNS 1028

static uint16_t frame[ROWS * COLUMNS];

static void expose(unsigned number)
{
    unsigned long state = 12345 + number;
    for (size_t i = 0; i < ROWS * COLUMNS; i++) {
        state = (state * 1103515245UL + 12345UL) & 0x7fffffffUL;
        frame[i] = (uint16_t)((state >> 16) % 5);
    }
    frame[0] = (uint16_t)number;
}

int main(int argc, char **argv)
{
    const size_t  shape[3] = {1, ROWS, COLUMNS};
    const hsize_t chunk[3] = {1, ROWS, COLUMNS}, unlimited[3] = {H5S_UNLIMITED, ROWS, COLUMNS};
    etalon_encoder *encoder = NULL;
    etalon_filter   filter;
    etalon_info     info;

    if (argc < 4 || etalon_abi_version() != ETALON_ABI_VERSION)
        return 2;
    unsigned frames = (unsigned)strtoul(argv[2], NULL, 10);
    if (etalon_encoder_new(argv[3], argc > 4 ? argv[4] : NULL, "u2", 3, shape, NULL, &encoder) != ETALON_OK ||
        etalon_encoder_filter(encoder, &filter) != ETALON_OK) {
        fprintf(stderr, "%s: %s\n", argv[3], etalon_last_error());
        return 1;
    }
    size_t capacity = etalon_encoder_bound(encoder), stored;
    void  *buffer = malloc(capacity);

    /* The filter comes with the library: no plugin is needed to write. */
    H5Zregister(etalon_hdf5_filter(filter.id));
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    hid_t file = H5Fcreate(argv[1], H5F_ACC_TRUNC, H5P_DEFAULT, access);
    hid_t dcpl = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(dcpl, 3, chunk);
    H5Pset_filter(dcpl, (H5Z_filter_t)filter.id, H5Z_FLAG_MANDATORY, filter.cd_count, filter.cd_values);
    hsize_t extent[3] = {0, ROWS, COLUMNS};
    hid_t   space = H5Screate_simple(3, extent, unlimited);
    hid_t   data = H5Dcreate2(file, "data", H5T_STD_U16LE, space, H5P_DEFAULT, dcpl, H5P_DEFAULT);
    int     failed = buffer == NULL || data < 0 || H5Fstart_swmr_write(file) < 0; /* From here on readers may follow. */
    double  worst = 0, bytes = 0;
    for (unsigned i = 0; i < frames && !failed; i++) {
        hsize_t offset[3] = {i, 0, 0};
        expose(i);
        failed = etalon_encode(encoder, frame, sizeof frame, 0, buffer, capacity, &stored) != ETALON_OK ||
                 etalon_encoder_info(encoder, sizeof info, &info) != ETALON_OK;
        extent[0] = i + 1;
        failed = failed || H5Dset_extent(data, extent) < 0 ||
                 H5Dwrite_chunk(data, H5P_DEFAULT, 0, offset, stored, buffer) < 0 || H5Dflush(data) < 0;
        worst = !failed && info.max_abs_error > worst ? info.max_abs_error : worst;
        bytes += (double)stored;
    }
    failed = failed || H5Dclose(data) < 0 || H5Fclose(file) < 0;
    if (failed)
        fprintf(stderr, "not written: %s\n", etalon_last_error());
    else
        printf("%u frames, ratio %.2f, largest error %g\n", frames, (double)frames * sizeof frame / bytes, worst);
    etalon_encoder_free(encoder);
    free(buffer);
    return failed;
}
