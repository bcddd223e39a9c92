/* Writes numbers through filter 32008, reads them back, and says what happened in one line of JSON.
 *
 *   host FILE leave|close optional|mandatory VALUE...
 *
 * Linked to libhdf5.a it hides its HDF5 from the plugin, and cd_values have to be complete. With `leave` nothing is
 * closed, so that HDF5 writes the chunks while the process exits.
 */
#include <hdf5.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 64
#define COLUMNS 53

static unsigned short written[ROWS * COLUMNS], read_back[ROWS * COLUMNS], zeros[ROWS * COLUMNS];

int main(int argc, char **argv)
{
    hsize_t  extent[2] = {ROWS, COLUMNS}, chunk[2] = {16, 20};
    unsigned values[16], flags = 0, mask = 0;
    size_t   count = 0;
    int      right = -1;

    if (argc < 4)
        return 2;
    while (count < 16 && 4 + (int)count < argc) {
        values[count] = (unsigned)strtoul(argv[4 + count], NULL, 10);
        count++;
    }
    for (int i = 0; i < ROWS * COLUMNS; i++)
        written[i] = (unsigned short)(i * i % 251);
    flags = strcmp(argv[3], "optional") == 0 ? H5Z_FLAG_OPTIONAL : H5Z_FLAG_MANDATORY;

    hid_t file  = H5Fcreate(argv[1], H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(2, extent, NULL);
    hid_t dcpl  = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(dcpl, 2, chunk);
    H5Pset_filter(dcpl, 32008, flags, count, values);
    hid_t dataset = H5Dcreate2(file, "x", H5T_NATIVE_USHORT, space, H5P_DEFAULT, dcpl, H5P_DEFAULT);
    if (strcmp(argv[2], "leave") == 0) {
        /* The plugin has worked in this thread before its thread-local memory goes, and is called again after. */
        int wrote = (int)H5Dwrite(dataset, H5T_NATIVE_USHORT, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros);
        wrote |= (int)H5Dflush(dataset);
        wrote |= (int)H5Dwrite(dataset, H5T_NATIVE_USHORT, H5S_ALL, H5S_ALL, H5P_DEFAULT, written);
        printf("{\"created\": %s, \"wrote\": %d}\n", dataset >= 0 ? "true" : "false", wrote);
        return 0;
    }
    int wrote   = (int)H5Dwrite(dataset, H5T_NATIVE_USHORT, H5S_ALL, H5S_ALL, H5P_DEFAULT, written);
    int flushed = (int)H5Dflush(dataset);
    H5Dclose(dataset);
    H5Fclose(file);

    if (wrote >= 0 && flushed >= 0) {
        file    = H5Fopen(argv[1], H5F_ACC_RDONLY, H5P_DEFAULT);
        dataset = H5Dopen2(file, "x", H5P_DEFAULT);
        H5Dread(dataset, H5T_NATIVE_USHORT, H5S_ALL, H5S_ALL, H5P_DEFAULT, read_back);
        right = memcmp(written, read_back, sizeof written) == 0;
        hsize_t offset[2] = {0, 0}, bytes = 0;
        haddr_t address;
        H5Dget_chunk_info_by_coord(dataset, offset, &mask, &address, &bytes);
        H5Dclose(dataset);
        H5Fclose(file);
    }
    H5Pclose(dcpl);
    H5Sclose(space);
    printf("{\"created\": %s, \"wrote\": %d, \"flushed\": %d, \"right\": %d, \"mask\": %u}\n",
           dataset >= 0 ? "true" : "false", wrote, flushed, right, mask);
    fflush(stdout);
    _Exit(0); /* A dataset that could not be flushed kills HDF5 1.10 at exit, with any filter. */
}
