"""The scenes that the golden numbers are measured on again: seeded, of numpy alone, with the parameters that are stated."""

import numpy as np

SIDE = 1024


def counts(mean, shape=(4, 512, 512), seed=1):
    """Photons of one mean."""
    return np.random.RandomState(seed).poisson(mean, shape).astype("<u2")


def thickness(angles, columns, rows):
    """Line integrals of attenuation through discs and pores of one slice, repeated for each detector row. The contrast, which
    the specification leaves open, is chosen for its first SSIM."""
    random = np.random.RandomState(7)
    # x, y and radius in parts of the half width, attenuation in its reciprocal.
    discs = [(0, 0, 0.8, 0.9), (0.25, 0.1, 0.22, 0.7), (-0.3, -0.25, 0.16, 1.1), (-0.1, 0.4, 0.12, 1.4), (-0.5, 0.15, 0.06, 4.5)]
    for _ in range(20):
        x, y = random.uniform(-0.55, 0.55, 2)
        discs.append((x, y, random.uniform(0.02, 0.06), -0.9))
    half = columns / 2
    t = (np.arange(columns)[:, None] + (np.arange(5) - 2) / 5 - columns // 2) / half
    lines = np.zeros((len(angles), columns))
    for at, angle in enumerate(angles):
        for x, y, radius, attenuation in discs:
            distance = t - x * np.cos(angle) + y * np.sin(angle)
            lines[at] += 2 * attenuation * np.sqrt(np.maximum(radius**2 - distance**2, 0)).mean(1)
    return np.repeat(lines[:, None, :], rows, axis=1)


def projections(beam, columns=256, angles=360, rows=4, seed=2):
    """Counts of a scan over 180 degrees with so many photons in a pixel of the open beam."""
    lines = thickness(np.linspace(0, np.pi, angles, endpoint=False), columns, rows)
    return np.random.RandomState(seed).poisson(beam * np.exp(-lines)).astype("<u2")


def rings():
    """Distance of every pixel from the middle of a frame of crystallography, in px."""
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    return np.hypot(x, y)


def crystal_frames(frames=8, mean=8, spots=80, seed=11):
    """Bragg peaks on a background that falls from the middle, with a ring. What the specification leaves open, the contrast of
    the background and the strength of peaks, is chosen for its ratio of global clipping and its 65 peaks found."""
    random = np.random.RandomState(seed)
    q = rings() / SIDE
    shape = 1 + np.exp(-((q / 0.25) ** 2)) + 0.5 * np.exp(-(((q - 0.31) / 0.045) ** 2))
    stack = []
    for _ in range(frames):
        rate = shape * mean / shape.mean()
        for row, column in random.uniform(8, SIDE - 8, (spots, 2)):
            r, c = int(row), int(column)
            dy, dx = np.mgrid[r - 5 : r + 6, c - 5 : c + 6]
            spot = np.exp(-((dy - row) ** 2 + (dx - column) ** 2) / (2 * 1.1**2))
            rate[r - 5 : r + 6, c - 5 : c + 6] += random.exponential(600) * spot / spot.sum()
        stack.append(random.poisson(rate).astype("<u2"))
    return np.stack(stack)


def speckle(mean, frames=400, side=96, modes=3, rate=0.02, seed=5):
    """Photons of speckle whose pixels are independent of each other: g2 = 1 + exp(-2 rate t) / modes."""
    random = np.random.RandomState(seed)
    keep = np.exp(-rate)
    field = random.standard_normal((2, modes, side, side))
    stack = np.empty((frames, side, side), "<u2")
    for at in range(frames):
        stack[at] = random.poisson(mean * (field**2).sum((0, 1)) / (2 * modes))
        field = keep * field + np.sqrt(1 - keep**2) * random.standard_normal(field.shape)
    return stack


def knife_edge(frames=8, side=256, sigma=0.9, angle=4.0, seed=8):
    """A slanted edge of 60 to 3000 photons under a Gaussian, each pixel the mean over its area."""
    x = np.linspace(-12, 12, 4801)
    spread = np.cumsum(np.exp(-0.5 * (x / sigma) ** 2))
    y_pixel, x_pixel = np.indices((side, side)) - (side - 1) / 2
    parts = (np.arange(8) + 0.5) / 8 - 0.5
    slant = np.deg2rad(angle)
    rate = np.zeros((side, side))
    for dx in parts:
        for dy in parts:
            distance = (x_pixel + dx) * np.cos(slant) + (y_pixel + dy) * np.sin(slant)
            rate += np.interp(distance, x, spread / spread[-1]) / 64
    random = np.random.RandomState(seed)
    return random.poisson(60 + 2940 * rate, (frames, side, side)).astype("<u2")


def reconstruct(lines, axis=None):
    """Filtered back-projection of (angles, rows, columns) line integrals over 180 degrees: slices of f32, 0 outside the circle."""
    angles, rows, columns = lines.shape
    axis = columns // 2 if axis is None else axis
    padded = 2 ** int(np.ceil(np.log2(2 * columns)))
    # The ramp in space, so that the mean is right (Kak and Slaney, equation 61).
    at = np.fft.fftfreq(padded, 1 / padded)
    ramp = np.where(at % 2 == 1, -1 / (np.pi * np.where(at == 0, 1, at)) ** 2, 0)
    ramp[0] = 0.25
    filtered = np.fft.ifft(np.fft.fft(lines, padded, axis=2) * np.fft.fft(ramp).real, axis=2).real[:, :, :columns]
    y, x = np.indices((columns, columns)) - columns // 2
    slices = np.zeros((rows, columns, columns))
    for number, angle in enumerate(np.linspace(0, np.pi, angles, endpoint=False)):
        t = x * np.cos(angle) - y * np.sin(angle) + axis
        for row in range(rows):
            slices[row] += np.interp(t, np.arange(columns), filtered[number, row], left=0, right=0)
    slices[:, x**2 + y**2 > (columns // 2) ** 2] = 0
    return (slices * np.pi / angles).astype("<f4")
