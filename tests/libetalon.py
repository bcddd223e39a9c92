"""libetalon as a program finds it: installed by `make install`, with C and C++ programs built against it."""

import ctypes
import os
import subprocess
from pathlib import Path

from programs import REPO, call, missing, require

C_FLAGS = "-std=c99 -Wall -Wextra -Werror -pedantic -O1 -g".split()
SERIAL = "/usr/lib/x86_64-linux-gnu/hdf5/serial"
HDF5 = ["-I/usr/include/hdf5/serial", "-L" + SERIAL, "-lhdf5"]
PREFIX = "opt/etalon"


class Installed:
    """An installation under `root`, which is its DESTDIR."""

    def __init__(self, root):
        self.prefix = root / PREFIX
        self.lib = self.prefix / "lib"
        self.include = self.prefix / "include"

    def build(self, source, program, *flags, static=False, compiler="gcc"):
        """Compiles a C program against the library and returns its path."""
        (compiler,) = require(compiler)
        link = [self.lib / "libetalon.a", "-lgcc_s", "-lpthread", "-lm", "-ldl"] if static else ["-L%s" % self.lib, "-letalon"]
        command = [compiler, *C_FLAGS, "-I%s" % self.include, source, "-o", program, *flags, *link]
        call(command, "")
        return program

    @property
    def env(self):
        """What a program needs to find the shared library."""
        return {"LD_LIBRARY_PATH": str(self.lib)}

    def load(self):
        """The shared library for ctypes."""
        library = ctypes.CDLL(str(self.lib / "libetalon.so.0"))
        library.etalon_last_error.restype = ctypes.c_char_p
        for name in ("etalon_encoder_bound", "bshuf_compress_lz4_bound", "bshuf_compress_zstd_bound"):
            getattr(library, name).restype = ctypes.c_size_t
        for name in ("lz4", "zstd"):
            getattr(library, "bshuf_compress_" + name).restype = ctypes.c_int64
        return library


def install(root):
    """Runs `make install` into `root`."""
    require("make", "cargo")
    env = {**os.environ, "DESTDIR": str(root), "PREFIX": "/" + PREFIX}
    done = subprocess.run(["make", "-s", "install"], cwd=REPO, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return Installed(Path(root))


def build_or_skip(installed, source, program, *flags):
    """Builds a program that needs HDF5's headers, or skips where they are missing."""
    if not Path("/usr/include/hdf5/serial/hdf5.h").exists():
        missing("libhdf5-dev to build " + str(source))
    return installed.build(source, program, *HDF5, *flags)


class FilterSettings(ctypes.Structure):
    """etalon_filter."""

    _fields_ = [
        ("id", ctypes.c_uint32),
        ("cd_count", ctypes.c_size_t),
        ("cd_values", ctypes.c_uint * 256),
        ("user_count", ctypes.c_size_t),
        ("user_values", ctypes.c_uint * 256),
        ("name", ctypes.c_char_p),
    ]


class Encoder:
    """An etalon_encoder for chunks like `frame`."""

    def __init__(self, library, spec, frame, stream=None):
        self.library = library
        self.handle = ctypes.c_void_p()
        shape = (ctypes.c_size_t * frame.ndim)(*frame.shape)
        stream = stream and stream.encode()
        new = (spec.encode(), stream, frame.dtype.str.encode(), ctypes.c_size_t(frame.ndim), shape, None)
        self.check(library.etalon_encoder_new(*new, ctypes.byref(self.handle)))
        self.bound = library.etalon_encoder_bound(self.handle)
        self.buffer = ctypes.create_string_buffer(self.bound)
        self.written = ctypes.c_size_t()

    def check(self, status):
        assert status == 0, self.library.etalon_last_error().decode()

    def encode_into(self, frame, flags=0):
        """Encodes into the buffer and returns the number of bytes."""
        self.check(self.library.etalon_encode(
            self.handle, ctypes.c_void_p(frame.ctypes.data), ctypes.c_size_t(frame.nbytes), ctypes.c_uint32(flags),
            self.buffer, ctypes.c_size_t(self.bound), ctypes.byref(self.written)))
        return self.written.value

    def encode(self, frame, flags=0):
        """The encoded chunk."""
        written = self.encode_into(frame, flags)
        return self.buffer.raw[:written]

    def filter(self):
        """Filter id, cd_values, and their short form."""
        settings = FilterSettings()
        self.check(self.library.etalon_encoder_filter(self.handle, ctypes.byref(settings)))
        complete = tuple(settings.cd_values[: settings.cd_count])
        return settings.id, complete, tuple(settings.user_values[: settings.user_count])

    def __del__(self):
        self.library.etalon_encoder_free(self.handle)
