/* Uses libetalon rightly and wrongly, and says what happened.
 *
 *   capi frames SPEC STREAM ELEMENT FILE BYTES ROWS COLUMNS    frames of FILE through encoder and decoder, as JSON;
 *                                                              STREAM - for none
 *   capi misuse                                                every mistake has its status; prints those that have not
 */
#include <etalon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of count_malloc.c, where that is preloaded. */
unsigned long counted_mallocs(void) __attribute__((weak));

static unsigned long mallocs(void)
{
    return counted_mallocs ? counted_mallocs() : 0;
}

static int refused(void)
{
    fprintf(stderr, "%s\n", etalon_last_error());
    return 1;
}

static int frames(char **argv)
{
    const char *stream = strcmp(argv[1], "-") == 0 ? NULL : argv[1];
    size_t element_bytes = strtoul(argv[4], NULL, 10);
    size_t shape[2];
    etalon_encoder *encoder = NULL;
    etalon_decoder *decoder = NULL;
    etalon_filter   filter;
    etalon_info     said, found;

    shape[0] = strtoul(argv[5], NULL, 10);
    shape[1] = strtoul(argv[6], NULL, 10);
    size_t frame_bytes = shape[0] * shape[1] * element_bytes;
    if (etalon_encoder_new(argv[0], stream, argv[2], 2, shape, NULL, &encoder) != ETALON_OK ||
        etalon_encoder_filter(encoder, &filter) != ETALON_OK ||
        etalon_decoder_new(filter.id, filter.cd_count, filter.cd_values, frame_bytes, &decoder) != ETALON_OK)
        return refused();
    size_t bound = etalon_encoder_bound(encoder), stored_bytes = 0, back_bytes = 0, total = 0;
    char  *frame = malloc(frame_bytes + 1), *stored = malloc(bound + 16), *back = malloc(frame_bytes + 1);
    FILE  *file = fopen(argv[3], "rb");
    unsigned count = 0, changed = 0;
    /* The first read takes the file's buffer from malloc. */
    setvbuf(file, NULL, _IONBF, 0);
    unsigned long before = mallocs(), encoding = 0, decoding = 0;
    double worst = 0;
    /* One byte off, since buffers need not be aligned. */
    while (fread(frame + 1, 1, frame_bytes, file) == frame_bytes) {
        memset(stored, 0x5a, bound + 16);
        before = mallocs();
        if (etalon_encode(encoder, frame + 1, frame_bytes, 0, stored, bound, &stored_bytes) != ETALON_OK)
            return refused();
        encoding += mallocs() - before;
        for (int i = 0; i < 16; i++)
            if (stored[bound + i] != 0x5a)
                return 3;
        before = mallocs();
        if (etalon_decode(decoder, stored, stored_bytes, back + 1, frame_bytes, &back_bytes) != ETALON_OK)
            return refused();
        decoding += mallocs() - before;
        if (etalon_inspect(decoder, stored, stored_bytes, sizeof found, &found) != ETALON_OK ||
            etalon_encoder_info(encoder, sizeof said, &said) != ETALON_OK || back_bytes != frame_bytes ||
            found.decoded_bytes != frame_bytes || (stream == NULL && found.max_abs_error != said.max_abs_error))
            return 3;
        changed += memcmp(frame + 1, back + 1, frame_bytes) != 0;
        worst = said.max_abs_error > worst ? said.max_abs_error : worst;
        total += stored_bytes;
        count++;
    }
    printf("{\"frames\": %u, \"changed\": %u, \"worst\": %.17g, \"bytes\": %lu, \"encoding\": %lu, \"decoding\": %lu, "
           "\"filter\": %u, \"counted\": %d}\n",
           count, changed, worst, (unsigned long)total, encoding, decoding, filter.id, counted_mallocs ? 1 : 0);
    fclose(file);
    etalon_encoder_free(encoder);
    etalon_decoder_free(decoder);
    free(frame);
    free(stored);
    free(back);
    return 0;
}

static int failures;

static void expect(const char *what, int found, int wanted)
{
    const char *text = etalon_last_error();
    if (found != wanted || (wanted != ETALON_OK && strlen(text) < 10)) {
        printf("%s: %d where %d is right (%s)\n", what, found, wanted, text);
        failures++;
    }
}
#define EXPECT(call, wanted) expect(#call, call, wanted)

