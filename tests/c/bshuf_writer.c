/* Written against bitshuffle's C functions, and linked with any library that has them.
 *
 *   bshuf_writer IN ELEMENT_BYTES BLOCK OUT    all functions on the elements of IN; what they wrote goes to OUT
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As bitshuffle.h declares them. */
int64_t bshuf_bitshuffle(const void *in, void *out, const size_t size, const size_t elem_size, size_t block_size);
int64_t bshuf_bitunshuffle(const void *in, void *out, const size_t size, const size_t elem_size, size_t block_size);
size_t  bshuf_default_block_size(const size_t elem_size);
size_t  bshuf_compress_lz4_bound(const size_t size, const size_t elem_size, size_t block_size);
int64_t bshuf_compress_lz4(const void *in, void *out, const size_t size, const size_t elem_size, size_t block_size);
int64_t bshuf_decompress_lz4(const void *in, void *out, const size_t size, const size_t elem_size, size_t block_size);
size_t  bshuf_compress_zstd_bound(const size_t size, const size_t elem_size, size_t block_size);
int64_t bshuf_compress_zstd(const void *in, void *out, const size_t size, const size_t elem_size, size_t block_size,
                            const int comp_lvl);
int64_t bshuf_decompress_zstd(const void *in, void *out, const size_t size, const size_t elem_size, size_t block_size);

static FILE *out;

static void put(const char *what, int64_t answer, const void *bytes)
{
    fprintf(out, "%s %lld\n", what, (long long)answer);
    if (bytes != NULL && answer > 0)
        fwrite(bytes, 1, (size_t)answer, out);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    size_t elem_size = strtoul(argv[2], NULL, 10), block = strtoul(argv[3], NULL, 10);
    FILE  *in = fopen(argv[1], "rb");
    out = fopen(argv[4], "wb");
    fseek(in, 0, SEEK_END);
    size_t bytes = (size_t)ftell(in) / elem_size * elem_size, size = bytes / elem_size;
    rewind(in);
    char *src = malloc(bytes), *back = malloc(bytes);
    if (fread(src, 1, bytes, in) != bytes)
        return 3;

    size_t lz4 = bshuf_compress_lz4_bound(size, elem_size, block);
    size_t zstd = bshuf_compress_zstd_bound(size, elem_size, block);
    put("default block", (int64_t)bshuf_default_block_size(elem_size), NULL);
    put("bound of LZ4", (int64_t)lz4, NULL);
    put("bound of zstd", (int64_t)zstd, NULL);
    char   *packed = malloc(lz4 > zstd ? lz4 : zstd);
    put("LZ4", bshuf_compress_lz4(src, packed, size, elem_size, block), packed);
    put("LZ4 back", bshuf_decompress_lz4(packed, back, size, elem_size, block), NULL);
    put("right", memcmp(src, back, bytes) == 0, NULL);
    memset(back, 0, bytes);
    put("zstd", bshuf_compress_zstd(src, packed, size, elem_size, block, 5), packed);
    put("zstd back", bshuf_decompress_zstd(packed, back, size, elem_size, block), NULL);
    put("right", memcmp(src, back, bytes) == 0, NULL);
    put("bits", bshuf_bitshuffle(src, packed, size, elem_size, block), packed);
    put("bits back", bshuf_bitunshuffle(packed, back, size, elem_size, block), NULL);
    put("right", memcmp(src, back, bytes) == 0, NULL);
    put("a block of 12", bshuf_compress_lz4(src, packed, size, elem_size, 12), NULL);
    put("a bound for it", (int64_t)bshuf_compress_lz4_bound(size, elem_size, 12), NULL);
    return fclose(out) != 0;
}
