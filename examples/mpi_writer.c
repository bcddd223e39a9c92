/* Ranks write one dataset together, compressed: each its own rows, in one collective call.
 *
 *   mpirun -n 2 mpi_writer FILE SPEC      mpicc mpi_writer.c $(pkg-config --cflags --libs etalon hdf5-openmpi)
 *
 * Parallel HDF5 calls the filter itself, so there is no encoder here: the library gives it the filter and its values.
 */
#include <etalon.h>
#include <hdf5.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS 256
#define COLUMNS 300

int main(int argc, char **argv)
{
    const size_t  shape[2] = {32, COLUMNS};
    const hsize_t extent[2] = {ROWS, COLUMNS}, chunk[2] = {32, COLUMNS};
    etalon_filter filter;
    int           rank, size;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (argc != 3 || etalon_filter_for(argv[2], NULL, "i4", 2, shape, NULL, &filter) != ETALON_OK) {
        fprintf(stderr, "rank %d: %s\n", rank, argc == 3 ? etalon_last_error() : "mpi_writer FILE SPEC");
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    /* All ranks pass the same values, as HDF5 demands; no plugin is needed. */
    H5Zregister(etalon_hdf5_filter(filter.id));
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fapl_mpio(access, MPI_COMM_WORLD, MPI_INFO_NULL);
    hid_t file = H5Fcreate(argv[1], H5F_ACC_TRUNC, H5P_DEFAULT, access);
    hid_t dcpl = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(dcpl, 2, chunk);
    H5Pset_filter(dcpl, (H5Z_filter_t)filter.id, H5Z_FLAG_MANDATORY, filter.cd_count, filter.cd_values);
    hid_t whole = H5Screate_simple(2, extent, NULL);
    hid_t data = H5Dcreate2(file, "data", H5T_STD_I32LE, whole, H5P_DEFAULT, dcpl, H5P_DEFAULT);

    /* A rank's rows are not a whole number of chunks where there are 3 ranks: HDF5 then moves rows between them. */
    hsize_t first = (hsize_t)rank * ROWS / (hsize_t)size, end = (hsize_t)(rank + 1) * ROWS / (hsize_t)size;
    hsize_t start[2] = {first, 0}, count[2] = {end - first, COLUMNS};
    int    *rows = malloc(count[0] * COLUMNS * sizeof *rows);
    for (hsize_t i = 0; i < count[0] * COLUMNS; i++)
        rows[i] = (int)((first * COLUMNS + i) % 1000);
    hid_t memory = H5Screate_simple(2, count, NULL);
    H5Sselect_hyperslab(whole, H5S_SELECT_SET, start, NULL, count, NULL);
    hid_t together = H5Pcreate(H5P_DATASET_XFER);
    H5Pset_dxpl_mpio(together, H5FD_MPIO_COLLECTIVE);
    int failed = H5Dwrite(data, H5T_NATIVE_INT, memory, whole, together, rows) < 0;
    free(rows);
    H5Dclose(data);
    failed |= H5Fclose(file) < 0;
    if (!failed && rank == 0)
        printf("%d ranks, filter %u\n", size, filter.id);
    MPI_Finalize();
    return failed;
}
