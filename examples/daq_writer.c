/* Writes the frames of a detector with two receivers; libetalon_daq encodes them on threads of its own.
 *
 *   daq_writer FILE FRAMES SPEC [STREAM]      cc -pthread daq_writer.c $(pkg-config --cflags --libs etalon_daq)
 *
 * Ctrl-C and SIGTERM end it with a complete file. h5py and everything else may read while it writes.
 */
#define _POSIX_C_SOURCE 200809L
#include <etalon_daq.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROWS = 512, COLUMNS = 1028, RECEIVERS = 2 };

static volatile sig_atomic_t stop;
static etalon_daq           *daq;
static uint64_t              frames;

static void on_signal(int number) { stop = number; }

/* What a receiver would get from the network. */
static void receive(uint64_t number, uint16_t *pixels)
{
    uint32_t state = 12345u + (uint32_t)number;
    for (size_t i = 0; i < (size_t)ROWS * COLUMNS; i++) {
        state = (state * 1103515245u + 12345u) & 0x7fffffffu;
        pixels[i] = (uint16_t)((state >> 16) % 5);
    }
    pixels[0] = (uint16_t)number;
}

static void *receiver(void *first)
{
    for (uint64_t number = *(const uint64_t *)first; number < frames && !stop; number += RECEIVERS) {
        struct timespec now;
        void           *buffer;
        if (etalon_daq_take(daq, number, &buffer) != ETALON_DAQ_OK)
            break; /* Only the file can fail here: frames wait for a buffer, and numbers are right. */
        receive(number, buffer);
        clock_gettime(CLOCK_REALTIME, &now);
        if (etalon_daq_submit(daq, buffer, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec) != ETALON_DAQ_OK)
            break;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static uint64_t       first[RECEIVERS] = {0, 1};
    const size_t          shape[2] = {ROWS, COLUMNS};
    struct sigaction      action = {0};
    etalon_daq_settings   settings = {0};
    etalon_daq_statistics statistics;
    pthread_t             threads[RECEIVERS];

    if (argc < 4 || etalon_daq_abi_version() != ETALON_DAQ_ABI_VERSION)
        return 2;
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    frames = strtoull(argv[2], NULL, 10);
    settings = (etalon_daq_settings){.struct_bytes = sizeof settings, .spec = argv[3], .stream = argc > 4 ? argv[4] : NULL,
                                     .element = "u2", .frame_shape = shape, .dimensions = 2, .flush_after_ms = 100};
    int status = etalon_daq_create(argv[1], &settings, &daq);
    for (int i = 0; status == ETALON_DAQ_OK && i < RECEIVERS; i++)
        pthread_create(&threads[i], NULL, receiver, &first[i]);
    for (int i = 0; status == ETALON_DAQ_OK && i < RECEIVERS; i++)
        pthread_join(threads[i], NULL);
    status = status == ETALON_DAQ_OK ? etalon_daq_close(daq) : status;
    if (status != ETALON_DAQ_OK)
        fprintf(stderr, "%s\n", etalon_daq_last_error());
    if (etalon_daq_get_statistics(daq, sizeof statistics, &statistics) == ETALON_DAQ_OK)
        printf("%llu frames written, %llu lost, ratio %.2f, largest error %g\n", (unsigned long long)statistics.frames_written,
               (unsigned long long)statistics.frames_lost, statistics.ratio, statistics.worst_error);
    etalon_daq_free(daq);
    return status;
}
