"""The package as it was built: the processor check, and the doctor."""
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hippograd as hg
from hippograd import _build, _processor


def test_processor_has_what_was_compiled_in():
    assert _processor.missing() == []


def test_foreign_processor_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(_build, "isa", ["avx2", "avx9000"])
    monkeypatch.setattr(_processor, "features", lambda: {"avx2"})
    with pytest.raises(ImportError, match="lacks avx9000; .*HIPPOGRAD_NATIVE=OFF"):
        _processor.check()


def test_an_unknown_system_is_not_refused(monkeypatch):
    monkeypatch.setattr(_processor, "features", lambda: None)
    _processor.check()


def test_doctor_reports_and_succeeds():
    result = subprocess.run([sys.executable, "-m", "hippograd", "doctor"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    for word in (_build.version, "threads", "GPU", "python"):
        assert word in result.stdout


def test_float32_matmul_precision():
    """As in PyTorch: two faces of one setting, off by default; it acts on CUDA only."""
    a = hg.tensor([[1.0 + 2.0**-20]])
    assert hg.get_float32_matmul_precision() == "highest" and hg.backends.cuda.matmul.allow_tf32 is False
    try:
        hg.set_float32_matmul_precision("medium")
        assert hg.get_float32_matmul_precision() == "medium" and hg.backends.cuda.matmul.allow_tf32 is True
        assert (a @ hg.ones(1, 1)).item() == a.item()   # the CPU has no such mode
        hg.backends.cuda.matmul.allow_tf32 = False
        assert hg.get_float32_matmul_precision() == "highest"
        with pytest.raises(ValueError, match="'highest', 'high' or 'medium', got 'low'"):
            hg.set_float32_matmul_precision("low")
    finally:
        hg.set_float32_matmul_precision("highest")


@pytest.mark.skipif(not shutil.which("nm") or not sys.platform.startswith("linux"), reason="nm of binutils is not here")
def test_libraries_show_only_their_own_names():
    """Nothing that another extension in the process could be bound to by mistake, nor the other way round."""
    core, extension = (exported(path) for path in (Path(hg._C.__file__).with_name("libhippograd.so"), hg._C.__file__))
    assert extension == ["PyInit__C"]
    assert len(core) > 1000 and [name for name in core if not re.match(r"hippograd_|_Z\w{1,12}?9hippograd", name)] == []


def exported(path):
    table = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    return [line.split()[-1] for line in table.splitlines()]
