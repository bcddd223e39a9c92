/* Uses every function of include/etalon_daq.h rightly and wrongly, and prints how many answers were not those expected.
 *
 *   daq FOLDER
 */
#include <etalon_daq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void expect(int line, int status, int wanted)
{
    if (status != wanted) {
        printf("line %d: %d instead of %d: %s\n", line, status, wanted, etalon_daq_last_error());
        failures++;
    }
}

#define EXPECT(call, wanted) expect(__LINE__, (call), (wanted))
#define HOLDS(condition) expect(__LINE__, (condition) ? 0 : 1, 0)

static char path[4096];

static const char *in(const char *folder, const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static etalon_daq_settings usual(const size_t *shape)
{
    etalon_daq_settings settings;
    memset(&settings, 0, sizeof settings);
    settings.struct_bytes = sizeof settings;
    settings.spec = "bitshuffle";
    settings.element = "u2";
    settings.frame_shape = shape;
    settings.dimensions = 2;
    return settings;
}

static void settings_that_make_no_sense(const char *folder)
{
    const size_t        shape[2] = {20, 30}, empty[2] = {20, 0};
    etalon_daq         *daq = NULL;
    etalon_daq_settings settings;

#define REFUSED(change, wanted)                                      \
    settings = usual(shape);                                         \
    change;                                                          \
    EXPECT(etalon_daq_create(in(folder, "no.h5"), &settings, &daq), wanted); \
    HOLDS(daq == NULL && etalon_daq_last_error()[0] != 0)
    REFUSED(settings.struct_bytes = 8, ETALON_DAQ_SETTINGS);
    REFUSED(settings.spec = NULL, ETALON_DAQ_NULL);
    REFUSED(settings.spec = "bitshufle", ETALON_DAQ_SETTINGS);
    REFUSED(settings.spec = "\xff", ETALON_DAQ_SETTINGS);
    REFUSED(settings.stream = "bitshuffle", ETALON_DAQ_SETTINGS);
    REFUSED(settings.element = NULL, ETALON_DAQ_NULL);
    REFUSED(settings.element = "u3", ETALON_DAQ_SETTINGS);
    REFUSED(settings.frame_shape = NULL, ETALON_DAQ_NULL);
    REFUSED(settings.frame_shape = empty, ETALON_DAQ_SETTINGS);
    REFUSED(settings.dimensions = 0, ETALON_DAQ_SETTINGS);
    REFUSED(settings.element = "f2", ETALON_DAQ_SETTINGS);
    REFUSED(settings.element = "V8", ETALON_DAQ_SETTINGS);
    REFUSED(settings.frame_buffers = UINT32_MAX, ETALON_DAQ_SETTINGS);
    REFUSED(settings.encoders = UINT32_MAX, ETALON_DAQ_SETTINGS);
    REFUSED(settings.when_full = 2, ETALON_DAQ_SETTINGS);
    REFUSED(settings.first_number = UINT64_MAX, ETALON_DAQ_SETTINGS);
    settings = usual(shape);
    EXPECT(etalon_daq_create(NULL, &settings, &daq), ETALON_DAQ_NULL);
    EXPECT(etalon_daq_create(in(folder, "no.h5"), NULL, &daq), ETALON_DAQ_NULL);
    EXPECT(etalon_daq_create(in(folder, "no.h5"), &settings, NULL), ETALON_DAQ_NULL);
    EXPECT(etalon_daq_create(in(folder, "no/no.h5"), &settings, &daq), ETALON_DAQ_FILE);
    HOLDS(daq == NULL && strstr(etalon_daq_last_error(), "no/no.h5") != NULL);
}

static void no_writer(void)
{
    void                 *buffer = &failures;
    uint64_t              first = 7, last = 7;
    etalon_daq_statistics statistics;
    EXPECT(etalon_daq_take(NULL, 0, &buffer), ETALON_DAQ_NULL);
    HOLDS(buffer == &failures);
    EXPECT(etalon_daq_submit(NULL, buffer, 0), ETALON_DAQ_NULL);
    EXPECT(etalon_daq_abandon(NULL, buffer), ETALON_DAQ_NULL);
    EXPECT(etalon_daq_write(NULL, 0, 0, buffer, 4), ETALON_DAQ_NULL);
    EXPECT(etalon_daq_get_statistics(NULL, sizeof statistics, &statistics), ETALON_DAQ_NULL);
    EXPECT(etalon_daq_lost(NULL, 0, &first, &last), ETALON_DAQ_NULL);
    EXPECT(etalon_daq_close(NULL), ETALON_DAQ_NULL);
    HOLDS(first == 7 && last == 7 && etalon_daq_frame_bytes(NULL) == 0);
    etalon_daq_free(NULL);
}

static void frames(const char *folder)
{
    const size_t          shape[2] = {20, 30};
    static uint16_t       frame[600];
    etalon_daq_settings   settings = usual(shape);
    etalon_daq           *daq = NULL;
    etalon_daq_statistics statistics;
    void                 *buffer = NULL, *other = NULL, *held = NULL;
    uint64_t              first = 0, last = 0;

    settings.first_number = 100;
    settings.most_frames = 50;
    settings.encoders = 2;
    settings.frame_buffers = 3;
    settings.when_full = ETALON_DAQ_DROP;
    settings.spare_bytes = 1;
    settings.flush_after_ms = 10;
    EXPECT(etalon_daq_create(in(folder, "yes.h5"), &settings, &daq), ETALON_DAQ_OK);
    HOLDS(etalon_daq_frame_bytes(daq) == sizeof frame);
    EXPECT(etalon_daq_write(daq, 99, 0, frame, sizeof frame), ETALON_DAQ_NUMBER);
    EXPECT(etalon_daq_write(daq, 150, 0, frame, sizeof frame), ETALON_DAQ_NUMBER);
    EXPECT(etalon_daq_write(daq, 100, 0, frame, sizeof frame - 1), ETALON_DAQ_SIZE);
    EXPECT(etalon_daq_write(daq, 100, 0, NULL, sizeof frame), ETALON_DAQ_NULL);
    frame[0] = 100;
    EXPECT(etalon_daq_write(daq, 100, 5, frame, sizeof frame), ETALON_DAQ_OK);
    EXPECT(etalon_daq_write(daq, 100, 5, frame, sizeof frame), ETALON_DAQ_NUMBER);
    do {
        EXPECT(etalon_daq_get_statistics(daq, sizeof statistics, &statistics), ETALON_DAQ_OK);
    } while (statistics.frames_flushed == 0);
    EXPECT(etalon_daq_take(daq, 101, &buffer), ETALON_DAQ_OK);
    EXPECT(etalon_daq_take(daq, 102, &other), ETALON_DAQ_OK);
    EXPECT(etalon_daq_take(daq, 103, NULL), ETALON_DAQ_NULL);
    HOLDS(((uintptr_t)buffer | (uintptr_t)other) % 4096 == 0 && buffer != other);
    memset(buffer, 0, sizeof frame);
    *(uint16_t *)buffer = 101;
    EXPECT(etalon_daq_submit(daq, frame, 0), ETALON_DAQ_INDEX);
    EXPECT(etalon_daq_submit(daq, NULL, 0), ETALON_DAQ_NULL);
    EXPECT(etalon_daq_submit(daq, buffer, 6), ETALON_DAQ_OK);
    EXPECT(etalon_daq_submit(daq, buffer, 6), ETALON_DAQ_INDEX);
    EXPECT(etalon_daq_abandon(daq, other), ETALON_DAQ_OK);
    EXPECT(etalon_daq_abandon(daq, other), ETALON_DAQ_INDEX);
    do {
        EXPECT(etalon_daq_get_statistics(daq, sizeof statistics, &statistics), ETALON_DAQ_OK);
    } while (statistics.buffers_in_use > 0);
    /* Three buffers: the fourth frame is lost. */
    EXPECT(etalon_daq_take(daq, 103, &held), ETALON_DAQ_OK);
    for (uint64_t number = 104; number < 106; number++)
        EXPECT(etalon_daq_take(daq, number, &buffer), ETALON_DAQ_OK);
    EXPECT(etalon_daq_take(daq, 106, &other), ETALON_DAQ_DROPPED);
    EXPECT(etalon_daq_abandon(daq, buffer), ETALON_DAQ_OK);
    EXPECT(etalon_daq_get_statistics(daq, sizeof statistics, NULL), ETALON_DAQ_NULL);
    EXPECT(etalon_daq_close(daq), ETALON_DAQ_OK);
    EXPECT(etalon_daq_close(daq), ETALON_DAQ_CLOSED);
    EXPECT(etalon_daq_take(daq, 107, &buffer), ETALON_DAQ_CLOSED);
    /* A program that was built when the structure was shorter. */
    memset(&statistics, 0xaa, sizeof statistics);
    EXPECT(etalon_daq_get_statistics(daq, 24, &statistics), ETALON_DAQ_OK);
    HOLDS(statistics.struct_bytes == 24 && statistics.frames_in == 7 && statistics.frames_written == 2);
    HOLDS(statistics.frames_flushed == UINT64_C(0xaaaaaaaaaaaaaaaa));
    EXPECT(etalon_daq_get_statistics(daq, sizeof statistics, &statistics), ETALON_DAQ_OK);
    HOLDS(statistics.lost_abandoned == 4 && statistics.lost_without_buffer == 1 && statistics.frames_lost == 5);
    EXPECT(etalon_daq_lost(daq, 0, &first, &last), ETALON_DAQ_OK);
    HOLDS(first == 102 && last == 106);
    EXPECT(etalon_daq_lost(daq, 1, &first, &last), ETALON_DAQ_INDEX);
    /* It was held too long, and is counted already. */
    EXPECT(etalon_daq_abandon(daq, held), ETALON_DAQ_OK);
    EXPECT(etalon_daq_get_statistics(daq, sizeof statistics, &statistics), ETALON_DAQ_OK);
    HOLDS(statistics.frames_lost == 5);
    etalon_daq_free(daq);
}

int main(int argc, char **argv)
{
    if (argc < 2 || etalon_daq_abi_version() != ETALON_DAQ_ABI_VERSION)
        return 2;
    HOLDS(etalon_daq_last_error()[0] == 0);
    settings_that_make_no_sense(argv[1]);
    no_writer();
    frames(argv[1]);
    printf("%d failures\n", failures);
    return failures != 0;
}
