"""A SPEC as `cd_values` of filters 59297 and 59298: what a user passes, before HDF5 adds the layout."""

import struct

FRAME = 59297
ROUND = 59298


def options(spec):
    """The values that `etalon args SPEC` prints without --dtype."""
    text = spec.encode()
    padded = text + b"\0" * (-len(text) % 4)
    return (0xE7A10001, 0, len(text)) + struct.unpack("<%dI" % (len(padded) // 4), padded)