static int misuse(void)
{
    static unsigned short frame[64 * 64], back[64 * 64];
    static unsigned char  stored[64 * 64 * 4];
    const size_t shape[2] = {64, 64}, empty[2] = {64, 0}, huge[2] = {(size_t)-1, 2};
    etalon_encoder *encoder = NULL, *other = NULL;
    etalon_decoder *decoder = NULL, *none = NULL;
    etalon_filter   filter;
    etalon_info     info;
    etalon_codec    codec;
    etalon_key      key;
    size_t          written = 77;

    EXPECT(etalon_encoder_new(NULL, NULL, "u2", 2, shape, NULL, &other), ETALON_NULL);
    EXPECT(etalon_encoder_new("bitshuffle", NULL, NULL, 2, shape, NULL, &other), ETALON_NULL);
    EXPECT(etalon_encoder_new("bitshuffle", NULL, "u2", 2, NULL, NULL, &other), ETALON_NULL);
    EXPECT(etalon_encoder_new("bitshuffle", NULL, "u2", 2, shape, NULL, NULL), ETALON_NULL);
    EXPECT(etalon_encoder_new("bitshufle", NULL, "u2", 2, shape, NULL, &other), ETALON_SETTINGS);
    EXPECT(etalon_encoder_new("bitshuffle", NULL, "u3", 2, shape, NULL, &other), ETALON_SETTINGS);
    EXPECT(etalon_encoder_new("bitshuffle", NULL, "u2", 0, shape, NULL, &other), ETALON_SETTINGS);
    EXPECT(etalon_encoder_new("bitshuffle", NULL, "u2", 33, shape, NULL, &other), ETALON_SETTINGS);
    EXPECT(etalon_encoder_new("bitshuffle", NULL, "u2", 2, empty, NULL, &other), ETALON_SETTINGS);
    EXPECT(etalon_encoder_new("bitshuffle", NULL, "u2", 2, huge, NULL, &other), ETALON_SETTINGS);
    EXPECT(etalon_encoder_new("bitshuffle", "bitshuffle", "u2", 2, shape, NULL, &other), ETALON_SETTINGS);
    EXPECT(etalon_encoder_new("noise:sigma=1", "dictionary", "u2", 2, shape, NULL, &other), ETALON_SETTINGS);
    EXPECT(etalon_encoder_new("noise:sigma=1", NULL, "V5", 2, shape, NULL, &other), ETALON_SETTINGS);
    EXPECT(etalon_encoder_new("\xff\xfe", NULL, "u2", 2, shape, NULL, &other), ETALON_SETTINGS);
    EXPECT(other != NULL, 0);

    EXPECT(etalon_encoder_new("bitshuffle", NULL, "u2", 2, shape, NULL, &encoder), ETALON_OK);
    size_t bound = etalon_encoder_bound(encoder), len = sizeof frame;
    EXPECT(etalon_encoder_info(encoder, sizeof info, &info), ETALON_SETTINGS);
    EXPECT(etalon_encode(NULL, frame, len, 0, stored, bound, &written), ETALON_NULL);
    EXPECT(etalon_encode(encoder, NULL, len, 0, stored, bound, &written), ETALON_NULL);
    EXPECT(etalon_encode(encoder, frame, len, 0, NULL, bound, &written), ETALON_NULL);
    EXPECT(etalon_encode(encoder, frame, len, 0, stored, bound, NULL), ETALON_NULL);
    EXPECT(etalon_encode(encoder, frame, len - 2, 0, stored, bound, &written), ETALON_SIZE);
    EXPECT(etalon_encode(encoder, frame, len, 0, stored, bound - 1, &written), ETALON_SIZE);
    EXPECT(etalon_encode(encoder, frame, len, 2, stored, bound, &written), ETALON_SETTINGS);
    EXPECT(etalon_encode(encoder, stored + 100, len, 0, stored, bound, &written), ETALON_OVERLAP);
    for (size_t i = 0; i < sizeof stored; i++)
        failures += stored[i] != 0;
    EXPECT((int)written, 77);
    EXPECT(etalon_encode(encoder, frame, len, 0, stored, bound, &written), ETALON_OK);
    EXPECT(etalon_encoder_info(encoder, sizeof info, NULL), ETALON_NULL);
    memset(&info, 0x11, sizeof info);
    EXPECT(etalon_encoder_info(encoder, offsetof(etalon_info, guarantee), &info), ETALON_OK);
    EXPECT((int)info.guarantee, 0x11111111);
    EXPECT((int)info.filter_id, 32008);
    EXPECT(etalon_encoder_filter(NULL, &filter), ETALON_NULL);
    EXPECT(etalon_encoder_filter(encoder, NULL), ETALON_NULL);
    EXPECT(etalon_encoder_filter(encoder, &filter), ETALON_OK);
    EXPECT((int)etalon_encoder_bound(NULL), 0);
    EXPECT((int)etalon_encoder_chunk_bytes(NULL), 0);

    EXPECT(etalon_decoder_new(1, 5, filter.cd_values, len, &none), ETALON_SETTINGS);
    EXPECT(etalon_decoder_new(32008, 2, filter.cd_values, len, &none), ETALON_SETTINGS);
    EXPECT(etalon_decoder_new(59297, 5, filter.cd_values, len, &none), ETALON_SETTINGS);
    EXPECT(etalon_decoder_new(32008, 257, filter.cd_values, len, &none), ETALON_SIZE);
    EXPECT(etalon_decoder_new(32008, 5, NULL, len, &none), ETALON_NULL);
    EXPECT(etalon_decoder_new(32008, 5, filter.cd_values, 0, &none), ETALON_SETTINGS);
    EXPECT(etalon_decoder_new(32008, 5, filter.cd_values, len, NULL), ETALON_NULL);
    EXPECT(none != NULL, 0);
    EXPECT(etalon_decoder_new(filter.id, filter.cd_count, filter.cd_values, len, &decoder), ETALON_OK);
    size_t stored_bytes = written;
    written = 77;
    EXPECT(etalon_decode(NULL, stored, stored_bytes, back, len, &written), ETALON_NULL);
    EXPECT(etalon_decode(decoder, NULL, stored_bytes, back, len, &written), ETALON_NULL);
    EXPECT(etalon_decode(decoder, stored, stored_bytes, NULL, len, &written), ETALON_NULL);
    EXPECT(etalon_decode(decoder, stored, stored_bytes, back, len, NULL), ETALON_NULL);
    EXPECT(etalon_decode(decoder, stored, stored_bytes, back, len - 1, &written), ETALON_SIZE);
    EXPECT(etalon_decode(decoder, stored, stored_bytes, stored, len, &written), ETALON_OVERLAP);
    for (size_t cut = 0; cut < stored_bytes; cut++)
        EXPECT(etalon_decode(decoder, stored, cut, back, len, &written), ETALON_DAMAGED);
    stored[6] ^= 1; /* The length in the header. */
    EXPECT(etalon_decode(decoder, stored, stored_bytes, back, len, &written) == ETALON_OK, 0);
    EXPECT((int)written, 77);
    EXPECT(etalon_inspect(NULL, stored, stored_bytes, sizeof info, &info), ETALON_NULL);
    EXPECT(etalon_inspect(decoder, NULL, stored_bytes, sizeof info, &info), ETALON_NULL);
    EXPECT(etalon_inspect(decoder, stored, stored_bytes, sizeof info, NULL), ETALON_NULL);
    EXPECT(etalon_inspect(decoder, stored, 7, sizeof info, &info), ETALON_DAMAGED);

    EXPECT(etalon_codec_at(etalon_codec_count(), sizeof codec, &codec), ETALON_INDEX);
    EXPECT(etalon_codec_at(0, sizeof codec, NULL), ETALON_NULL);
    EXPECT(etalon_codec_at(0, sizeof codec, &codec), ETALON_OK);
    EXPECT(strcmp(codec.name, "bitshuffle"), 0);
    EXPECT(etalon_codec_key_at(0, codec.keys, sizeof key, &key), ETALON_INDEX);
    EXPECT(etalon_codec_key_at(0, 0, sizeof key, &key), ETALON_OK);
    EXPECT(strcmp(key.takes, "lz4|zstd|none"), 0);
    EXPECT(etalon_hdf5_filter(1) != NULL, 0);
    EXPECT(etalon_hdf5_filter(32008) != NULL, 1);
    etalon_encoder_free(encoder);
    etalon_encoder_free(NULL);
    etalon_decoder_free(decoder);
    etalon_decoder_free(NULL);
    printf("%d failures, library %s\n", failures, etalon_version());
    return failures != 0;
}

int main(int argc, char **argv)
{
    if (argc == 9 && strcmp(argv[1], "frames") == 0)
        return frames(argv + 2);
    return misuse();
}
