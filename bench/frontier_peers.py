"""Lossless codecs of others for docs/FRONTIER.md.

Each makes of a chunk two functions, encode and decode, what decoding has to give, and the bytes that are stored beside. All run
on one thread. An image codec gets every frame as 16-bit integers, less their least where the type is wider; values that do not
fit are stored beside, place and value in 8 bytes.
"""

import numpy as np


class Refused(Exception):
    """The codec has no form for these values."""


def blosc2_bitshuffle(chunk):
    """blosc2 5 with bitshuffle and zstd."""
    import blosc2

    options = dict(codec=blosc2.Codec.ZSTD, clevel=5, filters=[blosc2.Filter.BITSHUFFLE], nthreads=1, typesize=chunk.itemsize)
    return (
        lambda: blosc2.compress2(chunk, **options),
        lambda stored: np.frombuffer(blosc2.decompress2(stored, nthreads=1), chunk.dtype),
        chunk,
        0,
    )


def pcodec(chunk):
    """pcodec at its default level."""
    from pcodec import ChunkConfig, standalone

    if chunk.itemsize < 2:
        raise Refused("types of 2 bytes or more")
    flat = chunk.reshape(-1)
    return lambda: standalone.simple_compress(flat, ChunkConfig()), standalone.simple_decompress, chunk, 0


def openzl(build):
    """OpenZL with a graph of its parts."""

    def codec(chunk):
        from openzl import ext

        numbers = chunk.reshape(-1).view("u%d" % chunk.itemsize)
        compressor = ext.Compressor()
        compressor.select_starting_graph(build(ext, compressor))

        def encode():
            context = ext.CCtx()
            context.ref_compressor(compressor)
            context.set_parameter(ext.CParam.FormatVersion, ext.MAX_FORMAT_VERSION)
            return context.compress([ext.Input(ext.Type.Numeric, numbers)])

        def decode(stored):
            return np.asarray(ext.DCtx().decompress(stored)[0].content.as_nparray()).view(chunk.dtype)

        return encode, decode, chunk, 0

    return codec


def token_graph(ext, compressor):
    """Unique values, and their numbers by an entropy coder."""
    store, entropy = ext.graphs.Store()(compressor), ext.graphs.Entropy()(compressor)
    return ext.nodes.TokenizeNumeric(sort=True)(compressor, alphabet=store, indices=entropy)


def images(chunk):
    """The frames of a chunk as an image codec takes them, and how many values do not fit."""
    frames = chunk.reshape(-1, *chunk.shape[-2:])
    if chunk.dtype.kind == "u" and chunk.itemsize <= 2:
        return frames, 0
    wide = frames.astype("i8") if chunk.dtype.kind == "f" else frames.view("i%d" % chunk.itemsize).astype("i8")
    least = wide[wide >= -32768].min(initial=65535)
    fits = (wide >= least) & (wide - least <= 65535)
    beside = int((~fits).sum())
    if beside > 0.01 * wide.size:
        raise Refused("a range beyond 16 bits")
    return np.where(fits, wide - least, 0).astype("u2"), beside


def image_codec(encode, decode):
    """A codec of `imagecodecs`, frame by frame."""

    def codec(chunk):
        import imagecodecs

        frames, beside = images(chunk)
        return (
            lambda: [encode(imagecodecs, frame) for frame in frames],
            lambda stored: np.stack([decode(imagecodecs, frame) for frame in stored]),
            frames,
            8 * beside,
        )

    return codec


# Name: module it comes from, and the codec.
PEERS = {
    "blosc2 bitshuffle zstd-5": ("blosc2", blosc2_bitshuffle),
    "pcodec": ("pcodec", pcodec),
    "OpenZL field-lz": ("openzl", openzl(lambda ext, compressor: ext.graphs.FieldLz()(compressor))),
    "OpenZL token+entropy": ("openzl", openzl(token_graph)),
    "JPEG-LS": (
        "imagecodecs",
        image_codec(lambda codecs, frame: codecs.jpegls_encode(frame), lambda codecs, data: codecs.jpegls_decode(data)),
    ),
    "JPEG XL effort 7": (
        "imagecodecs",
        image_codec(
            lambda codecs, frame: codecs.jpegxl_encode(frame, lossless=True, effort=7, numthreads=1),
            lambda codecs, data: codecs.jpegxl_decode(data, numthreads=1),
        ),
    ),
}
# So slow that one run says enough.
SLOW = {"JPEG XL effort 7"}
