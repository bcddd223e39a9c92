"""Running a program while looking at its memory."""

import subprocess
import time
from pathlib import Path


def run_and_watch(command):
    """Runs a command; returns exit code, standard output, and the peak of its resident memory in bytes.

    The kernel's figure for a finished child (ru_maxrss) counts the Python that started it, so the peak is read from
    /proc while the program runs; what happens in its last few milliseconds is missed.
    """
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    status, peak = Path("/proc/%d/status" % process.pid), 0
    while process.poll() is None:
        peak = max(peak, peak_of(status))
        time.sleep(0.005)
    return process.returncode, process.stdout.read(), peak


def peak_of(status):
    """VmHWM of a process, 0 once it has gone."""
    try:
        lines = status.read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
