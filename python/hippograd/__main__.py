"""python -m hippograd doctor: what is installed, what it runs on, and one line of remedy for whatever is wrong."""
import glob
import importlib.util
import os
import platform
import subprocess
import sys
from importlib import metadata

from . import _build, _processor

# What each extra package is for, by the group of pyproject.toml that brings it.
EXTRAS = {
    "viz": {"matplotlib": "curves", "PIL": "pictures"},
    "data": {"easy_vqa": "the demo's pictures and questions"},
}


def line(name, value, remedy=""):
    print(f"  {name:<12} {value}" + (f"\n{'':15}-> {remedy}" if remedy else ""))


def library():
    """The compiled part: does it load, and was it made for this processor?"""
    try:
        from . import _C
    except ImportError as error:
        line("library", f"does not load: {error}", "pip install --force-reinstall --no-deps .")
        return False
    where = os.path.dirname(_C.__file__)
    line("hippograd", f"{_build.version} in {where}")
    line("built with", f"{_build.compiler}, {_build.build_type}" + (f", sanitizers {_build.sanitizers}" if _build.sanitizers else ""))
    have = _processor.features() or set()
    unused = [name for name in ("avx2", "avx512f") if name in have and name not in _build.isa]
    line("instructions", " ".join(_build.isa) or platform.machine(),
         f"this processor also has {' '.join(unused)}: build here with HIPPOGRAD_NATIVE=ON" if unused else "")
    return True


def threads():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    setting = os.environ.get("HIPPOGRAD_NUM_THREADS")
    load = os.getloadavg()[0]
    line("threads", f"{cores} cores, load {load:.1f}" + (f", HIPPOGRAD_NUM_THREADS={setting}" if setting else ""),
         "other work is running: what is timed now will be slow" if load > 0.5 * cores else "")


def nvidia_driver():
    """'GPU name, driver version' as the driver's own tool tells it; '' without one."""
    try:
        query = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
                               capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "; ".join(query.stdout.strip().splitlines()) if query.returncode == 0 else ""


def gpu():
    found = nvidia_driver()
    if _build.cuda:
        present = "CUDA backend built"
        line("GPU", f"{present}; {found or 'no GPU answers'}",
             "" if found else "is a driver installed and the device visible to this user (nvidia-smi)?"
             if glob.glob("/dev/nvidia[0-9]*") else "")
    else:
        line("GPU", f"{found + ', but ' if found else ''}this build runs on the CPU only")


def packages():
    line("python", f"{platform.python_version()} ({sys.executable})")
    line("numpy", metadata.version("numpy"))
    for group, modules in EXTRAS.items():
        missing = [f"{name} ({use})" for name, use in modules.items() if not importlib.util.find_spec(name)]
        if missing:
            line(f"[{group}]", "missing: " + ", ".join(missing), f"pip install 'hippograd[{group}]', or ./setup demo")


def doctor():
    print("hippograd doctor")
    works = library()
    threads()
    gpu()
    packages()
    print("everything needed is here" if works else "hippograd does not work here: see above")
    return 0 if works else 1


def main(arguments):
    if arguments == ["doctor"]:
        return doctor()
    print(__doc__)
    return 0 if arguments in ([], ["-h"], ["--help"]) else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
