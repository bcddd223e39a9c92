"""Peak search of serial crystallography after the description of peakfinder8 (Barty et al. 2014): radial statistics,
pixels above them, 8-connected groups, local background, signal to noise. Written from the description alone."""

import numpy as np

CYCLES = 5
SNR = 5.0
MIN_PIXELS, MAX_PIXELS = 2, 60
BACKGROUND_REACH = 6
# Part of a pixel that does not decide which of two pixels is the nearer one to a centre.
TIE = 1e-9


def radial_limits(frame, valid, radius, snr):
    """Mean and limit at every pixel: mean + snr std of its ring, after discarding pixels beyond it `CYCLES` times."""
    rings = radius.max() + 1
    mean, limit, low = np.zeros(rings), np.full(rings, np.inf), np.full(rings, -np.inf)
    # About a value of the ring: no value of a constant ring is above its mean by rounding.
    origin = np.zeros(rings)
    origin[radius[valid]] = frame[valid]
    for _ in range(CYCLES):
        used = valid & (frame <= limit[radius]) & (frame >= low[radius])
        at, values = radius[used], frame[used] - origin[radius[used]]
        number = np.maximum(np.bincount(at, minlength=rings), 1)
        about = np.bincount(at, values, minlength=rings) / number
        squares = np.bincount(at, values * values, minlength=rings) / number
        mean, std = origin + about, np.sqrt(np.maximum(squares - about * about, 0))
        limit, low = mean + snr * std, mean - snr * std
    return mean[radius], limit[radius]


def groups(hot):
    """Lists of (row, column) of 8-connected pixels."""
    left = set(map(tuple, np.argwhere(hot)))
    while left:
        open_pixels = [left.pop()]
        group = []
        while open_pixels:
            row, column = open_pixels.pop()
            group.append((row, column))
            for near in ((row + r, column + c) for r in (-1, 0, 1) for c in (-1, 0, 1)):
                if near in left:
                    left.remove(near)
                    open_pixels.append(near)
        yield np.array(group)


def find_peaks(frame, valid, radius, least=0.0):
    """Peaks as rows of (row, column, intensity above the local background); `radius` holds the ring of every pixel."""
    frame = frame.astype("f8")
    mean, limit = radial_limits(frame, valid, radius, SNR)
    hot = valid & (frame > np.maximum(limit, least))
    peaks = []
    for group in groups(hot):
        if not MIN_PIXELS <= len(group) <= MAX_PIXELS:
            continue
        rows, columns = group.T
        above = frame[rows, columns] - mean[rows, columns]
        row, column = np.average(rows, weights=above), np.average(columns, weights=above)
        local, std, greatest = local_background(frame, valid & ~hot, nearest(row), nearest(column))
        net = frame[rows, columns] - local
        snr = net.sum() / std if std > 1e-10 else 0.0
        if snr >= SNR and frame[rows, columns].max() > greatest:
            peaks.append((row, column, net.sum()))
    return np.array(peaks).reshape(-1, 3)


def nearest(coordinate):
    """The pixel nearest to a coordinate; of two, the first."""
    return int(np.ceil(coordinate - 0.5 - TIE))


def local_background(frame, usable, row, column):
    """Mean, std and greatest value of the usable pixels in a disc around a peak."""
    reach = 2 * BACKGROUND_REACH
    rows = slice(max(row - reach, 0), row + reach + 1)
    columns = slice(max(column - reach, 0), column + reach + 1)
    y, x = np.mgrid[rows.start : rows.start + frame[rows, columns].shape[0], columns.start : columns.start + frame[rows, columns].shape[1]]
    values = frame[rows, columns][usable[rows, columns] & (np.hypot(y - row, x - column) <= reach)]
    return (values.mean(), values.std(), values.max()) if values.size else (0.0, 0.0, np.inf)


def compare(reference, found, within=2.0):
    """Recall, number of false peaks and R of the intensities of those found."""
    distance = np.hypot(reference[:, None, 0] - found[None, :, 0], reference[:, None, 1] - found[None, :, 1])
    nearest = distance.argmin(1) if len(found) else np.zeros(len(reference), int)
    matched = distance.min(1) < within if len(found) else np.zeros(len(reference), bool)
    false = len(found) - len(np.unique(nearest[matched]))
    ours, theirs = found[nearest[matched], 2], reference[matched, 2]
    return matched.mean(), false, np.abs(ours - theirs).sum() / max(theirs.sum(), 1e-9)
