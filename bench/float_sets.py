"""The sets of docs/FLOATS.md: floats of detectors and of reconstructions, simulated and real, each with its noise σ.

Every simulated set has a seed of its own, made of its name; its σ is what was added. The σ of real data is estimated by
Immerkær's mask, as the median: images without noise have one too, which is what neighbours do not tell about a pixel.
"""

import zlib
from dataclasses import dataclass

import numpy as np

# Of J. Immerkær, Fast noise variance estimation (1996): no straight line or plane remains, and σ of the result is 6 σ.
MASK = ((1, -2, 1), (-2, 4, -2), (1, -2, 1))
MEDIAN_OF_NORMAL = 0.6745
MOST_BYTES = 16 << 20


@dataclass
class Set:
    """Chunks of floats: the first extent counts them."""

    name: str
    group: str
    chunks: np.ndarray
    sigma: float

    @property
    def frames(self):
        """All frames."""
        return self.chunks.reshape(-1, *self.chunks.shape[-2:])


def random_for(name):
    """The generator of a set."""
    return np.random.default_rng([20261121, zlib.crc32(name.encode())])


def noise_sigma(frames):
    """σ of the noise of frames, by the second differences in both directions."""
    frames = frames.astype("f8")
    sums = 0.0
    for row, weights in enumerate(MASK):
        for column, weight in enumerate(weights):
            ends = frames.shape[-2] - 2 + row, frames.shape[-1] - 2 + column
            sums = sums + weight * frames[..., row : ends[0], column : ends[1]]
    sums = abs(sums[np.isfinite(sums)])
    positive = sums[sums > 0]
    return float(np.median(positive) / MEDIAN_OF_NORMAL / 6) if len(positive) else 0.0


def blurred(image, sigma):
    """An image after a Gaussian filter; its edges meet."""
    frequencies = [np.fft.fftfreq(extent) for extent in image.shape]
    squares = np.add.outer(*(frequency**2 for frequency in frequencies))
    return np.fft.ifft2(np.fft.fft2(image) * np.exp(-2 * (np.pi * sigma) ** 2 * squares)).real


def cylinders(random, frames, extent):
    """Slices of a sample of sixty rods in a disc, values 0–1, edges as wide as a pixel."""
    y, x = np.mgrid[-1 : 1 : extent * 1j, -1 : 1 : extent * 1j]
    rods = [(*random.uniform(-0.6, 0.6, 2), random.uniform(0.03, 0.25), random.uniform(0.2, 1)) for _ in range(60)]
    for at in range(frames):
        slice_ = (np.hypot(y, x) < 0.9) * 0.3
        for cy, cx, radius, value in rods:
            slice_[np.hypot(y - cy, x - cx) < radius * (1 + 0.02 * at)] = value
        yield blurred(slice_, 0.8)


def volume(random, sigma, frames=8, extent=512):
    """A reconstruction: rods, and noise as filtered back projection leaves it."""
    radius = np.hypot(np.fft.fftfreq(extent)[:, None], np.fft.fftfreq(extent)[None])
    ramp = np.where(radius < 0.5, radius * np.cos(np.pi * radius), 0)
    slices = []
    for slice_ in cylinders(random, frames, extent):
        noise = np.fft.ifft2(np.fft.fft2(random.normal(size=(extent, extent))) * ramp).real
        slices.append(slice_ + noise * sigma / noise.std())
    return np.array(slices, "<f4")


def white_volume(random, sigma, frames=8, extent=512):
    """The same with noise that is independent from pixel to pixel."""
    return np.array([s + random.normal(0, sigma, s.shape) for s in cylinders(random, frames, extent)], "<f4")


