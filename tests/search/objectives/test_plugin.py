"""The objective that the page of the objectives shows, as a package of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.packaging.support import ROOT, Installed
from tests.search.objectives.test_registry import SPACE

PROGRAM = """\
import json
import torch
import archdsl
from archdsl.search.objectives import registry
from archdsl.search.objectives.objective import Candidate

space = archdsl.load("space.arch:deeper")
objectives = [registry.make(one.name, {"batch": 2} if one.name == "largest_map" else {}) for one in space.space.objectives]
of = Candidate(space.arch(space.draw(0)), 0, torch.device("cpu"))
print(json.dumps({one.name: one.measure(of, lambda number, value: None) for one in objectives}))
"""


@pytest.fixture
def package(tmp_path: Path) -> Installed:
    page = (ROOT / "docs" / "objectives.md").read_text(encoding="utf-8")
    (module,) = re.findall(r"^```python my_objectives.py\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (entry,) = re.findall(
        r'^```toml pyproject.toml\n\[project\.entry-points\."(.*)"\]\n(\w+) = "(.*)"\n```', page, re.MULTILINE
    )
    site = tmp_path / "site"
    about = site / "my_objectives-0.1.dist-info"
    about.mkdir(parents=True)
    (site / "my_objectives.py").write_text(module, encoding="utf-8")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-objectives\nVersion: 0.1\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(f"[{entry[0]}]\n{entry[1]} = {entry[2]}\n", encoding="utf-8")
    (tmp_path / "space.arch").write_text(SPACE.replace("NAME", "largest_map\n  maximize params"), encoding="utf-8")
    return Installed(site, tmp_path, (ROOT,))


def test_it_is_named_explained_and_measured(package: Installed) -> None:
    listed = package.archdsl("list", "objectives").stdout
    assert "largest_map  The elements of the largest map that a stage gives. [my-objectives]" in " ".join(listed.split(" "))
    told = package.archdsl("explain", "largest_map").stdout
    assert "largest_map (an objective)" in told
    assert "batch: whole number, >= 1, default 1" in told
    package.archdsl("check", "space.arch")
    found = json.loads(package.run("-W", "error", "-c", PROGRAM).stdout)
    # 16 channels of 8x8 positions
    assert found["largest_map"] == 16 * 8 * 8
    assert found["params"] > 0


def test_a_broken_one_is_told_where_it_is_asked_for(package: Installed) -> None:
    (package.target / "my_objectives.py").write_text("import a_device_that_is_not_here", encoding="utf-8")
    package.archdsl("check", "space.arch")
    listed = package.archdsl("list", "objectives")
    assert "Cannot be used. [my-objectives]" in listed.stdout
    assert "1 objective cannot be used; `-v` tells why" in listed.stderr
    assert "a_device_that_is_not_here" in package.archdsl("list", "objectives", "-v").stderr
    assert "largest_map" not in package.archdsl("list", "objectives", "--plain").stdout.split()
    told = package.archdsl("explain", "largest_map", code=2).stderr
    assert "the objective `largest_map` of `my-objectives` cannot be used: ModuleNotFoundError" in told
    failed = package.run("-c", PROGRAM, code=1).stderr
    assert "error[broken-plugin]: the objective `largest_map` of the package `my-objectives` cannot be loaded" in failed
