"""What happens when memory runs out: an error that says what was asked for and what fills the memory; the process lives on."""
import subprocess
import sys

import pytest

import hippograd as hg

LIMITED = """
import resource
import hippograd as hg
hg.set_num_threads(1)
sizes = [(1024, 1024), (512, 1024), (3, 1024, 1024), (2048, 1024), (1024, 1280), (1, 1024, 300)]
kept = [hg.zeros(s) for s in sizes] + [hg.zeros(1000)]
view = kept[0][1:].T
long = hg.zeros(1 << 20, dtype=hg.int64)
in_use = hg.memory_stats()["in_use"]
with open("/proc/self/statm") as f:
    now = int(f.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (256 << 20), resource.RLIM_INFINITY))
"""


def limited(program):
    """Standard output of a program that runs with at most 256 MiB more address space than it has at its start."""
    done = subprocess.run([sys.executable, "-c", LIMITED + program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_message_names_op_bytes_and_the_five_largest_tensors():
    text = limited("""
x = hg.zeros(1 << 14, 1)
try:
    x + x.T
except hg.OutOfMemoryError as e:
    print(e)
print(in_use)
print(hg.ones(3).sum().item())
""")
    message, in_use, alive = text.splitlines()
    assert message.startswith("add: no room for a float32 tensor of shape (16384, 16384): ")
    assert "1073741824 bytes (1.00 GiB)" in message
    largest = message.split("the largest tensors are ")[1]
    assert largest == ("float32 (3, 1024, 1024) 12.00 MiB, float32 (2048, 1024) 8.00 MiB, int64 (1048576,) 8.00 MiB, "
                       "float32 (1024, 1280) 5.00 MiB, float32 (1024, 1024) 4.00 MiB") or \
        largest == ("float32 (3, 1024, 1024) 12.00 MiB, int64 (1048576,) 8.00 MiB, float32 (2048, 1024) 8.00 MiB, "
                    "float32 (1024, 1280) 5.00 MiB, float32 (1024, 1024) 4.00 MiB")
    used = int(message.split("), ")[1].split(" ")[0])
    assert int(in_use) <= used <= int(in_use) + (1 << 17)    # x besides
    assert alive == "3.0"


def test_backward_is_named():
    text = limited("""
# z and z * z take 96 MiB each of the 256, the gradient another 96
x = hg.zeros(1 << 13, 1, requires_grad=True)
z = x.expand(1 << 13, 3000) * 2
try:
    (z * z).sum().backward()
except RuntimeError as e:
    print(e)
print(x.grad)
""")
    message, grad = text.splitlines()
    assert message.startswith("mul.backward: ") and "no room for a float32 tensor of shape (8192, 3000)" in message
    assert "the largest tensors are float32 (8192, 3000) 93.75 MiB" in message and grad == "None"


def test_freed_memory_is_not_listed_and_can_be_used_again():
    text = limited("""
del kept, view, long
for i in range(20):
    big = hg.zeros(40 << 20, dtype=hg.uint8)      # 40 MiB, again and again
    del big
blocks = []
try:
    while True:
        blocks.append(hg.zeros(7 << 20, dtype=hg.uint8))
except MemoryError as e:
    print(str(e).count("7.00 MiB"), "(1024, 1024)" in str(e))
count = len(blocks)
del blocks
print(count >= 20)
print(hg.ones(170 << 20, dtype=hg.uint8)[-1].item())    # the caches give back what they hold
""")
    assert text.split() == ["6", "False", "True", "1"]


def test_sizes_beyond_all_memory():
    with pytest.raises(hg.OutOfMemoryError, match=r"float64 tensor of shape \(1099511627776, 4096\)"):
        hg.empty(1 << 40, 1 << 12, dtype=hg.float64)
    with pytest.raises(RuntimeError, match="overflow|2\\^63"):
        hg.empty(1 << 62, 4)
    assert issubclass(hg.OutOfMemoryError, MemoryError) and issubclass(hg.OutOfMemoryError, RuntimeError)
