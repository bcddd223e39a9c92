"""Raw projections or the final volume: what either costs, and what it does to the final volume, in one table.

The volume is reconstructed here from the projections as they were, and from what was decoded of them. Compressed projections and
a compressed volume are held to the same limits by `etalon scan`, and judged by one command on the final volume:
`etalon measure VOLUME DECODED -m segmentation,ssim,rmse`.
"""

import json
import os
import subprocess
from pathlib import Path

import golden_scenes as scenes
import h5py
import hdf5plugin  # noqa: F401  what was decoded is handed over in bitshuffle
import numpy as np
from golden_scenes import reconstruct

ETALON = os.environ.get("ETALON_COMMAND", str(Path(__file__).resolve().parent.parent / "target/release/etalon"))

HEAD = """
## Projections or the volume

Which of the two to compress: both held to the same limits, and what that does to the same final volume, which is reconstructed from
the projections (by `bench/final_volume.py`, 32-bit floats). Error over noise is that of the volume, the noise from halves of
the projections. A ratio is that of what is stored; megabytes tell what is left on the disk, where a lossless volume is larger than
the lossless projections it came from.

| data | limit on the final volume | stored | SPEC | ratio | MB | Dice | change of volume, % | error / noise | SSIM |
|---|---|---|---|---|---|---|---|---|---|
"""
NOTE = """
A scan looks at every second chunk, which is half of the projections in runs of five: masks of those slices change sooner than masks of
the whole. Of the tooth after `quantise:abs=20.7`, Dice is .9961 on the sample and .9994 with all projections, so that what is chosen
for Dice on projections is on the safe side; error over noise is the same in both. A volume held to Dice alone loses what a mask does not
show, as error over noise and SSIM say.
"""
ERROR = ("error / noise ≤ .15", 0.15)
DICE = ("Dice ≥ .995", 0.995)


def run(*arguments):
    done = subprocess.run([ETALON, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit("%s\n%s" % (arguments, done.stderr))
    return done.stdout


def store(path, array, frames_in_chunk):
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=array, chunks=(min(frames_in_chunk, len(array)), *array.shape[1:]))
    return path


def decoded(path, spec, folder):
    """The array after a codec."""
    coded, plain = folder / "coded.h5", folder / "plain.h5"
    run("recompress", path, coded, "--codec", spec, "--force")
    run("recompress", coded, plain, "--codec", "bitshuffle:compressor=zstd", "--force")
    with h5py.File(plain) as file:
        return file["data"][:]


def chosen(path, limits, settings, folder):
    """SPEC and ratio that a scan finds for limits."""
    requirement = folder / "requirement.toml"
    requirement.write_text("limits = %s\n%s" % (json.dumps(limits), settings))
    answer = json.loads(run("scan", path, "--require", requirement, "--json", "-q"))["chosen"]
    return answer["spec"], answer["ratio"]


class Scan:
    """A tomographic scan: counts, flat and dark of every pixel, and where the axis is."""

    def __init__(self, name, counts, flat, dark, axis):
        self.name, self.counts, self.axis = name, counts, axis
        self.flat, self.dark = (np.broadcast_to(one, counts.shape[1:]).astype("f8") for one in (flat, dark))

    def volume(self, counts):
        transmission = (counts - self.dark) / (self.flat - self.dark)
        return reconstruct(-np.log(np.maximum(transmission, 1e-6)), self.axis)

    def settings(self):
        values = lambda array: json.dumps(array.ravel().tolist())
        lines = ["[settings.tomography]", "angle_range_deg = [0.0, 180.0]", "axis_column = %.1f" % self.axis]
        return "\n".join([*lines, "flat = " + values(self.flat), "dark = " + values(self.dark)])


def simulated():
    return Scan("simulated, 30 000 photons", scenes.projections(30000, rows=16), 30000, 0, 128)


def tooth(path):
    """The tooth of the APS; its axis is where tomopy's example has it."""
    with h5py.File(path) as file:
        group = file["exchange"]
        white, dark = (group[name][:].astype("f8").mean(0) for name in ("data_white", "data_dark"))
        return Scan("tomo-aps-tooth", group["data"][:], white, dark, 296)


def rows(scan, folder):
    """Lines of the table."""
    raw = store(folder / "projections.h5", scan.counts, 5)
    volume = store(folder / "volume.h5", scan.volume(scan.counts), 1)
    requirement = folder / "noise.toml"
    requirement.write_text(scan.settings().replace("[settings.tomography]", "[tomography]"))
    noise = json.loads(run("measure", raw, "-c", "auto", "-m", "tomography", "--settings", requirement, "--json", "-q"))
    noise = noise["datasets"][0]["metrics"]["reconstruction_noise"]
    limits = {
        "—": (None, None),
        ERROR[0]: (["reconstruction_error_over_noise <= %g" % ERROR[1]], ["rmse <= %g" % (ERROR[1] * noise)]),
        DICE[0]: (["reconstruction_dice >= %g" % DICE[1]], ["dice >= %g" % DICE[1]]),
    }
    for words, (of_projections, of_volume) in limits.items():
        for what, path, asked in (("projections", raw, of_projections), ("volume", volume, of_volume)):
            settings = scan.settings() if what == "projections" else ""
            spec, ratio = chosen(path, asked, settings, folder) if asked else ("auto", lossless(path))
            with h5py.File(path) as file:
                megabytes = file["data"].nbytes / ratio / 1e6
            after = decoded(path, spec, folder)
            store(folder / "after.h5", scan.volume(after) if what == "projections" else after, 1)
            yield line(scan.name, words, what, spec, ratio, megabytes, judged(volume, folder / "after.h5"), noise)


def lossless(path):
    return json.loads(run("measure", path, "-c", "auto", "--json", "-q"))["datasets"][0]["ratio"]


def judged(volume, after):
    found = run("measure", volume, after, "-m", "segmentation,ssim,rmse", "--json", "-q")
    return json.loads(found)["datasets"][0]["metrics"]


def line(name, words, what, spec, ratio, megabytes, metrics, noise):
    numbers = (metrics["dice"], metrics["volume_change_percent"], metrics["rmse"] / noise, metrics["ssim"])
    cells = "%.4f | %.2f | %.3f | %.4f" % numbers
    return "| %s | %s | %s | `%s` | %.2f | %.2f | %s |\n" % (name, words, what, spec, ratio, megabytes, cells.replace("-", "−"))


def section(shared, folder):
    """The section of the page: simulated data, and real data where they are."""
    scans = [simulated()]
    path = shared / "data/tomo-aps-tooth/tomo-aps-tooth.h5"
    if path.exists():
        scans.append(tooth(path))
    lines = [HEAD]
    for scan in scans:
        for text in rows(scan, folder):
            print(text, end="", flush=True)
            lines.append(text)
    return "".join([*lines, NOTE])
