"""Frames of a simulated detector as fast as they can be written, every one read back by h5py: `make soak`.

Files are deleted once they are read, so the disk holds no more than --most-gigabytes. The writer is a process of its own
(crates/daq/examples/daq_soak.rs); reading goes on beside it, or after it with --read after. Exit code 1 where a frame is
lost, wrong or in the wrong place, or memory grows.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from daq import Contents, Soak, is_frame

# What RSS may differ from the first file to the last: allocators return memory when they like.
MOST_GROWTH = 0.05


class Reading:
    """Files as they are closed: read, compared, deleted."""

    def __init__(self):
        self.frames = 0
        self.mistakes = []
        self.hashes = {}

    def is_right(self, frame, number):
        # The series has eight frames, so a frame that stands in for another has another hash.
        crc = bytes(memoryview(frame).cast("B")[8:16])
        return is_frame(frame, number) and self.hashes.setdefault(number % 8, crc) == crc

    def read(self, event):
        first, path = event["first"], Path(event["path"])
        contents = Contents(path, first, is_right=self.is_right)
        expected = list(range(first, first + event["frames_in"]))
        if event["error"] or event["lost"] or contents.right != expected or not contents.is_finished:
            wrong, absent = contents.wrong[:5], contents.absent[:5]
            self.mistakes.append("%s: wrong %s, absent %s, lost %s, %s" % (path, wrong, absent, event["lost"], event["error"]))
        self.frames += len(contents.right)
        path.unlink()


def run(folder, seconds, options=(), most_bytes=6 * 10**9, after=False):
    """Soaks; returns the report as a dictionary."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    # A new folder inside: the one that was given may hold something else.
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir=folder))
    load = os.getloadavg()[0]
    soak, reading, done = Soak(folder, "--seconds", seconds, "--most-bytes", most_bytes, *options), Reading(), 0
    while soak.process.poll() is None or done < len(soak.files):
        if soak.process.poll() is not None:
            soak.listener.join()
        if done < len(soak.files) and not (after and soak.process.poll() is None):
            reading.read(soak.files[done])
            done += 1
        else:
            time.sleep(0.02)
    soak.end()
    if soak.process.returncode != 0:
        reading.mistakes.append("the writer ended with %d: %s" % (soak.process.returncode, soak.process.stderr.read()))
    shutil.rmtree(folder)
    return report(soak, reading, load)


def report(soak, reading, load):
    """What there is to say, and what is wrong."""
    files, end = soak.files, soak.events[-1]
    total = lambda key: sum(event[key] for event in files)  # noqa: E731
    worst = lambda key: max(event[key] for event in files)  # noqa: E731
    memory = [event["rss_bytes"] for event in files]
    # The last file may have had few frames, which leave buffers untouched.
    growth = max(memory[1:], default=memory[0]) / memory[0] - 1
    mistakes = list(reading.mistakes)
    if growth > MOST_GROWTH:
        mistakes.append("memory grew by %.0f %%: %s" % (100 * growth, memory))
    if reading.frames != total("frames_in"):
        mistakes.append("%d frames came, %d were read back" % (total("frames_in"), reading.frames))
    return {
        "frames": total("frames_in"),
        "lost": total("frames_lost"),
        "read": reading.frames,
        "files": len(files),
        "seconds": end["seconds"],
        "frames_per_second": total("frames_in") / end["seconds"],
        "gigabytes_per_second": total("bytes_in") / end["seconds"] / 1e9,
        "ratio": total("bytes_in") / total("bytes_stored"),
        "waited_for_space": total("waited_for_space"),
        "latency_p50": worst("latency_p50"),
        "latency_p99": worst("latency_p99"),
        "latency_max": worst("latency_max"),
        "memory": (memory[0], max(memory)),
        "load_before": load,
        "mistakes": mistakes,
    }


def text_of(said):
    """The report for people."""
    return """\
{frames} frames in {seconds:.1f} s into {files} files, {read} read back right and in place, {lost} lost
{frames_per_second:.1f} frames/s, {gigabytes_per_second:.2f} GB/s in, ratio {ratio:.2f}, {0:.0f} MB/s to the disk
latency of the worst file: p50 {1:.0f} ms, p99 {2:.0f} ms, largest {3:.0f} ms
memory {4:.0f} MB after the first file, {5:.0f} MB at most later; {waited_for_space:.1f} s waited for the reader
load of the machine before: {load_before:.1f}""".format(
        said["gigabytes_per_second"] * 1e3 / said["ratio"],
        *[1e3 * said["latency_" + key] for key in ("p50", "p99", "max")],
        *[size / 1e6 for size in said["memory"]],
        **said,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", default="soak")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--most-gigabytes", type=float, default=6)
    parser.add_argument("--read", choices=["beside", "after"], default="beside")
    arguments, options = parser.parse_known_args()
    said = run(arguments.folder, arguments.seconds, options, int(arguments.most_gigabytes * 1e9), arguments.read == "after")
    print(text_of(said))
    for mistake in said["mistakes"]:
        print("WRONG: " + mistake)
    return 1 if said["mistakes"] else 0


if __name__ == "__main__":
    sys.exit(main())
