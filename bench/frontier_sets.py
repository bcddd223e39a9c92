"""The sets of docs/FRONTIER.md: simulated photon counts with their bound, integrating detectors, and the integers among real data.

Every simulated set has a seed of its own, made of its name, so each can be made alone. The bound is the code length under the
true Poisson rate of every pixel, −log2 P(x | λ); pixels of the mask are known and cost nothing.
"""

import zlib
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

FRAME_BYTES = 2 << 20  # A chunk holds whole frames, of this size together where frames are smaller.
SET_BYTES = 6 << 20
FLAT = RING = (0.01, 0.05, 0.3, 1, 5, 20)
COUNTS = "simulated counts"
INTEGRATING = "simulated, integrating"


@dataclass
class Set:
    """Frames, how many of them make a chunk, and the bound in bits per element where the rate is known."""

    name: str
    group: str
    frames: np.ndarray
    per_chunk: int
    bound_bits: float = None

    @property
    def is_counts(self):
        """Whether it is one of the simulated sets of photon counts."""
        return self.bound_bits is not None and self.group != INTEGRATING


def random_for(name):
    """The generator of a set."""
    return np.random.default_rng([20261121, zlib.crc32(name.encode())])


def poisson_bits(counts, rate):
    """Bits of all counts under their rates."""
    rate = np.maximum(rate, 1e-12)
    return float(((rate - counts * np.log(rate) + gammaln(counts + 1.0)) / np.log(2)).sum())


def flat(random, mean, frames):
    """The same mean everywhere: 1024 × 1024."""
    counts = random.poisson(mean, (frames, 1024, 1024))
    return counts.astype("<u2"), poisson_bits(counts, np.float64(mean)) / counts.size


RINGS = [(90, 3, 3.0), (160, 3.5, 2.0), (215, 4, 1.6), (300, 4, 1.0), (380, 5, 0.7), (455, 5, 0.5)]  # radius, width, height


def ring(random, mean, frames, kind="<u2"):
    """Powder rings on a decaying background with 120 peaks a frame; a module gap, a beam stop and dead pixels are masked."""
    height, width = 1030, 1065
    y, x = np.mgrid[0:height, 0:width].astype("f4")
    radius = np.hypot(y - 500, x - 540)
    base = 0.25 + 2 * np.exp(-radius / 180)
    base += sum(h * np.exp(-(((radius - r) / w) ** 2) / 2) for r, w, h in RINGS)
    base *= mean / base.mean()
    mask = random.random((height, width)) < 1e-3
    mask[512:549] = True
    mask[490:520, 530:550] = True
    stack, bits = np.empty((frames, height, width), kind), 0.0
    for frame in stack:
        rate = base.copy()
        for _ in range(120):
            add_peak(random, rate, mean * random.lognormal(3, 1.2), random.uniform(0.7, 1.6))
        frame[:] = random.poisson(rate)
        bits += poisson_bits(frame[~mask].astype("f8"), rate[~mask])
        frame[mask] = np.iinfo(kind).max
    return stack, bits / stack.size


def add_peak(random, rate, peak_height, sigma):
    """A Gaussian peak anywhere but at the edge."""
    reach = 6
    cy, cx = (random.integers(reach, extent - reach) for extent in rate.shape)
    distance = np.arange(-reach, reach + 1) ** 2 / (2 * sigma**2)
    rate[cy - reach : cy + reach + 1, cx - reach : cx + reach + 1] += peak_height * np.exp(-np.add.outer(distance, distance))


def speckle(random, mean, frames, extent=512, size_px=3.0, correlation=0.98):
    """Developed speckle that decorrelates from frame to frame."""
    ky, kx = np.fft.fftfreq(extent)[:, None], np.fft.fftfreq(extent)[None]
    inside = np.hypot(ky, kx) < 0.5 / size_px

    def noise():
        field = np.fft.ifft2(np.fft.fft2(random.normal(size=(extent, extent)) + 1j * random.normal(size=(extent, extent))) * inside)
        return field / np.sqrt((abs(field) ** 2).mean())

    field, stack, bits = noise(), np.empty((frames, extent, extent), "<u2"), 0.0
    for frame in stack:
        rate = mean * abs(field) ** 2
        frame[:] = random.poisson(rate)
        bits += poisson_bits(frame.astype("f8"), rate)
        field = correlation * field + np.sqrt(1 - correlation**2) * noise()
    return stack, bits / stack.size


def stem(random, zero_share, frames, extent=192):
    """4D-STEM: a central disc, six others, a halo; scaled so that `zero_share` of all pixels are zero."""
    y, x = np.mgrid[0:extent, 0:extent].astype("f4") - extent / 2
    shape = np.empty((frames, extent, extent))
    for rate in shape:
        dy, dx = random.normal(0, 0.6, 2)
        radius = np.hypot(y - dy, x - dx)
        rate[:] = 3 / (1 + np.exp((radius - 0.12 * extent) / 1.2)) + 0.35 * np.exp(-radius / (0.22 * extent))
        for disc in range(6):
            angle = disc * np.pi / 3
            off = np.hypot(y - dy - 0.24 * extent * np.sin(angle), x - dx - 0.24 * extent * np.cos(angle))
            rate += 0.25 * random.gamma(2) / (1 + np.exp(np.minimum((off - 0.12 * extent) / 1.2, 80)))
    low, high = 1e-4, 100.0
    for _ in range(40):
        scale = np.sqrt(low * high)
        low, high = (scale, high) if np.exp(-shape * scale).mean() > zero_share else (low, scale)
    counts = random.poisson(shape * scale)
    return counts.astype("<u2"), poisson_bits(counts, shape * scale) / counts.size