def energies(random, sigma, frames=8, height=512, width=1024):
    """keV of an integrating detector: few photons of 12.4 keV, shared by neighbours, and noise that differs a little."""
    y, x = np.mgrid[0:height, 0:width].astype("f4")
    radius = np.hypot(y - 500, x - 540)
    rate = 0.25 + 2 * np.exp(-radius / 180) + 3 * np.exp(-(((radius - 215) / 4) ** 2) / 2)
    rate *= 0.1 / rate.mean()
    gain = 41 * (1 + random.normal(0, 0.03, (height, width)))
    pedestal = random.normal(2500, 200, (height, width))
    noise_adu = sigma * 41 * (1 + 0.1 * abs(random.normal(size=(height, width))))
    stack = []
    for _ in range(frames):
        photons = random.poisson(rate) * 12.4
        shared = photons * np.where(random.random((height, width)) < 0.15, 0.3, 0)
        energy = photons - shared
        energy[:, 1:] += shared[:, :-1]
        raw = np.rint(pedestal + gain * energy + random.normal(size=(height, width)) * noise_adu).clip(0, 16383)
        stack.append((raw - pedestal) / gain)
    return np.array(stack, "<f4")


def attenuations(random, counts, frames=8, height=256, width=1024):
    """Projections after division by the flat field and the logarithm: −ln of counts over counts without sample."""
    x, y = np.linspace(-1, 1, width)[None], np.linspace(-1, 1, height)[:, None]
    rods = [(random.uniform(-0.5, 0.5, 2), random.uniform(0.02, 0.2), random.uniform(0.3, 2.5), *random.uniform(-0.8, 0.8, 1)) for _ in range(40)]
    flat = counts * (1 + 0.03 * blurred(random.normal(size=(height, width)), 1) + 0.15 * np.cos(6 * x))
    stack = []
    for at in range(frames):
        path = np.zeros((height, width))
        for (px, py), radius, density, middle in rods:
            centre = px * np.cos(0.0035 * at) + py * np.sin(0.0035 * at)
            section = np.maximum(radius**2 * (1 - ((y - middle) / 0.5) ** 2), 0)
            path += 2 * density * np.sqrt(np.maximum(section - (x - centre) ** 2, 0))
        stack.append(-np.log(np.maximum(random.poisson(flat * np.exp(-path)), 1) / flat))
    return np.array(stack, "<f4")


# Name, group, generator and σ, and how many frames make a chunk.
SIMULATED = [
    ("volume", "simulated", volume, 0.03, 8),
    ("volume, slice by slice", "simulated", volume, 0.03, 1),
    ("volume, white noise", "simulated", white_volume, 0.03, 8),
    ("volume, fine noise", "simulated", volume, 0.003, 8),
    ("keV frames", "simulated", energies, 0.2, 8),
    ("keV frames, one by one", "simulated", energies, 0.2, 1),
    ("attenuations", "simulated", attenuations, 0.007, 8),
]


def simulated(names=None, small=False):
    """The simulated sets, one after the other; small ones have frames of 256 × 256."""
    for name, group, maker, sigma, per_chunk in SIMULATED:
        if names is not None and name not in names:
            continue
        parameter = 20000 if maker is attenuations else sigma
        sizes = {volume: {"extent": 256}, white_volume: {"extent": 256}}.get(maker, {"height": 256, "width": 256})
        frames = maker(random_for(name), parameter, **(sizes if small else {}))
        yield Set(name, group, frames.reshape(-1, per_chunk, *frames.shape[1:]), sigma)


def smooth_volume():
    """The same rods without noise: beyond the target, which speaks of bounds up to σ."""
    frames = np.array(list(cylinders(random_for("smooth volume"), 8, 512)), "<f4")
    return Set("smooth volume", "without noise", frames[None], 0.0)


def real(folder):
    """Floats with fractions among real data, large enough to measure; the first chunk of large ones."""
    import h5py

    for path in sorted(folder.glob("*/*.h5")):
        found = []
        with h5py.File(path) as file:
            file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
            for item in found:
                if item.dtype.kind != "f" or item.ndim < 2 or item.nbytes < 1 << 20:
                    continue
                row_bytes = item.nbytes // item.shape[0]
                array = item[: max(1, MOST_BYTES // row_bytes)]
                finite = array[np.isfinite(array)]
                if (finite == np.rint(finite)).all():
                    continue
                frames = array.reshape(-1, *array.shape[-2:])
                yield Set(path.parent.name + item.name, "real", np.ascontiguousarray(array[None]), noise_sigma(frames))
