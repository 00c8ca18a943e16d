"""README.md tells the truth: its Python runs, its C++ is what the consumer project builds and runs, its links lead somewhere."""
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language):
    return [text for name, text in BLOCKS if name == language]


def test_python_block_runs(tmp_path):
    (code,) = blocks("python")
    result = subprocess.run([sys.executable, "-c", code + "\nprint(f'loss {loss.item():.3f}')"], cwd=tmp_path, capture_output=True,
                            text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    assert "1 input(s) and 3 parameter(s) agree" in result.stdout
    assert float(result.stdout.split()[-1]) < 0.5


def test_cpp_blocks_are_the_consumers_sources():
    program, op = blocks("cpp")
    assert program == (ROOT / "tests/consumer/main.cpp").read_text(encoding="utf-8")
    assert op in (ROOT / "tests/consumer/checks.cpp").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing


def test_the_map_names_folders_that_exist():
    table = README.split("## Map")[1].split("\n## ")[0]
    folders = re.findall(r"`([a-z/_]+)/`", "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `")))
    assert len(folders) > 8
    assert not [f for f in folders if not (ROOT / f).is_dir()]