def projections(random, full, frames, height=512, width=1024):
    """Tomographic projections of ellipsoids that turn by 0.2° a frame, `full` photons a pixel where nothing absorbs."""
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-0.5, 0.5, width)[None]
    columns = random.normal(1, 0.03, width)  # Of a scintillator and an illumination that no frame is freed of.
    beam = full * columns * (1 + 0.15 * np.cos(6 * (x + 0.5)) - 0.1 * y**2)
    bodies = random.uniform((-0.35, -0.35, -0.8, 0.02, 0.1, 0.3), (0.35, 0.35, 0.8, 0.15, 0.8, 2.5), (40, 6))
    stack, bits = np.empty((frames, height, width), "<u2"), 0.0
    for number, frame in enumerate(stack):
        angle, absorbed = np.deg2rad(0.2 * number), np.zeros((height, width))
        for px, py, pz, radius, half_height, attenuation in bodies:
            across = radius**2 * np.maximum(1 - ((y - pz) / half_height) ** 2, 0)
            chord = np.maximum(across - (x - px * np.cos(angle) - py * np.sin(angle)) ** 2, 0)
            absorbed += 2 * attenuation * np.sqrt(chord)
        rate = beam * np.exp(-absorbed)
        frame[:] = random.poisson(rate)
        bits += poisson_bits(frame.astype("f8"), rate)
        frame[random.random((height, width)) < 2e-5] = 65535  # Hits of scattered photons.
    return stack, bits / stack.size


def adc(random, noise, frames, height=512, width=1024):
    """Raw numbers of a charge-integrating detector: a pedestal and a gain for every pixel, few photons, `noise` of the electronics."""
    pedestal = random.normal(2500, 200, (height, width))
    gain = random.normal(500, 15, (height, width))
    photons = random.poisson(0.02, (frames, height, width))
    return np.rint(pedestal + gain * photons + random.normal(0, noise, photons.shape)).astype("<u2"), None


def simulated(names=None, chunks=3):
    """The 19 sets of counts and two of integrating detectors, one after the other; of `chunks` chunks."""
    makers = [("flat%g" % m, "flat, mean %s", m, flat, {}, 1) for m in FLAT]
    makers += [("ring%g" % m, "rings, mean %s", m, ring, {}, 1) for m in RING]
    makers.append(("ring1_u32", "rings, mean %s", 1, ring, {"kind": "<u4"}, 1))
    makers += [("xpcs%g" % m, "speckle", m, speckle, {}, 4) for m in (0.1, 1)]
    makers += [("stem%d" % (100 * z), "4D-STEM", z, stem, {}, 28) for z in (0.50, 0.75, 0.85, 0.93)]
    makers += [("projections", INTEGRATING, 20000, projections, {}, 2), ("adc", INTEGRATING, 8, adc, {}, 2)]
    for name, group, parameter, maker, options, per_chunk in makers:
        if names is None or name in names:
            frames, bits = maker(random_for(name), parameter, chunks * per_chunk, **options)
            group = group % ("≤ 0.3" if parameter < 1 else "1–20") if "%s" in group else group
            yield Set(name, group, frames, per_chunk, bits)


def integers(array):
    """The values as they are stored if they are integers, floats of integers as unsigned ones; else `None`."""
    if array.dtype.kind in "iu":
        return array.astype(array.dtype.newbyteorder("<"))
    if array.dtype.kind != "f" or not np.isfinite(array).all() or (array != np.rint(array)).any():
        return None
    if np.signbit(array).any() or array.max() > 2**32 - 1:
        return None
    return array.astype("<f%d" % array.dtype.itemsize)


def real(folder, set_bytes=SET_BYTES):
    """Every dataset in the HDF5 files below `folder` that is large enough to measure and holds integers."""
    import h5py

    for path in sorted(folder.glob("*/*.h5")):
        found = []
        with h5py.File(path) as file:
            file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
            for item in found:
                if item.ndim < 2 or item.dtype.kind not in "iuf" or not 1 <= item.dtype.itemsize <= 4 or item.nbytes < 1 << 19:
                    continue
                frame_bytes = item.nbytes // item.shape[0] if item.ndim > 2 else item.nbytes
                per_chunk = max(1, min(FRAME_BYTES // frame_bytes, item.shape[0])) if item.ndim > 2 else 1
                count = max(per_chunk, set_bytes // frame_bytes // per_chunk * per_chunk)
                array = item[:count] if item.ndim > 2 else item[()][None]
                array = integers(array[: len(array) // per_chunk * per_chunk])
                if array is not None:
                    group = "real, integers stored as floats" if array.dtype.kind == "f" else "real, integers"
                    yield Set(path.parent.name + item.name, group, np.ascontiguousarray(array), per_chunk)
