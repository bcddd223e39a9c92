"""What a figure has to be read with: the machine, the versions, the command."""

import os
import platform
import shlex
import sys


def cpu_model():
    """The processor's name, as the kernel knows it."""
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def describe(**versions):
    """A line for the head of a table, or for JSON."""
    return {
        "machine": "%s, %d cores, Linux %s" % (cpu_model(), os.cpu_count() or 1, platform.release()),
        "versions": {"python": platform.python_version(), **versions},
        "command": shlex.join(["python", *sys.argv]),
        "load_before": round(os.getloadavg()[0], 2),
    }


def print_head(head):
    """Prints what `describe` found out."""
    print(head["machine"])
    print(", ".join("%s %s" % item for item in head["versions"].items()))
    print("%s   (load before: %.2f)" % (head["command"], head["load_before"]))
