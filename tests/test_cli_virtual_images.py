"""Virtual images, centres of mass and places of disks of 4D-STEM, beside numpy."""

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json

SCAN = (6, 7)
CENTRE = (31.5, 30.5)
DISK = (20, 40, 30, 52)


@pytest.fixture(scope="module")
def patterns(tmp_path_factory):
    rows, columns = np.mgrid[:64, :62]
    random = np.random.RandomState(8)
    means = []
    for at in range(np.prod(SCAN)):
        disk = np.hypot(columns - CENTRE[0] - at / 20, rows - CENTRE[1]) < 12
        means.append(3.0 * disk + 0.3)
    frames = random.poisson(means).astype("<u2")
    decoded = frames + random.randint(-1, 2, frames.shape) * (frames > 0)
    path = tmp_path_factory.mktemp("stem") / "stem.h5"
    with h5py.File(path, "w") as file:
        file["original"] = frames.reshape(*SCAN, *frames.shape[1:])
        file["decoded"] = decoded.astype("<u2").reshape(*SCAN, *frames.shape[1:])
    return path, frames.astype(float), decoded.astype(float)


def measured(path, *settings):
    sets = [word for setting in settings for word in ("--set", setting)]
    names = "virtual_image,centre_of_mass,disks" if "disks" in str(settings) else "virtual_image,centre_of_mass"
    answer = etalon_json("measure", "%s::/original" % path, "%s::/decoded" % path, "-m", names, *sets)
    return answer["datasets"][0]


def centres(frames, weights=None):
    rows, columns = np.indices(frames.shape[1:])
    sums = frames.sum((1, 2))
    return np.stack([(frames * columns).sum((1, 2)) / sums, (frames * rows).sum((1, 2)) / sums])


def test_virtual_images_are_sums_over_regions(patterns):
    path, frames, decoded = patterns
    row = measured(path, "regions=[{ring={center=[32.0,31.0],radii=[5.0,14.0]}}]", "stem.scan=[6,7]")
    rows, columns = np.indices(frames.shape[1:])
    radius = np.hypot(columns + 0.5 - 32, rows + 0.5 - 31)
    ring = (5 <= radius) & (radius < 14)
    before, after = frames[:, ring].sum(1), decoded[:, ring].sum(1)
    z = (after - before) / np.sqrt(np.maximum(before, 1))
    numbers = row["metrics"]
    assert numbers["virtual_image_z_rms"] == pytest.approx(np.sqrt(np.mean(z**2)), rel=1e-12)
    assert numbers["virtual_image_z_max"] == pytest.approx(np.abs(z).max(), rel=1e-12)
    change = np.abs(after - before).max() / before.max()
    assert numbers["virtual_image_max_relative_change"] == pytest.approx(change, rel=1e-12)
    image = row["images"]["virtual_image_0_original"]
    assert (image["rows"], image["columns"]) == SCAN and image["values"] == before.tolist()


def test_centres_of_mass_are_those_of_numpy(patterns):
    path, frames, decoded = patterns
    numbers = measured(path)["metrics"]
    before, after = centres(frames), centres(decoded)
    shift = np.hypot(*(after - before))
    assert numbers["centre_of_mass_shift_rms"] == pytest.approx(np.sqrt(np.mean(shift**2)), rel=1e-9)
    assert numbers["centre_of_mass_shift_max"] == pytest.approx(shift.max(), rel=1e-9)
    rows, columns = np.indices(frames.shape[1:])
    variance = [(frames * (place - centre[:, None, None]) ** 2).sum((1, 2)) for place, centre in zip((columns, rows), before)]
    z = (after - before) / (np.sqrt(variance) / frames.sum((1, 2)))
    assert numbers["centre_of_mass_z_rms"] == pytest.approx(np.sqrt(np.mean(z**2)), rel=1e-9)


def test_disks_move_as_the_centres_in_their_windows(patterns):
    path, frames, decoded = patterns
    x0, y0, x1, y1 = DISK
    numbers = measured(path, "stem.disks=[{rectangle=[%d,%d,%d,%d]}]" % DISK)["metrics"]
    shift = np.hypot(*(centres(decoded[:, y0:y1, x0:x1]) - centres(frames[:, y0:y1, x0:x1])))
    assert numbers["disk_shift_rms"] == pytest.approx(np.sqrt(np.mean(shift**2)), rel=1e-9)
    assert numbers["disk_shift_max"] == pytest.approx(shift.max(), rel=1e-9)


def test_what_is_missing_is_named(patterns):
    path = patterns[0]
    both = ("measure", "%s::/original" % path, "%s::/decoded" % path)
    wanted = etalon(*both, "-m", "virtual_image", "--set", "stem.scan=[5,5]", code=2).stderr
    assert "42 patterns" in wanted
    assert "stem.disks" in etalon(*both, "-m", "disks", code=2).stderr
