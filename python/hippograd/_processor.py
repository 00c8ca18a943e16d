"""Was this package built for the processor it runs on? Asked before the library is loaded, which would only say
"Illegal instruction"."""
import sys

from . import _build


def features():
    """The instruction sets of this processor, by the names of _build.isa; None where the system does not tell."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            head = file.read(8192)
    except OSError:
        return None
    for line in head.splitlines():
        if line.startswith("flags"):
            return {flag.replace("bmi1", "bmi").replace("_", "") if flag != "sse4_2" else "sse4.2"
                    for flag in line.split(":", 1)[1].split()}
    return None


def missing():
    """The instruction sets compiled in that this processor lacks."""
    have = features()
    return [] if have is None else [name for name in _build.isa if name not in have]


def check():
    lacking = missing() if _build.isa and sys.platform == "linux" else []
    if lacking:
        raise ImportError(
            "hippograd was built for another processor: this one lacks " + " ".join(lacking) +
            "; install it here again (pip install --force-reinstall .), or build with "
            "--config-settings cmake.define.HIPPOGRAD_NATIVE=OFF")
