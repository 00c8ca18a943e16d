#!/usr/bin/env python3
"""Which CUDA kernels of the plugin never ran?

    HIPPOGRAD_LAUNCH_LOG=launched.txt build/tests/test_cuda_kernels
    HIPPOGRAD_LAUNCH_LOG=launched.txt build/tests/test_cuda_tiled       # adds to the file
    tools/check_kernels_ran.py build/python/hippograd/libhippograd_cuda.so launched.txt [more logs]

The kernels in the library are listed by cuobjdump, those that ran by HIPPOGRAD_LAUNCH_LOG (cuda/launch.cuh). Ends with one line and
status 1 if any kernel did not run. CUB's own kernels (its device-wide sort) count if one of them ran: which it picks is its choice.
"""
import re
import shutil
import subprocess
import sys


def kernels_of(library):
    tool = shutil.which("cuobjdump") or "/usr/local/cuda/bin/cuobjdump"
    text = subprocess.run([tool, "--dump-resource-usage", library], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"Function (\S+?):", text))


def readable(names):
    tool = shutil.which("cu++filt") or shutil.which("c++filt")
    if not tool or not names:
        return names
    return subprocess.run([tool], input="\n".join(names), capture_output=True, text=True, check=True).stdout.splitlines()


def main():
    library, *logs = sys.argv[1:]
    present = {k for k in kernels_of(library) if "3cub" not in k}
    ran = set()
    for log in logs:
        with open(log, encoding="utf-8") as file:
            ran |= set(file.read().split())
    missing = sorted(present - ran)
    for line in readable(missing):
        print("never ran:", line)
    print(f"{len(present & ran)} of {len(present)} kernels ran")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
